"""A home copied while everything runs, and put in place again: nobody who was forgotten comes back with it."""

import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.errors import ContractError, UnreachableError, UsageError
from models.registry.place import CHANGING, my_turn
from models.registry.published import FOLDER, POINTER
from pipelines.addresses import redacted
from pipelines.files import bytes_hash, held, sweep, synced
from pipelines.home import store_of
from pipelines.prefect_server import address_of
from pipelines.settings import Settings
from pipelines.sources.reading.parts import copied
from pipelines.store.erasure import KEY, forget_again, forgotten_of

NOTE, FORMAT = "backup.json", 1
CONFIGURATION = "configuration.toml"
STORE, REGISTRY = "store.db", "mlflow.db"
FOLDERS = ("artifacts", "snapshots", "backtests")
LISTS = "lists.json"  # how lists dropped at the desk are read
BEFORE = ".before-"  # and a number end the name of a home that another one took the place of


@dataclass(frozen=True)
class Backup:
    """A folder with a home's files, and what is kept elsewhere and not among them."""

    folder: Path
    files: int
    bytes: int
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """A home that was put in place, where the one before it is, and how many leads were forgotten again."""

    home: Path
    before: Path | None
    forgotten_again: int


def back_up(settings: Settings, home: Path, to: Path, *, at: datetime, config: Path | None = None) -> Backup:
    """Copy all of a home that there is to lose into a new folder, whole or not at all, whatever runs meanwhile.

    Secrets of sessions and of Prefect's server stay behind: they are made anew, and people sign in again.

    Raises
    ------
    UsageError
        Where the folder is taken.
    UnreachableError
        Where a database cannot be copied.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"'{to}' is there already; nothing was copied. Name a folder that is not.")
    with _draft_of(to) as draft:
        # Databases first, each at one moment: whatever files they name are on the disk by then.
        _copy_database(home / STORE, draft / STORE)
        with my_turn(home / CHANGING):
            _copy_database(home / REGISTRY, draft / REGISTRY)
            for name in (POINTER, FOLDER):
                _copy(home / name, draft / name)
        for name in (*FOLDERS, KEY, LISTS):
            _copy(home / name, draft / name)
        if config is not None:
            shutil.copyfile(config, draft / CONFIGURATION)
        sums = _sums(draft)
        size = sum((draft / name).stat().st_size for name in sums)
        note = {"format": FORMAT, "made_at": at.isoformat(), "files": sums}
        (draft / NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
        _named(draft, to)
    urls = (settings.store.url, settings.registry.url)
    return Backup(to, len(sums), size, tuple(redacted(url) for url in urls if url))


def restore(settings: Settings, home: Path, backup: Path, *, at: datetime) -> Restored:
    """Put a home in place from a backup. A home that is there is kept beside it, and whoever was forgotten there or
    in one before it is forgotten in what takes its place.

    Raises
    ------
    UsageError
        Where the folder is no backup, the home is being served, or the two forgot people under different keys.
    ContractError
        Where a file of the backup is not as it was written; nothing is changed then.
    """
    _check(backup)
    if address_of(home):
        raise UsageError(
            f"'{home}' is being served; nothing was changed. End leadsieve serve and the desk first."
        )
    earlier = [home, *sorted(home.parent.glob(f"{home.name}{BEFORE}*"))]
    with _draft_of(home) as draft:
        copied(backup, draft)
        (draft / NOTE).unlink()
        again = 0
        for each in earlier:
            if (each / KEY).is_file():
                again += _forget_as_in(each, settings, draft, at=at)
        if draft.joinpath(KEY).is_file():
            gone = forgotten_of(store_of(settings, draft), draft)
            again += forget_again(store_of(settings, draft), draft, gone, at=at)
        before = None
        if home.exists() and any(home.iterdir()):
            number = 1 + max((int(each.name.rpartition("-")[2]) for each in earlier[1:]), default=0)
            before = home.rename(home.with_name(f"{home.name}{BEFORE}{number}"))
        _named(draft, home)
    return Restored(home, before, again)


def _forget_as_in(earlier: Path, settings: Settings, draft: Path, *, at: datetime) -> int:
    """Forget in a draft whoever was forgotten in an earlier home."""
    key = (earlier / KEY).read_text(encoding="ascii")
    if not (draft / KEY).is_file():
        _copy(earlier / KEY, draft / KEY)
    elif (draft / KEY).read_text(encoding="ascii") != key:
        raise UsageError(
            f"people were forgotten under another key in '{earlier}' than in the backup, so nobody can tell who they are in "
            "it; nothing was changed. Restore into a folder of its own with --home."
        )
    return forget_again(
        store_of(settings, draft), draft, forgotten_of(store_of(settings, earlier), earlier), at=at
    )


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside the one that it is to become; gone at the end, unless it became it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, f".{folder.name}.*.draft")
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.draft")
    with held(draft):
        draft.mkdir(mode=0o700)
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _named(draft: Path, folder: Path) -> None:
    for written in (*draft.rglob("*"), draft):
        synced(written)
    draft.rename(folder)
    synced(folder.parent)


def _copy(path: Path, to: Path) -> None:
    """Copy a file or a folder if it is there, but what others are still writing."""
    if path.is_dir():
        copied(path, to)
    elif path.is_file():
        shutil.copy2(path, to)


def _copy_database(database: Path, to: Path) -> None:
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=60)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise UnreachableError(f"'{database}' cannot be copied: {error}; nothing was copied.") from error


def _sums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): bytes_hash(file) for file in files}


def _check(backup: Path) -> None:
    """Raise where a folder is no backup, or not as it was written."""
    try:
        note = json.loads((backup / NOTE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"'{backup}' is no backup: it has no {NOTE}; nothing was changed. Name a folder that leadsieve backup made."
        ) from None
    except ValueError:
        raise ContractError(f"'{backup / NOTE}' is damaged; nothing was changed.") from None
    if note.get("format") != FORMAT:
        raise UsageError(
            f"'{backup}' is of format {note.get('format')!r}, and this leadsieve reads {FORMAT}; nothing was changed."
        )
    found = _sums(backup)
    found.pop(NOTE)
    wrong = sorted(
        name for name in found.keys() | note["files"].keys() if found.get(name) != note["files"].get(name)
    )
    if wrong:
        raise ContractError(
            f"{len(wrong):,} files of the backup '{backup}' are not as they were written, such as '{wrong[0]}'; nothing "
            "was changed. Take another backup."
        )
