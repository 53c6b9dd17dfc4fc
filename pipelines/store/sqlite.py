"""What the decision log does in its own way on SQLite: one writer at a time by its own lock, rows by the
order of their ids.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool

from features.errors import UnreachableError, UsageError
from pipelines.files import made_once

CHUNK = 50_000  # rows
PATIENCE = 60.0  # seconds to wait for another run's transaction


def engine(url: sa.URL, patience: float | None = None) -> sa.Engine:
    """SQLite in write-ahead mode, so that readers never wait for a writer; transactions begin where they are
    asked for. Another's transaction is waited for as long as ``patience`` says, in seconds.
    """
    if not url.database:
        raise UsageError("the store needs a file: sqlite:///folder/store.db.")
    made = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": patience or PATIENCE})

    @sa.event.listens_for(made, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a power cut loses no answer that was acknowledged

    try:
        lay_out(Path(url.database).absolute())
    except OSError as error:
        raise UnreachableError(f"the store's folder cannot be made: {error}") from error
    return made


def lay_out(database: Path) -> None:
    """Put an empty file in write-ahead mode where there is none.

    It gets its name when it is whole: of several that turn one file to that mode at once SQLite refuses all
    but one, without any wait.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    if database.exists():
        return
    with made_once(database) as draft, closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def lock(connection: sa.Connection) -> None:
    """Wait until no other run is writing; the lock ends with the transaction, also if the run is killed."""
    connection.exec_driver_sql(
        "PRAGMA cache_size = -32000"
    )  # KiB: of thousands of rows each index is written page by page
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def hurry(connection: sa.Connection) -> None:
    """Let what is written next on a connection fail at once where another writes."""
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")


def insert(connection: sa.Connection, table: sa.Table, columns: dict[str, pa.Array]) -> None:
    """Insert rows, but for those whose key is there.

    What is the same in all rows, as half of a run's columns are, is written into the statement: that saves a
    third of the time. Rows go in by the order of their ids, for at random each would be looked up on a page
    of its own: that saves half.
    """
    same = {
        name: as_literal(column[0].as_py())
        for name, column in columns.items()
        if name != "lead_id" and is_one_value(column)
    }
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(same.get(name, "?") for name in columns)
    order = pc.sort_indices(
        columns["lead_id"]
    )  # which keeps the order of equals: of a lead that is there twice the first row counts
    varying = [column.take(order) for name, column in columns.items() if name not in same]
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING"
    for first in range(0, len(order), CHUNK):
        # SQLite keeps NaN, which stands for null here, as null
        parts = (column.slice(first, CHUNK).to_numpy(zero_copy_only=False).tolist() for column in varying)
        connection.exec_driver_sql(statement, list(zip(*parts, strict=True)))


def is_one_value(column: pa.Array) -> bool:
    """Whether all rows hold the same, or all nothing; asked by the extremes, which takes a tenth of the time
    of a set of all values.
    """
    low, high = pc.min_max(column).as_py().values()
    return len(column) > 0 and low == high and column.null_count in (0, len(column))


def as_literal(value: str | float | None) -> str:
    literal = sa.null() if value is None else sa.literal(value)
    return str(literal.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
