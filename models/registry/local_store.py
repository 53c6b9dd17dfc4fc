"""All that is done to the registry's own SQLite file: made whole, found again when moved, locked, and read.

Reading it without MLflow, whose import takes seconds and 70 MB, is for those who only score; a test holds the
answers against MLflow's own.
"""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock, Timeout

from features.errors import UnreachableError
from models.registry.versions import CHAMPION, Version, listed

ARTIFACTS = "artifacts"  # the folder beside the file
# Every column in which MLflow keeps an absolute address of an artifact.
ADDRESSES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
PATIENCE = 5.0  # seconds
DELETED = "Deleted_Internal"  # the stage of versions that MLflow keeps and shows no more
LOCK_PATIENCE = 60.0  # seconds


def artifacts_of(database: Path) -> str:
    """The address of the folder with a registry's artifacts."""
    return (database.parent / ARTIFACTS).as_uri()


def lay_out(database: Path, make: Callable[[str], None]) -> None:
    """Have an empty store made under another name and give it its own at the end; to be called by one process
    at a time.

    MLflow goes through years of migrations for that. A process that is killed amid them must not leave a
    store that nobody can open.
    """
    if database.exists():
        return  # somebody else was faster
    database.parent.mkdir(parents=True, exist_ok=True)
    draft = database.with_name(f".{database.name}.draft")
    for left in database.parent.glob(f"{draft.name}*"):
        left.unlink()
    make(f"sqlite:///{draft}")
    os.replace(draft, database)


def settle(database: Path, experiment: str) -> None:
    """Let a store's addresses follow its folder: after a move, and in a copy, which must not read what the
    original may change.
    """
    new = artifacts_of(database)
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        found = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)
        ).fetchone()
        if found is None or found[0] == new:
            return
        connection.execute("BEGIN IMMEDIATE")
        for table, column in ADDRESSES.items():
            moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"
            connection.execute(moved, (new, len(found[0]) + 1, len(found[0]), found[0]))
        connection.execute("COMMIT")


def reach(uri: str) -> None:
    """Knock before MLflow does, which would try again for minutes. Raises UnreachableError."""
    parts = urlsplit(uri)
    if not parts.hostname or parts.scheme.startswith(("sqlite", "file", "databricks")):
        return
    try:
        if parts.scheme in ("http", "https"):
            import requests

            requests.get(f"{uri.rstrip('/')}/health", timeout=PATIENCE)
        else:
            port = parts.port or PORTS.get(parts.scheme.partition("+")[0], 5432)
            socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()
    except OSError as error:  # requests' own errors are OSErrors
        raise UnreachableError(
            f"the model registry at {shown(uri)} does not answer; nothing was changed there."
        ) from error


def shown(uri: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(uri)
    if not parts.hostname:
        return uri.partition("?")[0]
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    return (
        Path(uri.partition("?")[0].removeprefix("sqlite:///")).absolute()
        if uri.startswith("sqlite:///")
        else None
    )


def champion_in(database: Path, model: str) -> str | None:
    """The number of a model's champion, None where there is none, or no file."""
    with _reading(database) as connection:
        query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
        found = connection.execute(query, (model, CHAMPION)).fetchone() if connection else None
    return None if found is None else str(found[0])


def versions_in(database: Path, model: str) -> tuple[Version, ...]:
    """All versions of a model, the newest first."""
    with _reading(database) as connection:
        if connection is None:
            return ()
        connection.execute("BEGIN")  # what the three queries find belongs together
        query = "SELECT version, run_id, creation_time FROM model_versions WHERE name = ? AND current_stage IS NOT ?"
        rows = connection.execute(query, (model, DELETED)).fetchall()
        aliases = connection.execute(
            "SELECT alias, version FROM registered_model_aliases WHERE name = ?", (model,)
        ).fetchall()
        told = connection.execute(
            "SELECT version, key, value FROM model_version_tags WHERE name = ?", (model,)
        ).fetchall()
    tags: dict[int, dict[str, str]] = {}
    for number, name, value in told:
        tags.setdefault(number, {})[name] = value
    return listed(
        ((*row, tags.get(row[0], {})) for row in rows), {alias: str(number) for alias, number in aliases}
    )


def folder_in(database: Path, model: str, number: str, experiment: str) -> Path | None:
    """The folder of a version's files; None where they are not on this machine."""
    if not database.exists():
        return None
    settle(database, experiment)
    with _reading(database) as connection:
        query = "SELECT storage_location FROM model_versions WHERE name = ? AND version = ?"
        (found,) = connection.execute(query, (model, int(number))).fetchone() or (None,)
    place = urlsplit(found or "")
    folder = Path(unquote(place.path))
    return folder if place.scheme == "file" and folder.is_dir() else None


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that writes nothing; None where there is no file, for who only looks makes none.

    What a killed process left half-written is undone all the same, for which SQLite has to be allowed to
    write.
    """
    if not database.exists():
        yield None
        return
    try:
        with closing(
            sqlite3.connect(
                f"file:{quote(str(database))}?mode=rw", uri=True, timeout=60, isolation_level=None
            )
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise UnreachableError(f"the model registry at {database} cannot be read: {error}.") from error


@contextmanager
def my_turn(file: Path) -> Iterator[None]:
    """Hold a file that one process and one thread can hold at a time; a killed one lets go of it.

    Raises
    ------
    UnreachableError
        If another one holds it for over a minute.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=LOCK_PATIENCE)
    except Timeout as error:
        raise UnreachableError(
            f"another run has been holding '{file}' for {LOCK_PATIENCE:.0f} seconds; nothing was changed."
        ) from error
    try:
        yield
    finally:
        lock.release()
