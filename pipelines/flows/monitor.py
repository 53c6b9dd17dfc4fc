"""The monitor flow: do outcomes come as the champion foretold, is the promise kept, are the data as they
were?
"""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.serialization import plain
from features.tables import moment
from models.monitoring.data_drift import Hint
from models.monitoring.outcome_drift import WEEK, Watch, looks_of, watch
from models.monitoring.status import Health, health_of
from models.policy.impact import Recheck, promise_of
from models.scoring.calibration import CalibratedHazard
from pipelines.flows.dataset import pull_source
from pipelines.flows.monitor_data import Watched, hints_of, watched
from pipelines.flows.retrain import Retrained, retrain
from pipelines.flows.runs import flow, publish
from pipelines.flows.value import reckoned
from pipelines.home import registry_of, store_of
from pipelines.progress import Stopwatch
from pipelines.reports import monitor as reports
from pipelines.settings import Settings
from pipelines.version_files import load_record

UNDATED = "the source has no dates of leads and outcomes, so that outcomes cannot be followed week by week"


@dataclass(frozen=True)
class MonitorReport:
    """The champion watched; ``retrained`` is None where nothing was trained."""

    version: str
    as_of: str | int | None
    decided: int
    health: Health
    watches: dict[str, Watch]
    hints: tuple[Hint, ...]
    promise: Recheck | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    retrained: Retrained | None = None

    def to_json(self) -> dict[str, Any]:
        """The ``monitor`` object of the interface."""
        return plain(
            {
                "verdict": self.health.word,
                "reasons": self.health.reasons,
                "steps": self.health.steps,
                "version": self.version,
                "as_of": self.as_of,
                "decided": self.decided,
                "alarms": [each.to_json() for found in self.watches.values() for each in found.alarms],
                "nearly": [each.to_json() for found in self.watches.values() for each in found.nearly],
                "hints": self.hints,
                "promise": self.promise and self.promise.to_json(),
                "watched": {name: found.to_json() for name, found in self.watches.items()},
                "retrained": self.retrained and self.retrained.to_json(),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@flow("monitor-leads")
def monitor_leads(settings: Settings, home: Path, as_of: datetime) -> MonitorReport:
    """Watch the champion on what is known by ``as_of``. Changes nothing, unless [monitor] retrain asks for
    training at an alarm.
    """
    clock = Stopwatch()
    registry, store = registry_of(settings, home), store_of(settings, home)
    record = load_record(registry, registry.resolve("champion"), settings.features.files)
    log = store.decisions()
    log = log[log["decided_at"] <= as_of]
    ours = log[log["version"] == record.number]
    with clock.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
        tables = snapshot.tables

    with closing(snapshot):
        with clock.step("outcomes", "look up what became of the decided leads"):
            dated = tables.clock == "time" and tables.outcome_times
            blind = (
                ""
                if dated and len(ours)
                else UNDATED
                if len(ours)
                else f"version {record.number} has decided no lead yet"
            )
            looks = looks_of(
                ours["decided_at"].to_numpy("datetime64[us]"), np.datetime64(min(as_of, tables.end), "us")
            )
            recent = ours[ours["decided_at"] > looks[0] - WEEK]
            seen = (
                Watched({}, {}, ())
                if blind
                else watched(recent, tables, record, segments=settings.monitor.segments, store=store)
            )
            known = reckoned(log, tables, settings) if len(log) else None
        with clock.step("hints", "look at the data"):
            hints = hints_of(ours, tables, record, settings, asked=as_of)

    with clock.step("watch", "hold outcomes against what was foretold"):
        watches = {
            name: _watch(name, seen, record.scorer.models[name], looks, settings) for name in seen.leads
        }
        promise = (
            None
            if known is None or not known["settled"].any()
            else promise_of(known[known["settled"]], settings.policy)
        )
        health = health_of(
            [each for found in watches.values() for each in found.alarms],
            [each for found in watches.values() for each in found.nearly],
            hints,
            promise,
            blind=blind,
            expected=sum(found.expected[0, -1] for found in watches.values()),
        )

    report = MonitorReport(
        version=record.number,
        as_of=moment(as_of, tables.clock),
        decided=len(ours),
        health=health,
        watches=watches,
        hints=hints,
        promise=promise,
        warnings=snapshot.warnings,
        seconds=clock.seconds,
    )
    if settings.monitor.retrain and health.word == "retrain":
        done = retrain(settings, home, as_of)
        report = replace(
            report,
            retrained=done,
            health=health.trained_anew(promoted=done.promoted) if done.version else health,
        )
    publish("monitor", reports.monitor(report.to_json()))
    return report


def _watch(name: str, seen: Watched, model: CalibratedHazard, looks: np.ndarray, settings: Settings) -> Watch:
    options = {
        "columns": seen.columns,
        "false_alarms": settings.monitor.false_alarms,
        "outcomes": len(seen.leads),
    }
    return watch(name, seen.leads[name], seen.reference[name], model, looks=looks, **options)
