"""Excel workbooks: a sheet written as text, to be read from there on like any other file of text."""

import csv
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from pipelines.sources.reading.layout import Unreadable

WORKBOOK = ".xlsx"
SEPARATOR = ","
LARGEST = 4_000_000_000  # bytes unpacked: some archives hold a thousand times what they are
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    RuntimeError,
    OSError,
)


def sheet_as_text(path: Path, sheet: str | None, target: Path) -> tuple[str, ...]:
    """Write one sheet as CSV, the first that is shown if none is named; gives what is to be said of it.

    Numbers and times are written as the program knows them, whatever their cells look like; rows without any
    value are left out.

    Raises
    ------
    Unreadable
        For a file that is no workbook, is damaged, or has no such sheet.
    """
    try:
        # opened here: of a damaged one, openpyxl lets go late
        with path.open("rb") as file, zipfile.ZipFile(file) as archive, warnings.catch_warnings():
            if sum(each.file_size for each in archive.infolist()) > LARGEST:
                raise Unreadable("it is too large when unpacked")
            warnings.simplefilter("ignore")  # of styles and drawings, which say nothing here
            book = load_workbook(file, read_only=True, data_only=True)
            try:
                names = [each.title for each in book.worksheets]
                shown = [each.title for each in book.worksheets if each.sheet_state == "visible"] or names
                if not names or (sheet is not None and sheet not in names):
                    there = ", ".join(f"'{name}'" for name in names) or "none"
                    raise Unreadable(f"it has no sheet '{sheet or ''}'; there are {there}")
                taken = sheet or shown[0]
                page = book[taken]
                page.reset_dimensions()  # what a file says of its own size is often wrong
                _write(page.iter_rows(values_only=True), target)
            finally:
                book.close()
    except BROKEN as error:
        raise Unreadable("it is no Excel workbook, or one that is damaged or breaks off") from error
    if sheet is not None or len(shown) == 1:
        return ()
    others = ", ".join(f"'{name}'" for name in shown if name != taken)
    return (
        f"{path.name}: sheet '{taken}' was read, the first of {len(shown)}; for another one ({others}) say sheet beside its "
        "table",
    )


def _write(rows: Iterable[tuple], target: Path) -> None:
    """Rows as CSV, all of one width: cells that nobody filled in are not there in a sheet."""
    draft, width = target.with_suffix(".draft"), 0
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=SEPARATOR, lineterminator="\n")
        for row in rows:
            cells = [_text(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                width = max(width, len(cells))
                writer.writerow(cells)
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=SEPARATOR, lineterminator="\n").writerows(_padded(draft, width))
    draft.unlink()


def _padded(draft: Path, width: int) -> Iterator[list[str]]:
    with draft.open(encoding="utf-8", newline="") as file:
        for cells in csv.reader(file, delimiter=SEPARATOR):
            yield cells + [""] * (width - len(cells))


def _text(value: object) -> str:
    """A cell's value as text that is read as the same value again."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        day = value == datetime(value.year, value.month, value.day)
        return f"{value:%Y-%m-%d}" if day else value.isoformat(" ", "microseconds")
    if isinstance(value, timedelta):
        return repr(value / timedelta(days=1))
    return str(value).replace("\x00", "")
