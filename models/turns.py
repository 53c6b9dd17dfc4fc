"""One at a time: whoever changes the registry's aliases waits until nobody else on this machine does."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from features.errors import UnreachableError

PATIENCE = 60.0  # seconds


@contextmanager
def my_turn(file: Path) -> Iterator[None]:
    """Hold a file that one process and one thread can hold at a time; a killed one lets go of it.

    SQLite's own lock is used: it is the same on every system, waits without spinning, and needs nothing that is not there already.

    Raises
    ------
    UnreachableError
        If another one holds it for over a minute.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise UnreachableError(f"another run has been holding '{file}' for {PATIENCE:.0f} seconds; nothing was changed.") from error
        yield
