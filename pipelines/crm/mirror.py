"""What was pulled from a CRM so far, so that the next pull asks for changes alone.

It holds nothing that a full pull would not bring, so that it may be deleted whenever; nobody who was forgotten is
in it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from pipelines.crm.connector import Crm, Lead, open_crm

FOLDER = "crm"
TIMES = ("created_at", "occurred_at", "recorded_at")
FORMAT = "1"
TABLES = {
    "leads": ("lead_id", "created_at"),
    "events": ("lead_id", "kind", "occurred_at", "recorded_at"),
    "outcomes": ("lead_id", "stage", "state", "occurred_at", "recorded_at"),
}


class Leads(Protocol):
    """Some leads, by whatever means they are known."""

    def are(self, lead_ids: Iterable[str]) -> Sequence[bool]:
        """Which of some leads they are."""


@dataclass(frozen=True)
class Kept:
    """The home that keeps what CRMs told before, and who must not be kept, asked anew each time."""

    home: Path
    forgotten: Callable[[], "Leads"]

    def file(self, url: str) -> Path:
        """The mirror of an address."""
        return self.home / FOLDER / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.db"


def tables_of_crm(url: str, kept: Kept | None) -> dict[str, pa.Table]:
    """Leads, events and outcomes of a CRM; without a home all of them are asked for."""
    with closing(open_crm(url)) as crm:
        return (
            pulled(crm, None)
            if kept is None
            else pulled(crm, kept.file(url), lambda ids: kept.forgotten().are(ids))
        )


def forget_mirrors(home: Path) -> None:
    """Remove all mirrors, as somebody in them is to be forgotten; the next pull asks for everything anew."""
    for file in (home / FOLDER).glob("*.db*"):
        file.unlink(missing_ok=True)


def pulled(
    crm: Crm,
    file: Path | None,
    forgotten: Callable[[Sequence[str]], Sequence[bool]] = lambda ids: [False] * len(ids),
) -> dict[str, pa.Table]:
    """Ask for what changed, page by page, and give all there is. A pull that is killed goes on where it was.

    Without a file everything is asked for.
    """
    with closing(_opened(file)) as database:
        found = database.execute("SELECT mark FROM mark").fetchone()
        known = {lead_id for (lead_id,) in database.execute("SELECT lead_id FROM lead")}
        for page in crm.pages(found and found[0], known):
            ids = [lead.lead_id for lead in page.leads]
            kept = [lead for lead, gone in zip(page.leads, forgotten(ids), strict=True) if not gone]
            with _transaction(database):
                database.executemany(
                    "DELETE FROM lead WHERE lead_id = ?", [(each,) for each in (*page.gone, *ids)]
                )
                database.executemany(
                    "INSERT INTO lead VALUES (?, ?)", [(lead.lead_id, _body(lead)) for lead in kept]
                )
                database.execute("DELETE FROM mark")
                database.execute("INSERT INTO mark VALUES (?)", (page.mark,))
        return tables_of(_leads(database))


def _opened(file: Path | None) -> sqlite3.Connection:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = sqlite3.connect(":memory:" if file is None else file, timeout=60, isolation_level=None)
    if database.execute("PRAGMA user_version").fetchone() != (int(FORMAT),):
        with _transaction(database):
            database.execute("DROP TABLE IF EXISTS lead")
            database.execute("DROP TABLE IF EXISTS mark")
            database.execute("CREATE TABLE lead (lead_id TEXT PRIMARY KEY, body TEXT NOT NULL)")
            database.execute("CREATE TABLE mark (mark TEXT NOT NULL)")
            database.execute(f"PRAGMA user_version = {FORMAT}")
    database.execute("PRAGMA secure_delete = ON")
    return database


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _body(lead: Lead) -> str:
    return json.dumps([lead.row, lead.events, lead.outcomes], default=lambda moment: moment.isoformat())


def _leads(database: sqlite3.Connection) -> Iterator[Lead]:
    for lead_id, body in database.execute("SELECT lead_id, body FROM lead ORDER BY lead_id"):
        yield Lead(lead_id, *json.loads(body))


def tables_of(leads: Iterator[Lead]) -> dict[str, pa.Table]:
    """Leads, events and outcomes as tables; a column that holds nothing at all is left away."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for lead in leads:
        key = {"lead_id": lead.lead_id}
        rows["leads"].append(key | lead.row)
        rows["events"] += [key | row for row in lead.events]
        rows["outcomes"] += [key | row for row in lead.outcomes]
    return {name: _table(rows[name], always) for name, always in TABLES.items()}


def _table(rows: list[dict[str, Any]], always: tuple[str, ...]) -> pa.Table:
    names = dict.fromkeys([*always, *(name for row in rows for name in row)])
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    return pa.table(
        {
            name: values
            for name, values in columns.items()
            if name in always or values.null_count < len(values)
        }
    )


def _column(name: str, values: list[Any]) -> pa.Array:
    if name in TIMES:
        moments = [None if value is None else datetime.fromisoformat(str(value)) for value in values]
        return pa.array(moments, pa.timestamp("us"))
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {bool}:
        return pa.array(values, pa.bool_())
    if kinds and kinds <= {int, float}:
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
