"""Files that are there whole or not at all, and whose drafts those of killed runs are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import UsageError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` that takes its name once it is whole. A run that is killed leaves the old file
    as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        try:
            yield draft
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be written; nothing was written: {error.strerror or error}"
        ) from error


@contextmanager
def made_once(path: Path) -> Iterator[Path]:
    """A draft, in a folder that nobody else reads, that takes the name ``path`` once it is whole, unless
    somebody else was faster.
    """
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        draft = Path(folder, path.name)
        yield draft
        with suppress(FileExistsError):
            os.link(draft, path)


def sweep(path: Path) -> None:
    """Remove the drafts that runs left beside a file that were killed."""
    for draft in path.parent.glob(f".{escape(path.name)}.*.draft"):
        pid = draft.suffixes[-2].removeprefix(".")
        if pid.isdigit() and not runs(int(pid)):
            draft.unlink(missing_ok=True)


def runs(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
