"""What a source's tables hold, told from their first rows: of each column how full it is, how many different
values it has, and whether they are times, numbers or words.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend

from pipelines.flows.init.words import fits, tidy
from pipelines.sources.connections import Source
from pipelines.sources.reading.columns import BLANKS, Profile, plain, profiles, word
from pipelines.sources.reading.formats import SAMPLE, fit, number_ways, time_ways

LOOKED_AT = 200_000  # rows of a table
FEW = 80  # different values, up to which they may be stages
NEARLY = 0.95
MOST = 0.6  # columns named after what they are about, from which on that is no part of their names
UNTOUCHED = "(Do Not Modify) "  # what Dynamics writes before columns that an import needs


@dataclass(frozen=True)
class Column:
    """What there is to say of one column.

    Attributes
    ----------
    name, tidy : str
        As the source writes it, and as names are compared.
    kind : "time", "number", "text" or "empty"
    rows, filled, distinct : int
    words : mapping of str to int
        Its values with their rows, where they are few.
    example : str
    values : pyarrow array
        All its values as text, in the order of the rows.
    """

    name: str
    tidy: str
    kind: Literal["time", "number", "text", "empty"]
    rows: int
    filled: int
    distinct: int
    words: dict[str, int]
    example: str
    values: pa.ChunkedArray

    @property
    def share(self) -> float:
        return self.filled / max(self.rows, 1)

    @property
    def unique(self) -> bool:
        """Whether nearly every row has a value of its own."""
        return self.share > NEARLY and self.distinct > NEARLY * self.filled


@dataclass(frozen=True)
class Looked:
    """A table of the source with its columns."""

    name: str
    rows: int
    columns: tuple[Column, ...]

    def column(self, name: str | None) -> Column | None:
        return next((each for each in self.columns if each.name == name), None)

    def of_kind(self, *kinds: str) -> list[Column]:
        return [each for each in self.columns if each.kind in kinds]


def look(source: Source, name: str, engine: BaseBackend, *, most: int = LOOKED_AT) -> Looked:
    """Look at the first rows of a table."""
    with source.answering():
        raw, _ = plain(source.table(name))
        rows = raw.limit(most).to_pyarrow()
    # Exports may have a thousand columns, most of them empty: those go no further.
    there = [each for each in rows.column_names if not _empty(rows[each])]
    table = engine.create_table(f"looked at {name}", rows.select(there), temp=True, overwrite=True)
    texts = table.select(**{each: word(table[each]) for each in there}).to_pyarrow()
    seen = profiles(table, there)
    bare = _without_prefix(rows.column_names)
    columns = []
    for each in rows.column_names:
        values = texts[each] if each in there else pa.chunked_array([pa.nulls(len(rows), pa.string())])
        short = tidy(bare[each])
        filled = len(values) - values.null_count
        distinct = pc.count_distinct(values, mode="only_valid").as_py()
        kind = "empty"
        if filled:
            dtype = table[each].type()
            if dtype.is_timestamp() or dtype.is_date():
                kind = "time"
            elif each in seen:
                kind = _kind(table, each, seen[each], short, values.drop_null()[:SAMPLE].to_pylist())
            else:
                kind = "number"
        words = Counter(values.drop_null().to_pylist()) if distinct <= FEW else {}
        example = values.drop_null()[0].as_py() if filled else ""
        columns.append(Column(each, short, kind, len(values), filled, distinct, dict(words), example, values))
    return Looked(name, len(rows), tuple(columns))


def _empty(values: pa.ChunkedArray) -> bool:
    if values.null_count == len(values):
        return True
    texts = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return texts and not pc.any(pc.not_equal(pc.utf8_trim(values, BLANKS), "")).as_py()


def _kind(
    table: ir.Table, name: str, profile: Profile, short: str, sample: list[str]
) -> Literal["time", "number", "text"]:
    """What a column of text holds; numbers are times only where the name says so."""
    if profile.times > NEARLY * profile.filled:
        return "time"
    named_time = max(fits(short, role) for role in ("created_at", "closed_at")) > 50
    if ways := time_ways(sample, numbers=named_time):
        found = fit(word(table[name]), table, ways)
        if max(found.ways.values()) > NEARLY * found.filled > 0:
            return "time"
    if profile.kind == "number" or number_ways(sample):
        return "number"
    return "text"


def _without_prefix(names: list[str]) -> dict[str, str]:
    """Names without what stands before most of them, such as ``Deal - ``, or before the program's own."""
    before = Counter(name.partition(" - ")[0] for name in names if " - " in name)
    if sum(count for count in before.values() if count > 1) < MOST * len(names):
        return {name: name.removeprefix(UNTOUCHED) for name in names}
    return {name: name.partition(" - ")[2] or name for name in names}
