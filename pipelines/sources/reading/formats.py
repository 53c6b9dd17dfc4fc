"""How a column of text is to be read as numbers or times: the one way that fits all its values, or none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from pipelines.sources.reading.columns import NOTHING, nothing

POINT, COMMA = "decimal point", "decimal comma"
ISO = "%Y-%m-%d"
SERIAL, MILLISECONDS, SECONDS = "serial days", "milliseconds since 1970", "seconds since 1970"
SAMPLE = 300
NEARLY = 0.9

_CURRENCY = r"(?:[€$£¥₹]|EUR|USD|GBP|CHF|US\$|zł|Kč)"
_BLANK = r"[ \x{00A0}\x{202F}]"
_NUMBER = rf"^[-+]?{_BLANK}*{_CURRENCY}?{_BLANK}*[-+]?(?:[1-9]\d{{0,2}}(?:[GROUP'’ \x{{00A0}}\x{{202F}}]\d{{3}})+|\d+)(?:MARK\d+)?{_BLANK}*(?:{_CURRENCY}|%)?$"
NUMBERS = {
    POINT: _NUMBER.replace("GROUP", ",").replace("MARK", r"\."),
    COMMA: _NUMBER.replace("GROUP", ".").replace("MARK", ","),
}
EPOCHS = {
    SERIAL: r"^[2-6]\d{4}(?:\.\d+)?$",
    MILLISECONDS: r"^1\d{12}$|^[89]\d{11}$",
    SECONDS: r"^1\d{9}$|^[89]\d{8}$",
}
CLOCKS = [
    f"{comma}{clock}"
    for comma in (" ", ", ", "T")
    for clock in ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M%p")
]
NAMED_MONTHS = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_NUMERIC_DATE = re.compile(r"^\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d{2})(?!\d)")


@ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "array<string>"), "timestamp"))
def _strptime(text, formats):
    """DuckDB's own reading of times by the first format that fits."""


@dataclass(frozen=True)
class Fit:
    """How many of a column's values there are but for placeholders, and how many each way reads."""

    filled: int
    ways: dict[str, int]

    @property
    def whole(self) -> list[str]:
        """The ways that read every value."""
        return [way for way, rows in self.ways.items() if rows == self.filled > 0]


def empty_word(value: str) -> bool:
    """As ``nothing``, of one value."""
    return value.lower() in NOTHING or value.startswith("0000-00-00")


def number_as(text: ir.StringColumn, way: str) -> ir.FloatingColumn:
    """A text as a number by one decimal mark; null where it is none."""
    digits = text.re_replace(r"[^0-9.\-]" if way == POINT else r"[^0-9,\-]", "")
    digits = digits if way == POINT else digits.replace(",", ".")
    return ibis.ifelse(text.re_search(NUMBERS[way]), digits, ibis.null("string")).try_cast("float64")


def time_as(text: ir.StringColumn, way: str) -> ir.TimestampColumn:
    """A text as a time by one format, a time of day behind the date or not; null where it is none."""
    if way in EPOCHS:
        value = ibis.ifelse(text.re_search(EPOCHS[way]), text, ibis.null("string")).try_cast("float64")
        unit = {SERIAL: 86_400_000_000, MILLISECONDS: 1_000, SECONDS: 1_000_000}[way]
        start = "1899-12-30" if way == SERIAL else "1970-01-01"
        whole = (value * unit).round().cast("int64")
        return ibis.literal(start).cast("timestamp") + whole.as_interval("us")
    formats = [way] if re.search("%[HIpf]", way) else [way, *(way + clock for clock in CLOCKS)]
    return _strptime(
        text.upper() if "%I" in way or "%p" in way else text, ibis.literal(formats, "array<string>")
    )


def number_ways(sample: Sequence[str]) -> list[str]:
    """The ways worth trying as numbers, from some values."""
    values = [value for value in sample if not empty_word(value)]
    patterns = {way: re.compile(_python(pattern)) for way, pattern in NUMBERS.items()}
    return [
        way
        for way, pattern in patterns.items()
        if values and sum(bool(pattern.match(value)) for value in values) >= NEARLY * len(values)
    ]


def time_ways(sample: Sequence[str], *, numbers: bool) -> list[str]:
    """The formats worth trying as times, from some values; ``numbers`` says that numbers may be times."""
    values = [value for value in sample if not empty_word(value)]
    if not values:
        return []
    if sum(bool(re.match(r"\d{4}-\d{1,2}-\d{1,2}", value)) for value in values) >= NEARLY * len(values):
        return [ISO]
    shapes = [_NUMERIC_DATE.match(value) for value in values]
    if sum(map(bool, shapes)) >= NEARLY * len(values):
        mark, year = next((shape[1], "%Y" if len(shape[2]) == 4 else "%y") for shape in shapes if shape)
        return [f"%d{mark}%m{mark}{year}", f"%m{mark}%d{mark}{year}"]
    if sum(bool(re.search(r"(?i)\b[a-z]{3,9}\b.*\d{4}", value)) for value in values) >= NEARLY * len(values):
        return list(NAMED_MONTHS)
    return [
        way
        for way, pattern in EPOCHS.items()
        if numbers and all(re.match(pattern, value) for value in values)
    ]


def fit(text: ir.StringColumn, table: ir.Table, ways: Sequence[str]) -> Fit:
    """How many values each way reads, counted over the whole column in one query."""
    rows = table.select(text=text).filter(ibis._.text.notnull() & ~nothing(ibis._.text))
    counts = {way: (number_as if way in NUMBERS else time_as)(rows.text, way).notnull().sum() for way in ways}
    seen = rows.aggregate(filled=rows.count(), **counts).to_pyarrow().to_pylist()[0]
    return Fit(filled=seen["filled"], ways={way: seen[way] or 0 for way in ways})


def same_either_way(text: ir.StringColumn, raw: ir.Table) -> bool:
    """Whether both decimal marks give the same numbers."""
    rows = raw.select(point=number_as(text, POINT), comma=number_as(text, COMMA))
    return not rows.filter(rows.point != rows.comma).count().to_pyarrow().as_py()


def sampled(text: ir.StringColumn, table: ir.Table) -> list[str]:
    """Some values of a column."""
    return (
        table.select(text=text).filter(ibis._.text.notnull()).limit(SAMPLE).to_pyarrow()["text"].to_pylist()
    )


def _python(pattern: str) -> str:
    return re.sub(r"\\x\{([0-9A-F]{4})\}", r"\\u\1", pattern)
