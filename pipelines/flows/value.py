"""The value flow: what became of the leads that were decided, against what was promised of them."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from features.errors import TooLittleDataError
from features.matrix import fetch
from features.outcomes import fates, outcomes
from features.serialization import plain
from features.tables import Tables
from models.policy.arms import check_propensities
from models.policy.assignment import gives_up_luck
from models.policy.impact import Aftermath, aftermath
from models.policy.rules import RuleToll, tolls
from pipelines.flows.dataset import pull_source
from pipelines.flows.runs import flow, publish
from pipelines.home import store_of
from pipelines.progress import Stopwatch
from pipelines.reports import summaries
from pipelines.reports.serialize import told_leniency
from pipelines.settings import Settings
from pipelines.store.answers import pulled_out
from pipelines.store.database import Store, given_by_skill


@dataclass(frozen=True)
class Overrides:
    """Held leads that people pulled out, and what became of them: wins that the filter alone would have
    missed.

    They prove nothing about the filter's share of losses, for people choose whom they pull out; so no other
    figure counts them.
    """

    pulled_out: int
    taken_up: int
    won: int

    @classmethod
    def of(cls, log: pd.DataFrame, lead_ids: set[str]) -> "Overrides":
        """From what became of decided leads: ``lead_id``, ``accepted`` and ``won``."""
        chosen = log[log["lead_id"].isin(lead_ids)]
        return cls(len(lead_ids), int(chosen["accepted"].sum()), int(chosen["won"].sum()))


@dataclass(frozen=True)
class ValueReport:
    """What the filter has cost and brought since launch."""

    aftermath: Aftermath
    overrides: Overrides
    rules: tuple[RuleToll, ...]
    since: pd.Timestamp
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The ``value`` object of the interface."""
        found = self.aftermath
        return plain(
            {
                "since": self.since.isoformat(),
                "decided": found.decided,
                "settled": found.settled,
                "promise": found.promise.to_json(),
                "overrides": self.overrides,
                "rules": self.rules,
                "worth": {
                    unit: {name: plain(value) | {"words": value.words()} for name, value in policies.items()}
                    for unit, policies in found.worth.items()
                },
                "leniency": found.leniency and told_leniency(found.leniency),
                "warnings": (*self.warnings, *found.notes),
                "seconds": self.seconds,
            }
        )


@flow("value-policy")
def value_policy(settings: Settings, home: Path, as_of: datetime) -> ValueReport:
    """Check the promise again on what is known by ``as_of``, and say what the filter was worth. Changes
    nothing.
    """
    watch = Stopwatch()
    store = store_of(settings, home)
    decisions = store.decisions()
    if decisions.empty:
        raise TooLittleDataError(
            "no lead has been decided yet, so nothing can have been lost. Score leads first: leadsieve score."
        )
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
    with watch.step("look back", "look up what became of the decided leads"), closing(snapshot):
        log, told = by_luck(reckoned(decisions, snapshot.tables, settings), store)
    with watch.step("value", "check the promise and value the filter"):
        found = aftermath(
            log, settings.policy, resamples=settings.evaluation.resamples, seed=settings.evaluation.seed
        )
    overrides = Overrides.of(log, pulled_out(store))
    known = log[log["settled"]]
    ruled = tolls(
        known,
        known["won"].to_numpy(bool),
        known["accepted"].to_numpy(bool),
        hours_per_lead=settings.policy.hours_per_lead,
    )
    report = ValueReport(
        aftermath=found,
        overrides=overrides,
        rules=ruled,
        since=decisions["decided_at"].min(),
        warnings=(*snapshot.warnings, *told),
        seconds=watch.seconds,
    )
    publish("value", summaries.value(report.to_json()))
    return report


def by_luck(judged: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Judged decisions as ``reckoned`` has them, without who got a lead where that was no luck, and what is to be said
    about it.
    """
    with store.reading() as connection:
        chosen = judged["lead_id"].isin(given_by_skill(connection))
    return judged.assign(rep=judged["rep"].mask(chosen)), gives_up_luck(int(chosen.sum()))


def reckoned(decisions: pd.DataFrame, tables: Tables, settings: Settings) -> pd.DataFrame:
    """The decisions with ``settled``, ``accepted``, ``won``, ``margin`` and ``rep``; leads that the source no
    longer has are left out.

    A lead is settled when both horizons have passed since its decision, whatever came of it; won counts
    within them.

    Raises
    ------
    ContractError
        Where a decision's propensity is no probability.
    """
    check_propensities(decisions)
    decided = ibis.memtable(pa.table({name: pa.array(decisions[name]) for name in ("lead_id", "as_of")}))
    leads = tables.leads.select("lead_id", "account_id", "created_at")
    cohort = leads.join(decided, "lead_id")
    fate = fetch(fates(tables, cohort)).to_pandas()
    became = outcomes(fate, settings.label, tables.end, tables, margin_share=settings.policy.margin_share)
    found = pd.DataFrame(
        {
            "lead_id": became["lead_id"],
            "settled": became["over"] & (tables.outcome_times | became["converted"].notna()),
            "accepted": became["pursued"] == 1 if "accepted" in tables.stages else True,
            "won": became["converted"] == 1,
            "margin": became["margin"],
            "rep": became["rep"],
        }
    )
    return decisions.merge(found, on="lead_id", how="inner")
