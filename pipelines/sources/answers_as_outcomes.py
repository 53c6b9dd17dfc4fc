"""Answers given at the desk become outcomes of the next pull, and notes events of it, known from the moment at
which they were given.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import pyarrow as pa

from features.tables import Tables

TICK = timedelta(microseconds=1)
SILENCE = timedelta(days=3)  # a source that was not silent for longer, a weekend, is taken to be up to date


def with_answers(tables: Tables, given: pa.Table, until: datetime) -> tuple[Tables, tuple[str, ...]]:
    """The tables with the desk's answers among their outcomes, and what is to be said about it.

    Where the source knows nothing of acceptance, every lead counts as worked; a few answers must not turn all
    others into unworked ones, so they are left out. So are answers much newer than anything in the source:
    counted in, they would say that nothing else had happened since, when nobody has looked.
    """
    if not len(given):
        return tables, ()
    if tables.outcomes is None or "accepted" not in tables.stages or tables.clock != "time":
        told = "the source tells of no acceptance with its time, so every lead counts as worked"
        return tables, (f"{len(given):,} answers of the desk are not learned from: {told}",)
    times = given["recorded_at"].to_pylist()
    known = [time < tables.end + SILENCE for time in times]
    late, given = known.count(False), given.filter(pa.array(known))
    warnings = ()
    if late:
        warnings = (
            f"{late:,} answers of the desk are much newer than what the source tells; they count once it tells of later things",
        )
    if not len(given):
        return tables, warnings
    end = min(until, max(tables.end, max(given["recorded_at"].to_pylist()) + TICK))
    leads = tables.leads.select("lead_id")
    fresh = ibis.memtable(given.append_column("occurred_at", given["recorded_at"]))
    outcomes = tables.outcomes
    lacking = {name: ibis.null("string") for name in ("reason", "rep") if name not in outcomes.columns}
    outcomes = outcomes.mutate(**lacking)
    more = {name: ibis.null(kind) for name, kind in outcomes.schema().items() if name not in fresh.columns}
    rows = fresh.semi_join(leads, "lead_id").mutate(**more).select(outcomes.columns).cast(outcomes.schema())
    return replace(tables, outcomes=outcomes.union(rows), end=end), warnings


def with_notes(tables: Tables, notes: pa.Table) -> Tables:
    """The tables with the desk's notes and next steps among their events, where the source has events with
    their times.
    """
    if not len(notes) or tables.events is None or tables.clock != "time":
        return tables
    events, fresh = tables.events, ibis.memtable(notes)
    more = {name: ibis.null(kind) for name, kind in events.schema().items() if name not in fresh.columns}
    leads = tables.leads.select("lead_id")
    rows = fresh.semi_join(leads, "lead_id").mutate(**more).select(events.columns).cast(events.schema())
    return replace(tables, events=events.union(rows))
