"""The scoring flow: new leads get the champion's chances, a decision and its reasons, once."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from features.serialization import plain
from features.tables import came_before, moment, scoring_cohort, unanswered
from models.monitoring.data_drift import oddities
from models.policy.policy import HAND_OFF, HOLD
from pipelines.deciding.parts import WaitingLeads
from pipelines.deciding.record import put_on_record
from pipelines.deciding.rescoring import Rescored, score_again
from pipelines.deciding.shadow import Shadow, in_shadow
from pipelines.flows.dataset import pull_source
from pipelines.flows.runs import flow, publish
from pipelines.home import registry_of, store_of
from pipelines.progress import Stopwatch
from pipelines.reports import summaries
from pipelines.settings import Settings
from pipelines.sinks.tables import checked_output, write_decisions
from pipelines.store.decision_queries import for_sales, pending_leads
from pipelines.store.erasure import forgotten_of
from pipelines.store.work import shadows
from pipelines.store.work.rescores import as_of_now
from pipelines.version_files import load_champion

FRESH = timedelta(days=1)


@dataclass(frozen=True)
class ScoringReport:
    """What a scoring run decided; leads that another run has decided are counted in ``already_decided``
    alone.
    """

    version: str
    as_of: str | int | None
    decisions: pd.DataFrame
    already_decided: int
    rescored: Rescored
    shadow: Shadow
    output: Path | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def by(self, column: str) -> dict[str, dict[str, int]]:
        """Counts of each action by the values of one column."""
        counts = pd.crosstab(self.decisions[column].astype("str").fillna("(empty)"), self.decisions["action"])
        counts = counts.reindex(columns=[HAND_OFF, HOLD], fill_value=0).set_axis(
            ["handed_off", "held"], axis="columns"
        )
        return {str(value): row for value, row in counts.to_dict("index").items()}

    def to_json(self) -> dict[str, Any]:
        """The ``score`` object of the interface."""
        return plain(
            {
                "version": self.version,
                "as_of": self.as_of,
                "scored": len(self.decisions),
                "handed_off": int((self.decisions["action"] == HAND_OFF).sum()),
                "held": int((self.decisions["action"] == HOLD).sum()),
                "already_decided": self.already_decided,
                "rescored": self.rescored,
                "shadow": self.shadow.to_json(),
                "output": self.output,
                "by_channel": self.by("channel"),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@flow("score-leads")
def score_leads(
    settings: Settings,
    home: Path,
    as_of: datetime,
    leads: Path | None = None,
    everything: bool = False,
    reasons: int = 20_000,
    output: Path | None = None,
    incremental: bool = False,
) -> ScoringReport:
    """Decide every lead that waits for a decision at ``as_of``; run again, it decides nobody twice.

    Without ``leads`` those are the source's leads that sales has not answered and that are younger than the
    champion's pursue horizon. An ``incremental`` run pulls from a server only what has changed.
    """
    watch = Stopwatch()
    if output:
        checked_output(output)
    champion = load_champion(registry_of(settings, home), settings.features.files)
    recipe = champion.scorer.recipe
    store = store_of(settings, home)
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(
            settings, home=home, until=as_of, leads_file=leads, whole_tables=not incremental
        )
        tables = snapshot.tables
        as_of = min(as_of, tables.end)

    with closing(snapshot):
        with watch.step("features", "look up what is known of each lead"), snapshot.answering():
            rescored = score_again(
                champion,
                tables,
                store,
                home,
                as_of,
                days=settings.schedule.rescore_days,
                rules=settings.policy.rules,
            )
            cohort = scoring_cohort(tables, as_of)
            if snapshot.new_leads is not None:
                cohort = cohort.semi_join(snapshot.new_leads, "lead_id")
            elif not everything:
                cohort = unanswered(tables, cohort, recipe.horizons.pursue_days)
            asked = pending_leads(cohort, store)
            waiting = WaitingLeads(
                tables, asked.waiting, settings.features.files, answering=snapshot.answering
            )
            if waiting.are_here:
                waiting.at_hand(recipe)
            late = came_before(tables, asked.waiting, as_of - recipe.horizons.delay - FRESH)

        with watch.step("score", "score and decide"):
            proposed = waiting.proposed(champion, with_reasons=reasons, rules=settings.policy.rules)
            shadow = Shadow()
            if settings.promotion.shadow:
                shadow = in_shadow(
                    registry_of(settings, home),
                    champion,
                    waiting,
                    rules=settings.policy.rules,
                    files=settings.features.files,
                )

    with watch.step("record", "record the decisions"):
        with store.writing() as connection:
            decisions = proposed.decisions
            gone = forgotten_of(store, home).are(decisions["lead_id"])  # while we scored them
            decisions = decisions[~pd.Series(gone, index=decisions.index, dtype=bool)]
            recorded = put_on_record(champion, store, decisions, connection)
            shadow = shadow.of(recorded["lead_id"])
            shadows.record(store, connection, shadow.scored)
        elsewhere = asked.decided_elsewhere(decisions, recorded)
        if output:
            earlier = (
                as_of_now(store, store.decisions(lead_ids=elsewhere)) if elsewhere else recorded.iloc[:0]
            )
            write_decisions(for_sales(recorded, earlier), output)

    odd = oddities(champion.scorer, proposed.tally, max_new=settings.monitor.max_new)
    report = ScoringReport(
        version=champion.version,
        as_of=moment(as_of, tables.clock),
        decisions=recorded,
        already_decided=len(elsewhere),
        rescored=rescored,
        shadow=shadow,
        output=output,
        warnings=(
            *([_late(late)] if late else []),
            *(f"these leads are not as the model knows them: {each.words()}" for each in odd),
            *([shadow.warning] if shadow.warning else []),
            *snapshot.warnings,
        ),
        seconds=watch.seconds,
    )
    publish("score", summaries.score(report.to_json(), report.decisions))
    return report


def _late(leads: int) -> str:
    """Those that sales wants are taken up first; so who is left is another kind of lead."""
    came = "1 of these leads" if leads == 1 else f"{leads:,} of these leads"
    return (
        f"{came} came more than a day ago: a score is the chance of a lead as it arrives, and of those that sales has left waiting "
        "since, fewer will be taken up and won"
    )
