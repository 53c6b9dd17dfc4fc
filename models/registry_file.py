"""The registry's SQLite file: there whole or not at all, and at home wherever its folder is moved or copied to."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

ARTIFACTS = "artifacts"  # the folder beside the file
# Every column in which MLflow keeps an absolute address of an artifact.
ADDRESSES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


def artifacts_of(database: Path) -> str:
    """The address of the folder with a registry's artifacts."""
    return (database.parent / ARTIFACTS).as_uri()


def lay_out(database: Path, make: Callable[[str], None]) -> None:
    """Have an empty store made under another name and give it its own at the end; to be called by one process at a time.

    MLflow goes through years of migrations for that. A process that is killed amid them must not leave a store that nobody can open.
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
    """Let a store's addresses follow its folder: after a move, and in a copy, which must not read what the original may change."""
    new = artifacts_of(database)
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
        if found is None or found[0] == new:
            return
        connection.execute("BEGIN IMMEDIATE")
        for table, column in ADDRESSES.items():
            moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"
            connection.execute(moved, (new, len(found[0]) + 1, len(found[0]), found[0]))
        connection.execute("COMMIT")
