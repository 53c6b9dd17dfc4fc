"""CSV files as tables of text, and what a file is that only calls itself CSV."""

import csv
import gzip
import re
from dataclasses import dataclass
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
    (b"\xfe\xff", "text in big-endian UTF-16"),
    (b"SQLite format 3", "an SQLite database"),
)
SEPARATORS = ",;\t|"
UTF_16 = b"\xff\xfe"
BEGINNING = 65_536  # bytes
_HINT = re.compile(r"""^"?sep=(.)"?$""", re.IGNORECASE)  # a spreadsheet's first line, which is no data


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written.

    Attributes
    ----------
    separator : str
    names : tuple of str
        Of the columns, each once.
    encoding : "utf-8" or "utf-16"
    line_end : str
        As DuckDB names it; a lone carriage return ends lines of old Macintoshes.
    hints : int
        Lines before the names.
    """

    separator: str
    names: tuple[str, ...]
    encoding: str
    line_end: str | None
    hints: int


def csv_view(connection: BaseBackend, path: Path, *, separator: str | None = None) -> ir.Table:
    """A CSV file as a table whose columns all hold text; nothing is read yet but its beginning.

    The separator is the one that a spreadsheet's first line names (``sep=;``), else the one that is commonest in
    the line of names. An empty cell is empty, quoted or not.

    Raises
    ------
    ContractError
        For a file that is empty or is not CSV, whatever its name says.
    """
    if what := _not_csv(path):
        raise _refusal(path, what)
    layout = layout_of(path, separator)
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in layout.names)
    view = f"csv {path.resolve()}".replace('"', '""')
    options = (
        f"delim = {quoted(layout.separator)}, quote = '\"', escape = '\"', header = true, auto_detect = false"
        f", encoding = '{layout.encoding}', skip = {layout.hints}"
        f"{f', new_line = {quoted(layout.line_end)}' if layout.line_end else ''}"
    )
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
        start = file.read(BEGINNING)
    if not start.strip():
        return "it is empty"
    for magic, what in LOOKS:
        if start.startswith(magic):
            return f"it looks like {what}"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it looks like a web page, perhaps of a login"
    if b"\x00" in start and not start.startswith(UTF_16):
        return "it holds bytes that no text has"
    return None


def layout_of(path: Path, separator: str | None = None) -> Layout:
    """How a file is written, told from its beginning."""
    with _bytes(path) as file:
        start = file.read(BEGINNING)
    encoding = "utf-16" if start.startswith(UTF_16) else "utf-8"
    end = "\r" if b"\r" in start and b"\n" not in start else "\n"
    lines = _decoded(path, start, encoding).split(end)
    hint = _HINT.match(lines[0].strip())
    line = lines[1 if hint and len(lines) > 1 else 0]
    unquoted = re.sub(r'"[^"]*"', "", line)
    separator = separator or (hint[1] if hint else max(SEPARATORS, key=unquoted.count))
    names: list[str] = []
    for at, name in enumerate(next(csv.reader([line.rstrip("\r")], delimiter=separator), []), start=1):
        name = name.strip() or f"column {at}"
        taken = {each.lower() for each in names}
        names.append(name if name.lower() not in taken else f"{name} ({at})")
    return Layout(separator, tuple(names), encoding, r"\r" if end == "\r" else None, 1 if hint else 0)


def _decoded(path: Path, start: bytes, encoding: str) -> str:
    """The lines that a file begins with; a last one that is cut off may end anywhere."""
    if encoding == "utf-16":
        return start[: len(start) // 2 * 2].decode("utf-16", errors="ignore")
    try:
        first = re.split(rb"[\r\n]", start.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"), maxsplit=1)[0]
        first.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(path, "its first line is not text in UTF-8") from error
    return start.decode("utf-8-sig", errors="ignore")


def _bytes(path: Path):
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


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
