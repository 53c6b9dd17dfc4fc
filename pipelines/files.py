"""Files that are there whole or not at all, also after a power cut; and drafts, which a lock of the kernel
guards for as long as their run lives.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from filelock import FileLock, Timeout

from features.errors import UsageError

SUFFIXES = (".csv", ".parquet")
LOCK = ".lock"  # ends the name of the file whose lock guards the draft beside it
FORMULA = r"^[=+\-@\t\r]"  # what makes a spreadsheet run a cell instead of showing it


def write_decisions(decisions: pd.DataFrame, path: Path) -> Path:
    """Write a table by the path's suffix, ``.csv`` or ``.parquet``; an older file of that name is replaced in
    one step.

    A column of lists becomes text, its entries joined by "; ". In CSV, texts that a spreadsheet would run as
    a formula get a leading apostrophe; numbers stay numbers.

    Raises
    ------
    UsageError
        Another suffix, or a folder that cannot be written; nothing is written then.
    """
    checked_output(path)
    table = pa.Table.from_pandas(with_joined_lists(decisions), preserve_index=False)
    with replaced(path) as draft:
        if path.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(defused(table), draft)
        else:
            pyarrow.parquet.write_table(table, draft, compression="zstd")
    return path


def write_parquet(table: pd.DataFrame, path: Path) -> Path:
    """Write a Parquet file, whatever its name; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        pyarrow.parquet.write_table(
            pa.Table.from_pandas(table, preserve_index=False), draft, compression="zstd"
        )
    return path


def checked_output(path: Path) -> Path:
    """The same path, if decisions can be written to it; to be asked before the work is done rather than
    after.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"'{path}' is neither a .csv nor a .parquet file; nothing was written. Name the output with one of these endings."
        )
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; nothing was written. Name a file.")
    return path


def with_joined_lists(table: pd.DataFrame) -> pd.DataFrame:
    """Lists as one text a cell, which is what every reader of a file understands."""
    lists = [
        name
        for name in table.columns
        if table[name].dtype == object and any(isinstance(cell, list) for cell in table[name])
    ]
    joined = {
        name: ["; ".join(cell) if isinstance(cell, list) else cell for cell in table[name]] for name in lists
    }
    return table.assign(**joined)


def defused(table: pa.Table) -> pa.Table:
    """The same table with an apostrophe before every text, headings too, that a spreadsheet would run as a
    formula.
    """
    for position, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            table = table.set_column(position, name, pc.replace_substring_regex(column, FORMULA, r"'\0"))
    return table.rename_columns(
        [f"'{name}" if name[:1] in set("=+-@\t\r") else name for name in table.column_names]
    )


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
        synced(draft)
        with suppress(FileExistsError):
            os.link(draft, path)
        synced(path.parent)


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
