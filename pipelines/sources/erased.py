import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import ibis.expr.types as ir

from features.tables import Tables
from models.registry.place import my_turn
from pipelines.sources.reading.columns import md5
from pipelines.sources.reading.result import Reading


def remembering(home: Path) -> AbstractContextManager[None]:
    """While nobody else in this home puts somebody on the list of the forgotten, or a snapshot in its place."""
    return my_turn(home / "forget.lock")


@dataclass(frozen=True)
class Forgotten:
    """The hashes, and the key that they were made with."""

    key: str = ""
    digests: tuple[str, ...] = ()

    def digest(self, lead_id: str) -> str:
        """A lead's hash; MD5, because every engine that a source may live on has it."""
        return hashlib.md5((self.key + lead_id).encode(), usedforsecurity=False).hexdigest()

    def are(self, lead_ids: Iterable[str]) -> list[bool]:
        """Which of some leads they are."""
        known = set(self.digests)
        return [bool(known) and self.digest(lead_id) in known for lead_id in lead_ids]

    def out_of(self, reading: Reading) -> Reading:
        """What was read, without them."""
        return (
            replace(reading, **{name: self._without(table) for name, table in reading.tables.items()})
            if self.digests
            else reading
        )

    def out_of_tables(self, tables: Tables) -> Tables:
        """Tables without them."""
        if not self.digests:
            return tables
        there = {
            name: getattr(tables, name)
            for name in ("leads", "events", "outcomes")
            if getattr(tables, name) is not None
        }
        return replace(tables, **{name: self._without(table) for name, table in there.items()})

    def out_of_rows(self, rows: ir.Table, lead_id: ir.StringColumn) -> ir.Table:
        """A source's own rows without them; ``lead_id`` is whose each row is."""
        return self._without(rows, lead_id) if self.digests else rows

    def _without(self, table: ir.Table, lead_id: ir.StringColumn | None = None) -> ir.Table:
        # A list in the statement and no table beside it, for files are written by plain SQL. Who breaks the
        # contract is still told so.
        whose = table.lead_id if lead_id is None else lead_id
        return table.filter(md5(ibis.literal(self.key) + whose).notin(self.digests) | whose.isnull())
