"""The versions in a registry's SQLite file, read without MLflow, whose import takes seconds and 70 MB: who only scores is spared both.

A test holds these answers against MLflow's own.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from features.errors import UnreachableError
from models.registry_file import settle
from models.versions import CHAMPION, Version, listed

DELETED = "Deleted_Internal"  # the stage of versions that MLflow keeps and shows no more


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
        aliases = connection.execute("SELECT alias, version FROM registered_model_aliases WHERE name = ?", (model,)).fetchall()
        told = connection.execute("SELECT version, key, value FROM model_version_tags WHERE name = ?", (model,)).fetchall()
    tags: dict[int, dict[str, str]] = {}
    for number, name, value in told:
        tags.setdefault(number, {})[name] = value
    return listed(((*row, tags.get(row[0], {})) for row in rows), {alias: str(number) for alias, number in aliases})


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

    What a killed process left half-written is undone all the same, for which SQLite has to be allowed to write.
    """
    if not database.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise UnreachableError(f"the model registry at {database} cannot be read: {error}.") from error
