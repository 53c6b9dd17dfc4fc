"""CSV files and sheets of workbooks as tables of text, and what a file is that only calls itself one."""

import re
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import duckdb
import ibis.expr.types as ir
from ibis.backends import BaseBackend

from features.contracts import Breach, contract_error
from features.errors import ContractError
from pipelines.sources.engine import as_name, quoted, scratch_of
from pipelines.sources.reading.layout import Layout, Unreadable, beginning, layout_of, written_anew
from pipelines.sources.reading.workbooks import SEPARATOR, WORKBOOK, sheet_as_text

WIDE = 100  # columns
LOOKS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook, or one that a password protects"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
)


def text_view(
    connection: BaseBackend,
    path: Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> tuple[ir.Table, tuple[str, ...], dict[str, str]]:
    """A CSV file or a workbook's sheet as a table whose columns all hold text, what is to be said of how it was
    read, and its separator and encoding.

    A file that DuckDB reads as it is, is read as it is used. One in another encoding, or with lines around its
    table, is written anew for it and read at once, so that the copy is gone before anything else is done. One of
    very many columns is read at once, too: each look at a single column would split all its lines again.

    Raises
    ------
    ContractError
        For a file that is empty or is not what its name says.
    """
    if path.suffix.lower() == WORKBOOK:
        with scratch_of(connection) as folder:
            try:
                said = sheet_as_text(path, sheet, folder / "sheet.csv")
                layout = layout_of(folder / "sheet.csv", SEPARATOR, "utf-8")
            except Unreadable as error:
                raise _refusal(
                    path, f"this workbook cannot be read: {error}", "Save it again as .xlsx, or as CSV"
                ) from None
            layout = replace(layout, cut_off=False)
            return _anew(connection, folder / "sheet.csv", path, layout), (*said, *_remarks(path, layout)), {}
    try:
        if what := _not_csv(path):
            raise Unreadable(what)
        layout = layout_of(path, separator, encoding)
    except Unreadable as error:
        mend = "Export it as CSV in UTF-8, with a line of column names"
        raise _refusal(path, f"this is not a CSV file: {error}", mend) from None
    if layout.plain:
        named, wide = layout.encoding.removesuffix("-le"), len(layout.names) > WIDE
        table = _read(connection, path, layout, encoding=named, at_once=wide)
    else:
        table = _anew(connection, path, path, layout)
    return table, _remarks(path, layout), {"separator": layout.separator, "encoding": layout.encoding}


def _anew(connection: BaseBackend, text: Path, path: Path, layout: Layout) -> ir.Table:
    """The table of a file of text alone, written anew; ``path`` is what its user calls it."""
    with scratch_of(connection) as folder:
        written_anew(text, layout, folder / "table.csv")
        try:
            return _read(connection, folder / "table.csv", replace(layout, skipped=0), at_once=True)
        except duckdb.InvalidInputException as error:
            raise unreadable(error, path.name, lines_above=layout.skipped) from error


def _read(
    connection: BaseBackend, path: Path, layout: Layout, *, encoding: str = "utf-8", at_once: bool = False
) -> ir.Table:
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in layout.names)
    name = f"csv {token_hex(4)} {path.resolve()}"
    options = (
        f"delim = {quoted(layout.separator)}, quote = '\"', escape = '\"', header = true, auto_detect = false"
        f", encoding = '{encoding}', skip = {layout.skipped}"
        f"{f', new_line = {quoted(layout.line_end)}' if layout.line_end else ''}"
    )
    connection.raw_sql(
        f"CREATE TEMP {'TABLE' if at_once else 'VIEW'} {as_name(name)} AS "
        f"SELECT * FROM read_csv({quoted(path)}, columns = {{{columns}}}, {options})"
    ).fetchall()
    return connection.table(name)


def _remarks(path: Path, layout: Layout) -> tuple[str, ...]:
    """What was taken for granted of a file."""
    found = []
    if not layout.said:
        found.append(
            f"{path.name} is not UTF-8 and was read as {layout.encoding.capitalize()}; if its letters come out wrong, "
            'name its encoding, such as encoding = "windows-1250", beside its table'
        )
    for lines, where in (
        (layout.above, "above the names of its columns"),
        (layout.below, "below its last row"),
    ):
        if lines:
            many = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            found.append(
                f"{path.name}: {many} {where} {'is' if len(lines) == 1 else 'are'} no data, such as '{lines[0]}'"
            )
    if layout.cut_off:
        found.append(f"{path.name} ends without a line end: if its last row is cut off, export it again")
    return tuple(found)


def unreadable(error: duckdb.Error, name: str = "", *, lines_above: int = 0) -> ContractError:
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
    where = f"line {int(line[1]) + lines_above}" if line else "a line"
    name = name or (Path(file[1].strip()).name if file else "csv")
    return contract_error([Breach(name, "file", 0, "", f"{where} {what}", mend)], "nothing was stored")


def _not_csv(path: Path) -> str | None:
    """What is wrong with a file's beginning, or None."""
    start = beginning(path)
    if not start.strip():
        return "it is empty"
    for magic, what in LOOKS:
        if start.startswith(magic):
            return f"it looks like {what}"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it looks like a web page, perhaps of a login"
    return None


def _refusal(path: Path, what: str, mend: str) -> ContractError:
    return contract_error([Breach(path.name, "file", 0, "", what, mend)], "nothing was stored")
