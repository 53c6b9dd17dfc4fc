"""The audit log: who did what and when, to which entries are only added; and what was refused, within bounds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa

from pipelines.store.database import Store
from pipelines.store.schema import audit_table

What = Literal[
    "signed in",
    "sign-in refused",
    "signed out",
    "decision",
    "answer",
    "override",
    "note",
    "assignment",
    "export",
    "key",
    "person",
    "forgotten",
    "upload",
    "refused",
]
KINDS: tuple[str, ...] = get_args(What)
A_PAGE = 100
# Whoever asks for what is refused writes into the log: at most so often in so long.
SPAN, MOST_OF_ONE, MOST_OF_ALL = timedelta(minutes=15), 20, 500
LONGEST = 200  # characters of what a stranger calls himself


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did."""

    at: datetime
    who: str
    what: What
    lead_id: str | None
    words: str
    address: str | None


def note(
    connection: sa.Connection,
    at: datetime,
    who: str,
    what: What,
    words: str,
    *,
    lead_id: str | None = None,
    address: str | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells of: either both are there or neither."""
    connection.execute(
        audit_table.insert().values(at=at, who=who, what=what, lead_id=lead_id, words=words, address=address)
    )


def note_refusal(store: Store, at: datetime, who: str, words: str, *, address: str | None) -> bool:
    """Note what was refused, unless as much was noted of this address, or of all, within a quarter of an
    hour; gives whether it was. A look comes before the lock, so that a flood waits for no writer.
    """
    log = audit_table.c
    recent = sa.select(sa.func.count(), sa.func.count(sa.case((log.address == (address or ""), 1)))).where(
        log.what == "refused", log.at > at - SPAN
    )
    with store.reading() as connection:
        all_of_them, of_one = connection.execute(recent).one()
    if all_of_them >= MOST_OF_ALL or of_one >= MOST_OF_ONE:
        return False
    with store.writing() as connection:
        note(connection, at, who[:LONGEST], "refused", words[:LONGEST], address=address or "")
    return True


def entries(store: Store, *, what: str | None = None, page: int = 1) -> tuple[list[Entry], int]:
    """A page of the log, the newest first, and how many entries there are."""
    asked = sa.true() if what is None else audit_table.c.what == what
    columns = [audit_table.c[name] for name in Entry.__dataclass_fields__]
    with store.reading() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(audit_table).where(asked))
        query = (
            sa.select(*columns)
            .where(asked)
            .order_by(audit_table.c.entry.desc())
            .limit(A_PAGE)
            .offset(A_PAGE * (page - 1))
        )
        return [Entry(*row) for row in connection.execute(query)], count
