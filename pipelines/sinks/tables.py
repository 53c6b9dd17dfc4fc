"""Where decisions go: a CSV or Parquet file that a spreadsheet or a program reads."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from features.errors import UsageError
from pipelines.files import replaced

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


def workbook(table: pa.Table, *, sheet: str) -> bytes:
    """A table as an Excel workbook of one sheet."""
    book, out = Workbook(write_only=True), io.BytesIO()
    page = book.create_sheet(sheet)
    table = defused(table)
    page.append(table.column_names)
    for batch in table.to_batches():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            page.append(
                [ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell for cell in row]
            )
    book.save(out)
    return out.getvalue()


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
