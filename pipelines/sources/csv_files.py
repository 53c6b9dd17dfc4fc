"""CSV files as tables of text, and what a file is that only calls itself CSV."""

import csv
import gzip
import re
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends import BaseBackend

from features.contracts import Breach, contract_error
from features.errors import ContractError
from pipelines.sources.engine import quoted

LOOKS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"SQLite format 3", "an SQLite database"),
)
SEPARATORS = ",;\t|"


def csv_view(connection: BaseBackend, path: Path, *, separator: str | None = None) -> ir.Table:
    """A CSV file as a table whose columns all hold text; nothing is read yet but its first line.

    The separator is the one that is commonest in the first line. An empty cell is empty, quoted or not.

    Raises
    ------
    ContractError
        For a file that is empty or is not CSV, whatever its name says.
    """
    if what := _not_csv(path):
        raise _refusal(path, what)
    separator, names = header(path, separator)
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    view = f"csv {path.resolve()}".replace('"', '""')
    options = f"delim = {quoted(separator)}, quote = '\"', escape = '\"', header = true, auto_detect = false"
    connection.raw_sql(
        f'CREATE OR REPLACE TEMP VIEW "{view}" AS SELECT * FROM read_csv({quoted(path)}, columns = {{{columns}}}, {options})'
    ).fetchall()
    return connection.table(f"csv {path.resolve()}")


def unreadable(error: duckdb.Error) -> ContractError:
    """What to say of a CSV file that breaks off in the middle."""
    text = str(error)
    file = re.search(r"file = (.+)", text)
    line = re.search(r"Line: (\d+)", text)
    wide = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if "unicode" in text.lower() or "utf-8" in text.lower():
        what, mend = "is not text in UTF-8", "Export the file as CSV in UTF-8"
    elif wide:
        what, mend = (
            f"has {wide[2]} values where there are {wide[1]} columns",
            "Put values that hold the separator in quotes",
        )
    else:
        what, mend = "cannot be read; is a quote left open", "Mend the line, or export the file again"
    where = f"line {line[1]}" if line else "a line"
    name = Path(file[1].strip()).name if file else "csv"
    return contract_error([Breach(name, "file", 0, "", f"{where} {what}", mend)], "nothing was stored")


def _not_csv(path: Path) -> str | None:
    """What is wrong with a file's beginning, or None."""
    with _bytes(path) as file:
        start = file.read(65536)
    if not start.strip():
        return "it is empty"
    for magic, what in LOOKS:
        if start.startswith(magic):
            return f"it looks like {what}"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it looks like a web page, perhaps of a login"
    if b"\x00" in start:
        return "it holds bytes that no text has"
    return None


def header(path: Path, separator: str | None) -> tuple[str, list[str]]:
    """The separator and the column names, each name once."""
    with _bytes(path) as file:
        first = file.readline()
    try:
        line = first.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(path, "its first line is not text in UTF-8") from error
    unquoted = re.sub(r'"[^"]*"', "", line)
    separator = separator or max(SEPARATORS, key=unquoted.count)
    names: list[str] = []
    for at, name in enumerate(next(csv.reader([line], delimiter=separator)), start=1):
        name = name.strip() or f"column {at}"
        taken = {each.lower() for each in names}
        names.append(name if name.lower() not in taken else f"{name} ({at})")
    return separator, names


def _bytes(path: Path):
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _refusal(path: Path, what: str) -> ContractError:
    breach = Breach(
        path.name,
        "file",
        0,
        "",
        f"this is not a CSV file: {what}",
        "Export it as CSV in UTF-8, with a line of column names",
    )
    return contract_error([breach], "nothing was stored")
