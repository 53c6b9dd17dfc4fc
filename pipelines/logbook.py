"""The decision log read a page at a time, with what people have answered since."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.audit import note
from pipelines.store import Store
from pipelines.store_desk import WORK, worklist_table
from pipelines.store_tables import decisions_table

LOG = decisions_table.c
UNSEEN = ("extrapolated", "score", "weights")  # kept for our own use


@dataclass(frozen=True)
class Asked:
    """Which decisions somebody wants; what is None leaves nothing out.

    Attributes
    ----------
    lead_ids : tuple of str
        Only these; none asks for all.
    batch : int, optional
        Of one scoring run.
    since, until : datetime, optional
        Decided at or after, and before.
    action, grade, version, channel, owner : str, optional
    after : str, optional
        The lead id that ended the page before.
    limit : int
        Decisions of a page.
    """

    lead_ids: tuple[str, ...] = ()
    batch: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    grade: str | None = None
    version: str | None = None
    channel: str | None = None
    owner: str | None = None
    after: str | None = None
    limit: int = 100

    def condition(self) -> sa.ColumnElement[bool]:
        """The decisions that are wanted, as SQL."""
        equal = {"batch": self.batch, "action": self.action, "grade": self.grade, "version": self.version}
        equal |= {"channel": self.channel, "owner": self.owner}
        parts = [LOG[name] == value for name, value in equal.items() if value is not None]
        if self.lead_ids:
            parts.append(LOG.lead_id.in_(self.lead_ids))
        if self.since is not None:
            parts.append(LOG.decided_at >= self.since)
        if self.until is not None:
            parts.append(LOG.decided_at < self.until)
        if self.after is not None:
            parts.append(LOG.lead_id > self.after)
        return sa.and_(sa.true(), *parts)


def decisions(store: Store, asked: Asked, *, who: str, at: datetime, address: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """A page of decisions by lead id, and the id after which the next page begins, None on the last one; that it was read is noted.

    Each has the columns of the log, and ``state`` and ``turn`` of the list, None where it is not on it.
    """
    query = (
        sa.select(*(column for column in LOG if column.name not in UNSEEN), WORK.state, WORK.turn)
        .select_from(decisions_table.outerjoin(worklist_table, LOG.lead_id == WORK.lead_id))
        .where(asked.condition())
        .order_by(LOG.lead_id)
        .limit(asked.limit + 1)
    )
    with store.writing() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
        page = rows[: asked.limit]
        if page:
            note(connection, at, who, "export", f"read {len(page):,} decisions", address=address)
    for row in page:
        row["reasons"] = json.loads(row["reasons"])
    return page, page[-1]["lead_id"] if len(rows) > len(page) else None
