"""Files that are there whole or not at all, also after a power cut; and drafts, which a lock of the kernel
guards for as long as their run lives.
"""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from filelock import FileLock, Timeout

from features.errors import FAILING, UnreachableError, UsageError

SCRATCH = "scratch-"
LOCK = ".lock"  # ends the name of the file whose lock guards the draft beside it


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` that takes its name once it is whole and on the disk. A run that is killed, or a
    power cut, leaves the old file as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, f".{escape(path.name)}.*.draft")
        with held(draft):
            try:
                yield draft
                synced(draft)
                os.replace(draft, path)
                synced(path.parent)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        kind = UnreachableError if error.errno in FAILING else UsageError
        raise kind(f"'{path}' cannot be written; nothing was written: {error.strerror or error}") from error


def set_aside(folder: Path) -> Path:
    """Give a folder, at once, the name of a draft that nobody guards: should it not be removed, a sweep does it."""
    return folder.rename(folder.with_name(f".{secrets.token_hex(8)}.draft"))


@contextmanager
def made_once(path: Path) -> Iterator[Path]:
    """A draft, in a folder that nobody else reads, that takes the name ``path`` once it is whole, unless
    somebody else was faster.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        draft = Path(folder, path.name)
        yield draft
        synced(draft)
        with suppress(FileExistsError):
            os.link(draft, path)
        synced(path.parent)


@contextmanager
def scratch_in(home: Path, *, begins: str = SCRATCH) -> Iterator[Path]:
    """A folder inside a home for what is needed for a moment; those of runs that were killed go with the next
    whose name ``begins`` alike.
    """
    sweep(home / "tmp", f"{begins}*")
    folder = home / "tmp" / f"{begins}{secrets.token_hex(8)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with held(folder):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_in(folder: Path) -> Iterator[None]:
    """Let libraries that ask the system for a place for a moment have it here: what a run that was killed leaves
    there lies open to nobody, and is swept with the folder.
    """
    usual, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = usual


def bytes_hash(path: Path) -> str:
    """SHA-256 of a file: 1 GB takes about a second."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_secret(file: Path) -> str:
    """A secret that only the owner can read and that stays the same over restarts; of two processes that ask
    for it at once one makes it.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        with made_once(file) as draft:
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return file.read_text(encoding="ascii")


@contextmanager
def held(draft: Path) -> Iterator[None]:
    """Hold a draft, a file or a folder that is about to be made, as one that somebody is writing.

    The kernel lets go of the lock when the process ends, however it ends, and knows it in every container
    that shares the folder, where process numbers mean nothing.
    """
    # Whoever ends the draft may be another thread than the one that began it.
    with FileLock(_lock_of(draft), thread_local=False):
        try:
            yield
        finally:
            _lock_of(draft).unlink(missing_ok=True)


def sweep(folder: Path, pattern: str) -> None:
    """Remove the drafts of this pattern whose lock can be had: their runs are dead."""
    left = {
        file.with_name(file.name.removesuffix(LOCK))
        for ending in ("", LOCK)
        for file in folder.glob(pattern + ending)
    }
    for draft in left:
        with suppress(Timeout), FileLock(_lock_of(draft), timeout=0):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
            _lock_of(draft).unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock_of(draft: Path) -> Path:
    return draft.with_name(draft.name + LOCK)
