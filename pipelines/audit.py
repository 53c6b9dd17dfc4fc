"""The audit log: who did what, when and to which lead. Entries are added; nothing here changes or removes one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa

from pipelines.store import Store
from pipelines.store_desk import audit_table

What = Literal["signed in", "sign-in refused", "signed out", "answer", "override", "export", "key", "person", "forgotten", "upload"]
KINDS: tuple[str, ...] = get_args(What)
A_PAGE = 100


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
    connection: sa.Connection, at: datetime, who: str, what: What, words: str, *, lead_id: str | None = None, address: str | None = None
) -> None:
    """Add an entry, in the transaction of what it tells of: either both are there or neither."""
    connection.execute(audit_table.insert().values(at=at, who=who, what=what, lead_id=lead_id, words=words, address=address))


def entries(store: Store, *, what: str | None = None, page: int = 1) -> tuple[list[Entry], int]:
    """A page of the log, the newest first, and how many entries there are."""
    asked = sa.true() if what is None else audit_table.c.what == what
    columns = [audit_table.c[name] for name in Entry.__dataclass_fields__]
    with store.reading() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(audit_table).where(asked))
        query = sa.select(*columns).where(asked).order_by(audit_table.c.entry.desc()).limit(A_PAGE).offset(A_PAGE * (page - 1))
        return [Entry(*row) for row in connection.execute(query)], count
