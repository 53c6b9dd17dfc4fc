"""What can go wrong for a reason a user can mend, each with its own exit code."""

import errno
import os
import re
from collections.abc import Iterator


class LeadsieveError(Exception):
    """Something a user can understand and mend; its text is the whole message."""

    exit_code = 1


class UsageError(LeadsieveError):
    """A command, setting or configuration that cannot be meant."""

    exit_code = 2


class ContractError(LeadsieveError):
    """The data break what every later step relies on; ``breaches`` are the places where they do."""

    exit_code = 3

    def __init__(self, text: str, breaches: tuple = ()) -> None:
        super().__init__(text)
        self.breaches = breaches


class TooLittleDataError(LeadsieveError):
    """Too few leads or outcomes to learn from."""

    exit_code = 4


class LeakError(LeadsieveError):
    """A column may know what could not have been known when a lead was to be scored."""

    exit_code = 4


class UnreachableError(LeadsieveError):
    """A system this run depends on does not answer."""

    exit_code = 5


# What a disk or the system refuses whoever asks, and the mend.
FAILING = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room there"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Let more files be open (ulimit -n)"),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENXIO), "Look after the disk"),
    errno.EINTR: "Wait a moment",
    errno.EROFS: "Let it be written, or name another folder",
}
FORBIDDEN = dict.fromkeys((errno.EACCES, errno.EPERM), "Let yourself in, or name another folder")
SAID = {  # by libraries that hand on the text alone; SQLite has texts of its own
    **{os.strerror(number): number for number in FAILING | FORBIDDEN},
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "unable to open database file": errno.EIO,
    "attempt to write a readonly database": errno.EROFS,
}


def refused_by_the_system(error: BaseException) -> UnreachableError | None:
    """What is wrong with the disk or the folder, if it is that, whatever a library made of it; None for a bug."""
    for each in _causes(error):
        number = each.errno if isinstance(each, OSError) else None
        number = number or next((code for words, code in SAID.items() if words in str(each)), None)
        if mend := (FAILING | FORBIDDEN).get(number):
            named = re.search(r'file \\?"([^"\\]+)', str(each))  # as DuckDB does
            file = getattr(each, "filename", None) or (named and named[1])
            place = f"'{file}'" if file else "a file"
            return UnreachableError(
                f"{place} cannot be read or written: {os.strerror(number)}; nothing half-done was kept. "
                f"{mend}, and try again."
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, the newest first."""
    while error is not None:
        yield error
        for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _causes(each)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
