"""Lines below a table that are no rows of it: the footer of a report."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

SHOWN_RECORDS = 200
_TOTAL = re.compile(
    r"^\W*((grand |sub)?totals?|sums?|count|average|records?|rows|gesamt(summe)?|summe|anzahl|somme|nombre|totaal|"
    r"aantal|totale|suma|confidential|vertraulich|confidentiel|copyright|©|\(c\))(?![\w@-])",
    re.IGNORECASE,
)


def lines_of(text: str) -> Iterator[str]:
    """Lines with their ends, of whatever kind those are."""
    return iter(io.StringIO(text, newline=""))


def footer(tail: str, separator: str, header: list[str], first: Sequence[list[str]]) -> list[str]:
    """The last lines, where they can be nothing but the footer of a report; with the blank ones above them.

    A line is no row where half its cells or more are empty and its text is of another kind than all values of
    its column. A last row that is short, or cut off, is of their kind: it stays, and is judged as any other.
    """
    width = len(header)
    few = [2 * sum(bool(cell.strip()) for cell in row) <= width for row in first]
    if width < 2 or any(above and not below for above, below in pairwise(few)):
        return []  # where rows with few cells stand among the others, the last one is like them
    lines = list(lines_of(tail))[1:]  # the first one is cut off, or the header
    columns = _values([*first, *_cells(lines[-SHOWN_RECORDS:], separator)], width)
    keep = len(lines)
    for at in range(len(lines) - 1, -1, -1):
        cells = (
            next(csv.reader([lines[at]], delimiter=separator), []) if lines[at].count('"') % 2 == 0 else None
        )
        if cells is None or len(cells) > width:
            break
        if not any(cell.strip() for cell in cells):
            continue
        if not _is_footer(cells, columns):
            break
        keep = at
    while keep and not lines[keep - 1].strip(separator + '" \r\n'):
        keep -= 1
    return lines[keep:]


def _cells(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Rows that end on the line they begin on."""
    return (next(csv.reader([line], delimiter=separator), []) for line in lines if line.count('"') % 2 == 0)


def _values(rows: Sequence[list[str]], width: int) -> list[set[str]]:
    """What each column holds in rows that are rows for sure: whole, and more than half filled."""
    sure = [
        cells
        for row in rows
        if len(row) == width and 2 * sum(map(bool, cells := [cell.strip() for cell in row])) > width
    ]
    return [{cells[at] for cells in sure if cells[at]} for at in range(width)]


def _is_footer(cells: list[str], columns: Sequence[set[str]]) -> bool:
    """Whether a line with few cells says something that no value of the column says."""
    filled = [at for at, cell in enumerate(cells) if cell.strip()]
    if 2 * len(filled) > len(columns):
        return False
    at, text = filled[0], cells[filled[0]].strip()
    known = columns[at] if columns[at] else columns[0]
    if not known or text.split()[0] in {each.split()[0] for each in known}:
        return False
    total = bool(_TOTAL.match(text)) and not any(_TOTAL.match(each) for each in known)
    letters = len(re.findall(r"[^\W\d_]", text)) > 3
    prose = bool(re.search(r"\s", text)) and not any(re.search(r"\s", each) for each in known)
    wordy = not re.search(r"\d", text) and all(re.search(r"\d", each) for each in known)
    return total or (len(filled) == 1 and letters and (prose or wordy))
