"""Answers given at the desk become outcomes of the next pull, known from the moment at which they were given."""

from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import pyarrow as pa
import sqlalchemy as sa

from features.tables import Tables
from pipelines.store import Store
from pipelines.store_desk import answers_table

TICK = timedelta(microseconds=1)
SILENCE = timedelta(days=3)  # a source that was not silent for longer, a weekend, is taken to be up to date


def standing_answers(store: Store, until: datetime) -> pa.Table:
    """Each lead that was taken or turned down before a moment, unless that was undone before it, as outcomes."""
    log = answers_table.c
    with store.reading() as connection:
        given = connection.execute(sa.select(log.lead_id, log.kind, log.reason, log.who, log.at).where(log.at < until).order_by(log.turn))
        latest = {lead_id: (kind, reason, who, at) for lead_id, kind, reason, who, at in given}
    stood = [(lead_id, *answer) for lead_id, answer in latest.items() if answer[0] in ("accepted", "rejected")]
    columns = list(zip(*stood, strict=True)) or [[]] * 5
    types = {"lead_id": pa.string(), "stage": pa.string(), "reason": pa.string(), "rep": pa.string(), "recorded_at": pa.timestamp("us")}
    return pa.table({name: pa.array(values, kind) for (name, kind), values in zip(types.items(), columns, strict=True)})


def with_answers(tables: Tables, given: pa.Table, until: datetime) -> tuple[Tables, tuple[str, ...]]:
    """The tables with the desk's answers among their outcomes, and what is to be said about it.

    Where the source knows nothing of acceptance, every lead counts as worked; a few answers must not turn all others into unworked ones,
    so they are left out. So are answers much newer than anything in the source: counted in, they would say that nothing else had happened
    since, when nobody has looked.
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
        warnings = (f"{late:,} answers of the desk are much newer than what the source tells; they count once it tells of later things",)
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
