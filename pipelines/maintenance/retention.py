"""What may go from a home: snapshots that nothing needs any more, and runs that Prefect keeps. Nothing goes unsaid, and
what is gone can be pulled again as the source is today.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.files import set_aside
from pipelines.home import registry_of
from pipelines.settings import Settings
from pipelines.sources.manifest import Note, read_note
from pipelines.sources.reading.parts import own_size


@dataclass(frozen=True)
class Old:
    """A snapshot that nothing needs: its folder's name, when and from where it was pulled, and the bytes that no
    other snapshot shares."""

    snapshot: str
    pulled: datetime
    source: str
    bytes: int


@dataclass(frozen=True)
class Pruned:
    """What went, or would go.

    Attributes
    ----------
    done : bool
        False where it was only looked at.
    snapshots : tuple of Old
    kept : int
        Snapshots that stay.
    runs : int or None
        Of Prefect's; None where no server of Prefect's was asked.
    """

    done: bool
    snapshots: tuple[Old, ...]
    kept: int
    runs: int | None


def prune(
    settings: Settings,
    home: Path,
    at: datetime,
    *,
    done: bool,
    old_runs: Callable[[datetime, bool], int] | None = None,
) -> Pruned:
    """Find what [retention] lets go of, and remove it if that is to be ``done``.

    Parameters
    ----------
    at : datetime
        Now, UTC without a zone.
    old_runs : function, optional
        Of Prefect's runs that ended before a moment, removes them if that is to be done, and counts them.
    """
    store, keep = home / "snapshots", settings.retention
    folders = sorted(store.glob("[!.]*"))
    old = []
    if keep.snapshot_days is not None:
        learned = {version.tags.get("data") for version in registry_of(settings, home).versions()}
        gone = unneeded(
            {folder: read_note(folder) for folder in folders},
            learned,
            before=at - timedelta(days=keep.snapshot_days),
        )
        old = [Old(each.name, _pulled(note), note.source, own_size(each)) for each, note in gone.items()]
    if done:
        for each in old:
            shutil.rmtree(set_aside(store / each.snapshot))  # so that nobody reads half a snapshot
    runs = None
    if old_runs is not None and keep.run_days is not None:
        runs = old_runs(at - timedelta(days=keep.run_days), done)
    return Pruned(done, tuple(old), len(folders) - len(old), runs)


def unneeded(snapshots: dict[Path, Note], learned: set[str | None], *, before: datetime) -> dict[Path, Note]:
    """Snapshots pulled before a moment that are neither the newest of all nor the last of their source in a month,
    which tell what columns said while leads were young, and that no version learned from.
    """
    ordered = sorted(snapshots.items(), key=lambda each: each[1].number)
    last_of_month = {(note.source, _pulled(note).strftime("%Y-%m")): folder for folder, note in ordered}
    needed = {*last_of_month.values(), *(folder for folder, _ in ordered[-1:])}
    return {
        folder: note
        for folder, note in ordered
        if folder not in needed and note.fingerprint not in learned and _pulled(note) < before
    }


def _pulled(note: Note) -> datetime:
    return datetime.fromisoformat(note.pulled_until)
