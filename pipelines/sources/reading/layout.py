"""How a file of text is written, told from its bytes: encoding, separator, names, and what is around its table."""

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.sources.reading.footers import SHOWN_RECORDS, footer, lines_of

SEPARATORS = ",;\t|"
BEGINNING, ENDING = 1 << 20, 1 << 16  # bytes
UTF_8, UTF_16_LE, UTF_16_BE = b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"
MARKS = {UTF_8: "utf-8", UTF_16_LE: "utf-16-le", UTF_16_BE: "utf-16-be"}
USUAL = "windows-1252"  # what spreadsheets write where they do not write Unicode
_HINT = re.compile(r"""^"?sep=(.)"?\s*$""", re.IGNORECASE)  # a spreadsheet's first line, which is no data
_VALUE = re.compile(r"^[-+]?[\d.,:/%€$£ T-]*\d[\d.,:/%€$£ TZ-]*$")


class Unreadable(Exception):
    """What is wrong with a file, in words that follow its name."""


@dataclass(frozen=True)
class Layout:
    """How a file of text is written.

    Attributes
    ----------
    separator : str
    names : tuple of str
        Of the columns, each once.
    encoding : str
        As Python names it.
    said : bool
        Whether the encoding is known: by a mark, by the configuration, or because all of the file fits.
    line_end : str, optional
        As DuckDB names it; a lone carriage return ends lines of old Macintoshes.
    above, below : tuple of str
        Lines that are no part of the table.
    trimmed : bool
        Whether there are such lines, be they of separators alone.
    begins, size : int
        Where the line of names and where the rows end, in bytes.
    skipped : int
        Lines before the line of names.
    cut_off : bool
        Whether the last row has no line end.
    """

    separator: str
    names: tuple[str, ...]
    encoding: str
    said: bool
    line_end: str | None
    above: tuple[str, ...]
    below: tuple[str, ...]
    trimmed: bool
    begins: int
    size: int
    skipped: int
    cut_off: bool

    @property
    def plain(self) -> bool:
        """Whether DuckDB reads the file as it is."""
        return not self.trimmed and self.encoding in ("utf-8", "utf-16-le")


@dataclass(frozen=True)
class _Seen:
    """What one look at all bytes of a file tells."""

    start: bytes
    end: bytes
    size: int
    mark: bytes
    encoding: str
    said: bool


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """The bytes of a file, unpacked.

    Raises
    ------
    Unreadable
        While they are read, for an archive that is none, is damaged or breaks off.
    """
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable("it is no gzip archive, or one that is damaged or breaks off") from error


def beginning(path: Path) -> bytes:
    """The first bytes of a file, unpacked."""
    with opened(path) as file:
        return file.read(BEGINNING)


def layout_of(path: Path, separator: str | None = None, encoding: str | None = None) -> Layout:
    """How a file is written; all of it is looked at once.

    Raises
    ------
    Unreadable
        For a file without any text, and for bytes that are no text in the encoding that the file is in.
    """
    seen = _looked_through(path, encoding)
    text = seen.start.decode(seen.encoding, errors="ignore")
    first = next(lines_of(text), "")
    hint = _HINT.match(first)
    offset = len(first) if hint else 0
    whole = seen.size <= len(seen.start) + len(seen.mark)
    end = "\r" if "\r" in text and "\n" not in text else None
    wanted = separator or (hint[1] if hint else None)
    separator, records = _parsed(text[offset:], wanted, whole=whole)
    at, header = _header(records)
    if not header:
        raise Unreadable("it is empty")
    start = offset + (records[at].start if records else 0)
    tail = seen.end.decode(seen.encoding, errors="ignore")
    below = footer(tail, separator, header, [record.cells for record in records[at + 1 :]])
    cut = len("".join(below).encode(seen.encoding))
    last = tail.removesuffix("".join(below))
    return Layout(
        separator=separator,
        names=_names(header),
        encoding=seen.encoding,
        said=seen.said,
        line_end=r"\r" if end else None,
        above=_told(lines_of(text[offset:start]), separator),
        below=_told(below, separator),
        trimmed=any(line.strip() for line in (*lines_of(text[offset:start]), *below)),
        begins=len(seen.mark) + len(text[:start].encode(seen.encoding)),
        size=seen.size - cut,
        skipped=sum(1 for _ in lines_of(text[:start])),
        cut_off=bool(last) and not last.endswith(("\n", "\r")),
    )


def written_anew(path: Path, layout: Layout, target: Path) -> None:
    """The table alone, in UTF-8."""
    decoder = codecs.getincrementaldecoder(layout.encoding)()
    left = layout.size - layout.begins
    with opened(path) as file, target.open("w", encoding="utf-8", newline="") as draft:
        file.seek(layout.begins)
        while left:
            read = file.read(min(left, BEGINNING))
            left -= len(read)
            draft.write(decoder.decode(read, final=not left))


# ── encodings ──


def _looked_through(path: Path, encoding: str | None) -> _Seen:
    """One pass over a file: whether its bytes are text, and in which encoding."""
    start = beginning(path)
    mark = next((each for each in MARKS if start.startswith(each)), b"")
    named = MARKS.get(mark) or encoding or "utf-8"
    decoder = codecs.getincrementaldecoder(named)()
    size, lines, end, wrong = len(mark), 1, b"", None
    with opened(path) as file:
        file.seek(len(mark))
        while read := file.read(BEGINNING):
            if not named.startswith("utf-16") and b"\x00" in read:
                raise Unreadable("it holds bytes that no text has")
            size, end = size + len(read), (end + read)[-ENDING:]
            if wrong is None:
                known = named == "utf-8" and read.isascii() and not decoder.getstate()[0]
                wrong = None if known else _wrong(decoder, read)
                lines += read[:wrong].count(b"\n")
        wrong = _wrong(decoder, b"", final=True) if wrong is None else wrong
    if named.startswith("utf-16") and size % 2:
        raise Unreadable("it breaks off in the middle of a letter")
    if len(end) % 2 and named.startswith("utf-16"):
        end = end[1:]
    start = start[len(mark) :]
    if wrong is None:
        return _Seen(start, end, size, mark, named, True)
    if encoding or mark or _mostly_utf_8(path):
        raise Unreadable(f"it holds bytes that are no text in {named.upper()}, about at line {lines:,}")
    if not _is_usual(path):
        raise Unreadable(
            f"it is text neither in UTF-8 nor in {USUAL.capitalize()}; name its encoding, such as "
            'encoding = "windows-1250", beside its table'
        )
    return _Seen(start, end, size, mark, USUAL, False)


def _wrong(decoder: codecs.IncrementalDecoder, read: bytes, *, final: bool = False) -> int | None:
    """Where bytes stop being text, or None."""
    try:
        decoder.decode(read, final=final)
    except UnicodeDecodeError as error:
        return error.start
    return None


def _mostly_utf_8(path: Path) -> bool:
    """Whether more letters beyond ASCII fit UTF-8 than do not: then the others are damage."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    good = bad = 0
    with opened(path) as file:
        while read := file.read(BEGINNING):
            text = decoder.decode(read)
            wrong = text.count("\ufffd")
            bad += wrong
            good += sum(not each.isascii() for each in text) - wrong
    return good >= max(bad, 1)


def _is_usual(path: Path) -> bool:
    with opened(path) as file:
        while read := file.read(BEGINNING):
            if any(byte in read for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")):
                return False
    return True


# ── the table in its text ──


def _told(lines: Iterable[str], separator: str) -> tuple[str, ...]:
    """What lines say that are no rows; blank ones say nothing."""
    said = (line.strip(separator + '" \t\r\n') for line in lines)
    return tuple(each for each in said if each)


@dataclass(frozen=True)
class _Record:
    """The cells of a row and where its text begins."""

    cells: list[str]
    start: int

    @property
    def filled(self) -> int:
        return sum(bool(cell.strip()) for cell in self.cells)


def _parsed(text: str, separator: str | None, *, whole: bool) -> tuple[str, list[_Record]]:
    """The separator under which the first records look most like a table, and those records."""
    tried = {
        each: list(_records(text, each, whole=whole)) for each in ([separator] if separator else SEPARATORS)
    }
    best = max(tried, key=lambda each: _likeness(tried[each]))
    return best, tried[best]


def _records(text: str, separator: str, *, whole: bool) -> Iterator[_Record]:
    """The first records but for blank lines; of a text that is cut off not the last, unless it is the only one."""
    place, start = 0, 0

    def lines() -> Iterator[str]:
        nonlocal place
        for line in lines_of(text):
            place += len(line)
            yield line

    reader, given = csv.reader(lines(), delimiter=separator), 0
    while given < SHOWN_RECORDS:
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            return
        if given and not whole and place >= len(text):
            return
        if any(cell.strip() for cell in cells):
            given += 1
            yield _Record(cells, start)
        start = place


def _width(records: Sequence[_Record]) -> tuple[int, int]:
    """How many cells most records have, if more than one, and how many have so."""
    widths = Counter(len(record.cells) for record in records if len(record.cells) > 1)
    return max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, len(records)))


def _likeness(records: Sequence[_Record]) -> int:
    """How many cells are told apart in rows of one width, twice as much where the first line is one of them."""
    width, rows = _width(records)
    fits = bool(records) and len(records[0].cells) == width
    return rows * (width - 1) * (2 if fits else 1)


def _header(records: Sequence[_Record]) -> tuple[int, list[str]]:
    """Which record names the columns: the first, unless lines stand above that can only be titles."""
    width, _ = _width(records)
    for at, record in enumerate(records):
        title = record.filled == 1 if len(record.cells) == width else 2 * record.filled <= width
        if title and width > 2 and len(record.cells) <= width:
            continue
        if at and len(record.cells) == width and _are_names(record.cells, records[at + 1 :]):
            return at, record.cells
        break
    return 0, records[0].cells if records else []


def _are_names(cells: list[str], below: Sequence[_Record]) -> bool:
    """Whether cells are words that all differ, and none is a value of its column."""
    columns = [{record.cells[at] for record in below if at < len(record.cells)} for at in range(len(cells))]
    words = [cell.strip() for cell in cells]
    return (
        all(words)
        and len(set(words)) == len(words)
        and not any(_VALUE.match(each) for each in words)
        and not any(cell in column for cell, column in zip(cells, columns, strict=True))
    )


def _names(header: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    for at, name in enumerate(header, start=1):
        name = " ".join(name.split()) or f"column {at}"
        taken = {each.lower() for each in names}
        names.append(name if name.lower() not in taken else f"{name} ({at})")
    return tuple(names)
