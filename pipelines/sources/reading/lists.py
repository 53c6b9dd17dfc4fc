"""Columns whose cells hold several values at once, such as ``Mail;Demo``: what stands between those, told from all cells."""

import ibis
import ibis.expr.types as ir

from pipelines.sources.reading.columns import MARKS, Profile

FEWEST, SHARE = 10, 0.05  # cells that hold several values, and their share, below which they are texts
COMMON, OFTEN = 0.01, 5  # of the cells that hold a value which counts as common, and how many at least
COVERED = 0.9  # of all values are common ones: of free text, they are not
MIXED = (
    0.5  # of the values stand in the first place as well as in later ones: those of "City, Country" do not
)


def separator_of(text: ir.StringColumn, raw: ir.Table, profile: Profile) -> str | None:
    """What stands between the values of a column's cells, or None where each cell is one value."""
    for name, mark in MARKS.items():
        rows = getattr(profile, name)
        if rows >= max(FEWEST, SHARE * profile.filled) and _values(text, raw, mark, profile.filled):
            return mark
    return None


def example_of(text: ir.StringColumn, raw: ir.Table, mark: str) -> str:
    """The first cell that holds several values, or any."""
    found = raw.select(text=text).filter(ibis._.text.contains(mark)).limit(1).to_pyarrow()["text"].to_pylist()
    return found[0] if found else ""


def _values(text: ir.StringColumn, raw: ir.Table, mark: str, filled: int) -> bool:
    """Whether cells that are parted by a mark hold the same few values again and again."""
    cells = raw.select(text=text).filter(ibis._.text.notnull()).select(value=ibis._.text.split(mark))
    each = cells.unnest("value", offset="place").mutate(value=ibis._.value.strip())
    each = each.filter(each.value != "")
    counted = each.group_by("value").aggregate(rows=each.count(), first=(each.place == 0).sum())
    common = counted.rows >= max(OFTEN, COMMON * filled)
    mixed = common & (counted.first > 0) & (counted.first < counted.rows)
    sums = counted.aggregate(
        all=counted.rows.sum(),
        covered=counted.rows.sum(where=common),
        values=common.sum(),
        mixed=mixed.sum(),
    )
    seen = sums.to_pyarrow().to_pylist()[0]
    if not seen["values"] or seen["values"] < 2 or seen["covered"] < COVERED * seen["all"]:
        return False
    return mark != "," or seen["mixed"] >= MIXED * seen["values"]
