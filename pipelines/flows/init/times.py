"""What the times of a source say: until when it tells, from when outcomes were kept, how long they take, and which says
when a row was changed.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from features.tables import Tables
from pipelines.flows.init.columns import NEARLY, Looked
from pipelines.flows.init.draft import Draft
from pipelines.flows.init.words import fits
from pipelines.sources.left_out import plausible_end

OLD = timedelta(days=30)  # an extract whose newest row is older was taken then, not now
OUTCOMES = {"accepted": "pursue_days", "won": "convert_days"}
USUAL = {"pursue_days": 21, "convert_days": 90}
MOST = {"pursue_days": 180, "convert_days": 365}
NEARLY_ALL = 0.95
SPANS, LEAST = 3, 7  # horizons that the data last, and the shortest one where they do not (days)
ENOUGH = 20  # outcomes, before anything is said of how long they take
TRUNCATED = 0.05  # share of leads before the first outcome, from which it matters


def set_times(draft: Draft, tables: Tables, now: datetime) -> None:
    """Set ``extracted_at``, ``since`` and the horizons where the data say something else than the defaults."""
    if tables.clock != "time":
        return
    leads = tables.leads.select("lead_id", "created_at").to_pyarrow().to_pandas()
    end = plausible_end(tables.leads)
    if end is not None:
        leads = leads[leads["created_at"] <= end]
    times = [leads["created_at"].max()]
    times += [
        table.recorded_at.max().to_pyarrow().as_py()
        for table in (tables.events, tables.outcomes)
        if table is not None
    ]
    newest = max(
        (pd.Timestamp(each) for each in times if each is not None and not pd.isna(each)), default=None
    )
    if newest is None:
        return
    if now - newest.to_pydatetime() > OLD:
        day = newest.normalize().to_pydatetime() + timedelta(days=1)
        draft.put(
            "source",
            "extracted_at",
            day,
            "the newest row is older than a month; take this line away once there are newer ones",
        )
    if tables.outcomes is None or not tables.outcome_times:
        return
    outcomes = tables.outcomes.select("lead_id", "stage", "occurred_at").to_pyarrow().to_pandas()
    first = outcomes.groupby(["lead_id", "stage"])["occurred_at"].min().unstack()
    dated = leads.set_index("lead_id").join(first, how="inner")
    _horizons(draft, dated, span=(newest - leads["created_at"].min()) / pd.Timedelta(days=1))
    _since(draft, leads, outcomes)


def _horizons(draft: Draft, dated: pd.DataFrame, *, span: float) -> None:
    """How long nearly all took, where that is longer than usual, or where few leads of so short a ``span`` (days)
    would have had the usual time.
    """
    for stage, key in OUTCOMES.items():
        if stage not in dated:
            continue
        start = dated["accepted"] if stage == "won" and "accepted" in dated else dated["created_at"]
        days = ((dated[stage] - start.fillna(dated["created_at"])).dt.total_seconds() / 86_400).dropna()
        if len(days) < ENOUGH:
            continue
        most = float(days.quantile(NEARLY_ALL))
        least = USUAL[key] if span > SPANS * USUAL["convert_days"] else LEAST
        taken = min(max(least, math.ceil(most / 10) * 10), MOST[key])
        draft.put(
            "label", key, taken, f"{(days <= taken).mean():.0%} of {len(days):,} {stage} took no longer"
        )


def _since(draft: Draft, leads: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    """Leads of a time from which no outcome was kept look worse than they were."""
    start = outcomes["occurred_at"].min()
    before = (leads["created_at"] < start - timedelta(days=USUAL["convert_days"])).mean()
    if before > TRUNCATED:
        draft.put(
            "source.leads",
            "since",
            start.date(),
            "no outcome before this day was kept: earlier leads look worse than they were",
        )


def set_changed(draft: Draft, tables: Sequence[Looked]) -> None:
    """Of a server's tables: the column that says when a row was last changed, by which only what is new is pulled."""
    for table in tables:
        found = [
            each
            for each in table.of_kind("time")
            if each.share > NEARLY and fits(each.tidy, "updated_at") > 50
        ]
        if not found:
            continue
        column = max(found, key=lambda each: fits(each.tidy, "updated_at")).name
        for section in ("source.leads", "source.events", "source.outcomes"):
            keys = draft.sections.get(section, {})
            if draft.value(section, "table") != table.name or column in [value for value, _ in keys.values()]:
                continue
            draft.put(
                section, "updated_at", column, "when a row was last changed: what has not is not pulled again"
            )
            if section == "source.leads":
                draft.value("features", "exclude", {}).pop(column, None)
                draft.taken[column] = "when the row was last changed"
    if not draft.value("features", "exclude", {"": ""}):
        del draft.sections["features"]["exclude"]
