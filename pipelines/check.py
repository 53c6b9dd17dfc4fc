"""The check flow: what a source holds, whether it is enough, and which columns know too much; nothing is trained."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from prefect import flow

from models.check_pictures import column_picture, spans_of, time_picture
from models.leak_findings import Findings
from models.leak_profiles import profile
from models.learning import LearningSet
from models.readiness import DID, Readiness, readiness
from pipelines import artifacts
from pipelines.contents import contents
from pipelines.guard import Judged, judged_columns, used_all_the_same
from pipelines.lookup import columns_of, outcome_set
from pipelines.network import pull_source
from pipelines.places import store_of
from pipelines.progress import Stopwatch
from pipelines.results import moment, plain, unused
from pipelines.settings import Settings
from pipelines.wording import short


@dataclass(frozen=True)
class CheckReport:
    """What there is to say of a source before anything is trained on it."""

    as_of: str | int | None
    readiness: Readiness
    tables: dict[str, Any]
    findings: Findings
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    pictures: dict[str, Figure] = field(default_factory=dict, repr=False, compare=False)

    @property
    def passes(self) -> bool:
        """Whether ``train`` would start, and has enough to learn from."""
        return not self.findings.stopping and self.readiness.verdict != "too little data"

    def to_json(self) -> dict[str, Any]:
        """The ``check`` object of the interface."""
        return plain(
            {
                "passes": self.passes,
                "as_of": self.as_of,
                "readiness": self.readiness.to_json(),
                "tables": self.tables,
                "leaks": [leak.to_json() for leak in self.findings.leaks],
                "detectors": [each.to_json() for each in self.findings.looked],
                "mend": self.findings.refusal("train would stop"),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@flow(name="check-source")
def check_source(settings: Settings, home: Path, as_of: datetime, drawn: bool = False) -> CheckReport:
    """Judge a source's contract, contents, readiness and columns as of one moment; ``drawn`` asks for the pictures, too."""
    watch = Stopwatch()
    with watch.step("pull", "pull what has changed, and judge its contract"):
        snapshot = pull_source(settings, home=home, until=as_of)
        tables = snapshot.tables

    with closing(snapshot):
        with watch.step("outcomes", "look up what became of each lead"):
            learning = outcome_set(tables, settings)
            learning = replace(learning, logged=store_of(settings, home).beside(learning.frame["lead_id"]))
        with watch.step("contents", "count what is there"):
            held = contents(tables, learning.recipe)
            ready = readiness(learning, settings.policy)
        with watch.step("guard", "look for columns that know too much"):
            judged = judged_columns(learning, snapshot, settings, look_up=partial(columns_of, tables, settings, learning.recipe))

    report = CheckReport(
        as_of=moment(tables.end, tables.clock),
        readiness=ready,
        tables=held,
        findings=judged.findings,
        warnings=(*snapshot.warnings, *unused(learning.recipe), *used_all_the_same(judged.findings)),
        seconds=watch.seconds,
        pictures=_pictures(learning, judged, clock=tables.clock) if drawn else {},
    )
    artifacts.publish_check(report.to_json())
    return report


def _pictures(learning: LearningSet, judged: Judged, *, clock: Any) -> dict[str, Figure]:
    """What is settled over time for each outcome, and every column that is not clean."""
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    found = {
        f"over time: {did}": time_picture(spans_of(as_of, learning.labels(name)), did=did, moment=lambda time: short(moment(time, clock)))
        for name, did in DID.items()
        if name in learning.names and clock != "none" and len(as_of)
    }
    for leak in judged.findings.leaks:
        if leak.verdict != "ok" and (told := profile(learning, judged.raw, judged.drawn, leak.column)) is not None:
            found[leak.column] = column_picture(told)
    return found
