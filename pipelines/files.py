"""Files that are there whole or not at all, and whose drafts those of killed runs are."""

import os
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

from features.errors import UsageError

SUFFIXES = (".csv", ".parquet")
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
