"""The check flow: what a source holds, whether it is enough, and which columns know too much; nothing is
trained.

The leak guard looks at a sample of leads, and at an older pull where there is one.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from features.labels import OUTCOMES
from features.serialization import plain
from features.tables import moment
from models.dataset import LearningSet
from models.leakage.findings import USUAL, Findings
from models.leakage.guard import find_leaks
from models.leakage.profiles import profile
from models.leakage.samples import Drawn, draw
from models.readiness import Readiness, readiness
from pipelines.flows.dataset import columns_of, outcome_set, pull_source, unused
from pipelines.flows.runs import flow, publish
from pipelines.home import store_of
from pipelines.progress import Stopwatch
from pipelines.reports import check as reports
from pipelines.reports.formats import short
from pipelines.reports.plots.source import column_picture, spans_of, time_picture
from pipelines.settings import Settings
from pipelines.sources.data_profile import contents
from pipelines.sources.earlier import earlier_pull, leads_today, young_leads
from pipelines.sources.manifest import read_note
from pipelines.sources.reading.column_types import ReadAs
from pipelines.sources.snapshots import Snapshot


@dataclass(frozen=True)
class Judged:
    """What the guard found, and on which leads: ``raw`` is the leads table as it is today, of the leads
    drawn.
    """

    findings: Findings
    drawn: Drawn
    raw: pd.DataFrame


def judged_columns(
    learning: LearningSet,
    snapshot: Snapshot,
    settings: Settings,
    *,
    look_up: Callable[[pd.Series], pd.DataFrame] | None = None,
) -> Judged:
    """A verdict for every lead column that the model reads, with those marked that the configuration trusts.

    Parameters
    ----------
    learning : LearningSet
    snapshot : Snapshot
        That it was made from; older ones beside it show what columns said before.
    settings : Settings
    look_up : function, optional
        Lead ids to their rows of the matrix, where ``learning.frame`` has the leads' keys alone.
    """
    drawn = draw(learning, USUAL.rows, USUAL.seed)
    leads = learning.frame["lead_id"]
    older = earlier_pull(snapshot, settings.label)
    before = None if older is None else young_leads(older, settings.label, most=USUAL.rows)
    asked = leads.iloc[drawn.rows]
    if before is not None:
        asked = pd.concat([asked, before["lead_id"]]).drop_duplicates()
    raw = leads_today(snapshot, asked)
    found = find_leaks(
        learning,
        raw,
        earlier=before,
        matrix=None if look_up is None else look_up(leads.iloc[drawn.modelled_rows(learning.names)]),
        drawn=drawn,
    )
    features = settings.features
    return Judged(found.configured(exclude=features.exclude, trusted=features.trusted), drawn, raw)


def used_all_the_same(found: Findings, *, force: bool = False) -> tuple[str, ...]:
    """A note for every column that is used though it is suspicious, or more: because the configuration trusts
    it, or by force.
    """
    why_used = {True: "used by force", False: "trusted by the configuration"}
    return tuple(
        f"{why_used[leak.stops]} though {leak.verdict}: {leak.column}: {leak.why}"
        for leak in found.leaks
        if leak.verdict != "ok" and (force or not leak.stops)
    )


@dataclass(frozen=True)
class CheckReport:
    """What there is to say of a source before anything is trained on it."""

    as_of: str | int | None
    readiness: Readiness
    tables: dict[str, Any]
    values: tuple[ReadAs, ...]
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
                "readiness": self.readiness,
                "tables": self.tables,
                "values": [_told(each) for each in self.values],
                "leaks": self.findings.leaks,
                "rows": self.findings.rows,
                "detectors": self.findings.looked,
                "mend": self.findings.refusal("train would stop"),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@flow("check-source")
def check_source(settings: Settings, home: Path, as_of: datetime, drawn: bool = False) -> CheckReport:
    """Judge a source's contract, contents, readiness and columns as of one moment; ``drawn`` asks for the
    pictures, too.
    """
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
            judged = judged_columns(
                learning, snapshot, settings, look_up=partial(columns_of, tables, settings, learning.recipe)
            )

    read = read_note(snapshot.folder).columns
    in_table = {each.sentence for each in read if each.worth_telling}
    report = CheckReport(
        as_of=moment(tables.end, tables.clock),
        readiness=ready,
        tables=held,
        values=read,
        findings=judged.findings,
        warnings=(
            *(each for each in snapshot.warnings if each not in in_table),
            *unused(learning.recipe),
            *used_all_the_same(judged.findings),
        ),
        seconds=watch.seconds,
        pictures=_pictures(learning, judged, clock=tables.clock) if drawn else {},
    )
    publish("check", reports.check(report.to_json()))
    return report


def _told(read: ReadAs) -> dict[str, Any]:
    """One column's reading, with what its words add up to."""
    return asdict(read) | {"how": read.how, "told": read.worth_telling}


def _pictures(learning: LearningSet, judged: Judged, *, clock: Any) -> dict[str, Figure]:
    """What is settled over time for each outcome, and every column that is not clean."""
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    found = {
        f"over time: {words.did}": time_picture(
            spans_of(as_of, learning.labels(name)),
            did=words.did,
            moment=lambda time: short(moment(time, clock)),
        )
        for name, words in OUTCOMES.items()
        if name in learning.names and clock != "none" and len(as_of)
    }
    for leak in judged.findings.leaks:
        if (
            leak.verdict != "ok"
            and (told := profile(learning, judged.raw, judged.drawn, leak.column)) is not None
        ):
            found[leak.column] = column_picture(told)
    return found
