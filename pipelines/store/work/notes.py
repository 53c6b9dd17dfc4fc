"""Notes on a lead, and next steps with their day: what people write down while they work it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import sqlalchemy as sa

from features.errors import UsageError
from pipelines.store.access.audit import note as note_in_audit
from pipelines.store.database import Store
from pipelines.store.filters import seen
from pipelines.store.schema import WORK, notes_table, worklist_table

LOG = notes_table.c
LONGEST_WORDS = 2_000
FURTHEST = timedelta(days=731)
KINDS = {"note": "desk note", "step": "desk next step"}  # what they are called among events


@dataclass(frozen=True)
class Note:
    """One note; a next step where it is ``due`` on a day."""

    entry: int
    lead_id: str
    who: str
    at: datetime
    words: str | None
    due: datetime | None
    done_at: datetime | None
    done_by: str | None


def add_note(
    store: Store,
    lead_id: str,
    words: str,
    *,
    who: str,
    at: datetime,
    due: datetime | None = None,
    seen_by: Collection[str] | None = None,
    address: str | None = None,
) -> None:
    """Write a note on a lead of the list that one of these people sees, or with ``due`` a next step.

    Raises
    ------
    UsageError
        Without words, for a lead that is not on the list, and for a day that is past or years ahead; nothing
        is recorded.
    """
    words = words.strip()[:LONGEST_WORDS]
    if not words:
        raise UsageError("a note needs words, such as 'Call again'; nothing was recorded.")
    if due is not None and not at - timedelta(days=1) < due <= at + FURTHEST:
        raise UsageError(
            "a next step is due on a day from today to two years from now; nothing was recorded."
        )
    with store.writing() as connection:
        asked = (WORK.lead_id == lead_id) & seen(WORK, seen_by)
        if connection.scalar(sa.select(WORK.lead_id).where(asked)) is None:
            raise UsageError(f"there is no lead '{lead_id}' on the list; nothing was recorded.")
        connection.execute(notes_table.insert().values(lead_id=lead_id, who=who, at=at, words=words, due=due))
        _show(connection, lead_id)
        what = "a note" if due is None else f"a next step for {due:%Y-%m-%d}"
        note_in_audit(connection, at, who, "note", what, lead_id=lead_id, address=address)


def finish(
    store: Store,
    entry: int,
    *,
    who: str,
    at: datetime,
    seen_by: Collection[str] | None = None,
    address: str | None = None,
) -> str:
    """Say that a next step is done, once; gives the lead's id.

    Raises
    ------
    UsageError
        If there is no such step that is still to do, or none of these people sees its lead.
    """
    open_step = (LOG.entry == entry) & LOG.due.is_not(None) & LOG.done_at.is_(None)
    if seen_by is not None:
        open_step &= LOG.lead_id.in_(sa.select(WORK.lead_id).where(seen(WORK, seen_by)))
    with store.writing() as connection:
        lead_id = connection.scalar(sa.select(LOG.lead_id).where(open_step))
        if lead_id is None:
            raise UsageError("this next step is done already; nothing was recorded.")
        connection.execute(notes_table.update().where(open_step).values(done_at=at, done_by=who))
        _show(connection, lead_id)
        note_in_audit(connection, at, who, "note", "a next step was done", lead_id=lead_id, address=address)
    return lead_id


def notes_of(store: Store, lead_id: str) -> list[Note]:
    """All notes on a lead, the newest first."""
    query = sa.select(*(LOG[name] for name in Note.__dataclass_fields__)).where(LOG.lead_id == lead_id)
    with store.reading() as connection:
        return [Note(*row) for row in connection.execute(query.order_by(LOG.at.desc(), LOG.entry.desc()))]


def next_steps(connection: sa.Connection, lead_ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """What the list shows of the leads that have a next step: the one that is due first."""
    query = sa.select(LOG.lead_id, LOG.words, LOG.due).where(
        LOG.lead_id.in_(lead_ids), LOG.due.is_not(None), LOG.done_at.is_(None)
    )
    found: dict[str, dict[str, object]] = {}
    for lead_id, words, due in connection.execute(query.order_by(LOG.due, LOG.entry)):
        found.setdefault(lead_id, {"step": words, "due": due})
    return found


def _show(connection: sa.Connection, lead_id: str) -> None:
    values = next_steps(connection, [lead_id]).get(lead_id, {"step": None, "due": None})
    connection.execute(worklist_table.update().where(WORK.lead_id == lead_id).values(**values))


def as_events(store: Store, until: datetime) -> pa.Table:
    """All notes and steps written before a moment, as events that were recorded when they were written."""
    query = sa.select(LOG.lead_id, LOG.due, LOG.at).where(LOG.at < until).order_by(LOG.at, LOG.entry)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    times = pa.array([at for _, _, at in rows], pa.timestamp("us"))
    kinds = [KINDS["note" if due is None else "step"] for _, due, _ in rows]
    return pa.table(
        {
            "lead_id": pa.array([lead_id for lead_id, _, _ in rows], pa.string()),
            "kind": pa.array(kinds, pa.string()),
            "occurred_at": times,
            "recorded_at": times,
        }
    )
