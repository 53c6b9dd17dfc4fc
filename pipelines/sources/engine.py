"""The DuckDB in this process, and writing SQL to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
from ibis.backends import BaseBackend

from pipelines.files import scratch_in


def local_engine(temporary: Path | None = None, *, sparing: bool = False) -> BaseBackend:
    """A fresh DuckDB in this process: two threads, 2 GB, UTC, nothing fetched from the network; ``sparing``
    gives memory back at once.
    """
    connection = ibis.duckdb.connect(threads=2, memory_limit="2GB", autoinstall_known_extensions=False)
    connection.raw_sql("SET TimeZone = 'UTC'")
    if sparing:
        connection.raw_sql(
            "SET allocator_flush_threshold = '1MB'; SET allocator_bulk_deallocation_flush_threshold = '1MB'"
        )
    if temporary is not None:
        connection.raw_sql(f"SET temp_directory = {quoted(temporary)}")
    return connection


def let_go(connection: BaseBackend) -> None:
    """Close a connection; to be called once or twice.

    Whatever still holds its tables, as Prefect does with what a run gave, must not hold DuckDB's own object,
    too: left over when the process ends, that object complains over a screen.
    """
    if connection.name != "duckdb":
        connection.disconnect()
    elif "con" in vars(connection):
        connection.disconnect()
        del connection.con


@contextmanager
def scratch_of(connection: BaseBackend) -> Iterator[Path]:
    """A folder for a moment, where an engine keeps what does not fit into memory."""
    folder = Path(connection.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0])
    if folder.name == "tmp":
        with scratch_in(folder.parent) as scratch:
            yield scratch
    else:
        with TemporaryDirectory() as scratch:
            yield Path(scratch)


def quoted(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
