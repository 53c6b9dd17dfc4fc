"""The backtest flow: past months replayed, each kept when it is done, so that a killed run goes on where it
stopped.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from features.errors import TooLittleDataError, UsageError
from features.serialization import dump, load, plain
from features.tables import Clock, moment
from models.backtest import By, Replayed, Span, calendar, parts, replay
from models.evaluation.texts import with_texts_that_tell
from models.policy.rules import share_of
from pipelines.files import replaced
from pipelines.flows.dataset import learning_set, pull_source
from pipelines.flows.runs import flow, publish
from pipelines.progress import Stopwatch
from pipelines.reports import summaries
from pipelines.reports.plots.policy import drawn
from pipelines.settings import Settings

FORMAT = 2
SECTIONS = ("label", "features", "model", "evaluation", "policy")


@dataclass(frozen=True)
class BacktestReport:
    """What the filter would have done to the leads of every replayed span."""

    replayed: tuple[Replayed, ...]
    clock: Clock
    max_lost_share: float
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    picture: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The ``backtest`` object of the interface."""
        spans = [
            plain(span) | {"from": moment(span.start, self.clock), "to": moment(span.end, self.clock)}
            for span in self.replayed
        ]
        for span in spans:
            del span["start"], span["end"]
        return plain(
            {
                "spans": spans,
                "total": self.total(),
                "max_lost_share": self.max_lost_share,
                "picture": self.picture,
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )

    def total(self) -> dict[str, Any]:
        """Sums over the spans; what no span knows is None."""
        counts = (
            "leads",
            "taken_up",
            "customers",
            "margin",
            "open",
            "held",
            "held_taken_up",
            "lost",
            "lost_margin",
        )
        told = {
            name: [value for span in self.replayed if (value := getattr(span, name)) is not None]
            for name in counts
        }
        rivals = {
            name: sum(span.rivals[name] for span in self.replayed)
            for name in (self.replayed[0].rivals if self.replayed else ())
        }
        totals = {name: sum(values) if values else None for name, values in told.items()}
        return totals | {"rivals": rivals, "rules": self._rules(totals["customers"] or 0)}

    def _rules(self, customers: int) -> list[dict[str, Any]]:
        """What each rule did in all spans, and which share of the customers it lost."""
        found: dict[str, dict[str, Any]] = {}
        for each in (rule for span in self.replayed for rule in span.rules):
            its = found.setdefault(each.reason, {"reason": each.reason})
            for name in ("held", "handed_off", "lost", "taken_up", "won", "hours"):
                value = getattr(each, name)
                its[name] = its.get(name) if value is None else (its.get(name) or 0) + value
        return [its | {"share": share_of(its["lost"], customers)} for its in found.values()]


def folder_of(home: Path, fingerprints: tuple[str, str], settings: Settings, until: Any) -> Path:
    """Where the months of one source and recipe under one configuration are kept: others have a folder of their
    own.
    """
    chosen = {name: dump(getattr(settings, name)) for name in SECTIONS}
    key = json.dumps([FORMAT, fingerprints, chosen, str(until)], sort_keys=True)
    return home / "backtests" / hashlib.sha256(key.encode()).hexdigest()[:16]


def once(folder: Path, span: Span, replay: Callable[[], Replayed]) -> Replayed:
    """A span as it was replayed before, or replayed now and kept."""
    kept = folder / f"{span.start:%Y%m%dT%H%M%S}-{span.end:%Y%m%dT%H%M%S}.json"
    if kept.exists():
        return load(Replayed, json.loads(kept.read_text(encoding="utf-8")))
    replayed = replay()
    with replaced(kept) as draft:
        draft.write_text(json.dumps(dump(replayed)), encoding="utf-8")
    return replayed


@flow("backtest-leads")
def backtest_leads(
    settings: Settings,
    home: Path,
    as_of: datetime,
    last: int = 12,
    by: By = "month",
    picture: Path | None = None,
) -> BacktestReport:
    """Show what the filter would have held and lost in past months. Run again after a kill, it goes on where
    it stopped.
    """
    watch = Stopwatch()
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
        clock = snapshot.tables.clock
    if clock == "none":
        snapshot.close()
        raise UsageError(
            'these leads have neither dates nor an order, so there is no past to replay. Name a created_at, or order = "rows".'
        )

    with watch.step("features", "look up what was known of each lead"), closing(snapshot):
        learning = learning_set(snapshot.tables, settings)
        learning = with_texts_that_tell(learning, settings.evaluation, settings.model)

    spans = calendar(learning, last, by=by) if clock == "time" else parts(learning, last)
    if not spans:
        raise TooLittleDataError(
            f"the leads span too little time to replay a {by} of it; nothing was replayed."
        )
    fingerprints = (snapshot.fingerprint, learning.recipe.fingerprint)
    folder = folder_of(home, fingerprints, settings, learning.known_until)
    with watch.step("replay", "replay the past") as progress:
        replayed = []
        for span in spans:
            again = partial(
                replay,
                learning,
                span,
                settings.evaluation,
                settings.model,
                settings.policy,
                moment=partial(moment, clock=clock),
            )
            replayed.append(once(folder, span, again))
            progress(len(replayed), len(spans))

    picture = picture or folder / "backtest.png"
    with replaced(picture) as draft:
        drawn(
            replayed,
            settings.policy.max_lost_share,
            moment=lambda time: str(moment(time, clock))[: 10 if by == "week" else 7],
        ).savefig(draft, format="png")
    report = BacktestReport(
        replayed=tuple(replayed),
        clock=clock,
        max_lost_share=settings.policy.max_lost_share,
        warnings=snapshot.warnings,
        seconds=watch.seconds,
        picture=picture,
    )
    publish("backtest", summaries.backtest(report.to_json()))
    return report
