"""From a source's values to ours: what text means, what typed columns hold, everything in UTC."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

NOTHING = (
    "-", "--", "—", "?", "n/a", "na", "#n/a", "null", "none", "nil", "nan", "#value!", "#ref!", "#div/0!",
)  # fmt: skip
ZERO_DATE = r"^0000-00-00"
ZONED = r":\d{2}(\.\d+)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
DATED = r"^\s*\d{4}[-/]\d{1,2}[-/]\d{1,2}"
PADDED = r"^[+-]?0\d"
BLANKS = " \t\r\n\u00a0\u202f\ufeff"
PRINTED = ("!", "~")  # ASCII from the first character that prints to the last
# English, German, French, Spanish, Italian, Portuguese and Dutch.
YES = (
    "true",
    "yes",
    "y",
    "wahr",
    "ja",
    "j",
    "vrai",
    "oui",
    "verdadero",
    "sí",
    "si",
    "vero",
    "sì",
    "verdadeiro",
    "sim",
    "waar",
)
NO = ("false", "no", "n", "falsch", "nein", "faux", "non", "falso", "não", "nao", "nee", "onwaar")
GROUPED, SHORT = r"^[-+]?[1-9]\d{0,2}(\.\d{3})+$", r"^[-+]?\d{1,3}$"
MARKS = {"semicolons": ";", "bars": "|", "commas": ","}  # what may stand between values of one cell
LARGEST = 2.0**62
AT_ONCE = 100  # columns in one query
TIME = dt.Timestamp(scale=6)
TIME_UTC = dt.Timestamp(timezone="UTC")


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), TIME_UTC))
def from_zone(zone, moment):
    """The engine's own reading of a local time; DuckDB and PostgreSQL share the name."""


@ibis.udf.scalar.builtin(name="md5", signature=(("string",), "string"))
def md5(text):
    """The engine's own MD5, in hexadecimal."""


@ibis.udf.scalar.builtin(name="trim", signature=(("string", "string"), "string"))
def _trimmed(text, characters):
    """The engine's own trimming of certain characters; plain ``strip`` leaves unbreakable blanks."""


@dataclass(frozen=True)
class Profile:
    """How many values of a text column there are, and how many read as a number, a truth value or a time."""

    filled: int
    digits: int
    nothings: int
    grouped: int
    numbers: int
    short: int
    padded: int
    truths: int
    zoned: int
    local: int
    clocked: int
    semicolons: int
    bars: int
    commas: int

    @property
    def times(self) -> int:
        return self.zoned + self.local

    @property
    def either_mark(self) -> bool:
        """Whether the points of plain numbers may as well stand between thousands."""
        return bool(self.grouped) and self.grouped + self.short == self.filled == self.numbers

    @property
    def kind(self) -> str:
        """What a column of text is: numbers if every value is one, but codes such as 00123 stay text."""
        if self.filled and self.numbers == self.filled and not self.padded:
            return "number"
        if self.truths and self.truths + self.nothings == self.filled:
            return "truth"
        if self.filled and self.times == self.filled and not (self.zoned and self.local):
            return "time"
        return "text"


NOTHING_FILLED = Profile(**dict.fromkeys(Profile.__dataclass_fields__, 0))


def plain(table: ir.Table) -> tuple[ir.Table, list[str]]:
    """A table with columns of simple types only, and the names of those left out (lists, structures, bytes)."""
    kept, left = {}, []
    enumerates = table.get_backend().name == "postgres"
    for name, dtype in table.schema().items():
        column = table[name]
        if dtype.is_string() and enumerates:
            # Ibis takes PostgreSQL's enumerations for text and leaves out a cast that changes nothing: two
            # that do
            kept[name] = column.cast("!string").cast("string")
        elif dtype.is_decimal():
            kept[name] = column.cast("float64")
        elif dtype.is_numeric() or dtype.is_boolean() or dtype.is_string() or dtype.is_temporal():
            kept[name] = column.cast("string") if dtype.is_time() or dtype.is_interval() else column
        elif dtype.is_unknown():
            # Ibis has no word for DuckDB's times of nanoseconds with a zone
            kept[name] = (
                column.cast(TIME_UTC) if "TIMESTAMPTZ" in str(dtype).upper() else column.cast("string")
            )
        elif dtype.is_uuid() or dtype.is_inet() or dtype.is_macaddr() or dtype.is_json():
            kept[name] = column.cast("string")
        elif dtype.is_null():
            kept[name] = ibis.null("string")
        else:
            left.append(name)
    # Of a wide file each look at one column would name all the others again.
    same = not left and all(column.equals(table[name]) for name, column in kept.items())
    return table if same else table.select(**kept), left


def word(column: ir.Column, empty: tuple[str, ...] = (), *, mostly_plain: bool = False) -> ir.StringColumn:
    """A value as text, null where it means "empty"; 4711.0 is '4711'.

    Of texts that are ``mostly_plain``, as ids are, only those are trimmed that do not begin and end with a character that
    prints: to see that costs an eighth, but makes for a longer query, and needs an engine that compares texts byte by byte.
    """
    if column.type().is_floating():
        # the engine's floor is an integer: what no integer holds never comes to it
        beyond = column.isnan() | column.isinf() | (column.abs() >= LARGEST)
        within = ibis.ifelse(beyond, 0.0, column)
        text = ibis.ifelse(
            beyond | (within != within.floor()),
            column.cast("string"),
            within.round().cast("int64").cast("string"),
        )
    elif column.type().is_boolean():
        text = ibis.ifelse(column, "true", "false")
    else:
        whole = column.cast("string")
        text = _trimmed(whole, BLANKS)
        if mostly_plain:
            ends = (end.between(*PRINTED) for end in (whole, whole.reverse()))
            text = ibis.ifelse(ibis.and_(*ends), whole, text)
    for blank in ("", *empty):
        text = text.nullif(blank)
    return text


def nothing(text: ir.StringColumn) -> ir.BooleanColumn:
    """Whether a text is one of the usual placeholders."""
    return text.lower().isin(NOTHING) | text.re_search(ZERO_DATE)


def number(column: ir.Column, empty: tuple[str, ...] = ()) -> ir.FloatingColumn:
    """A value as float64, null where it is none; what is not finite is none."""
    dtype = column.type()
    if dtype.is_boolean():
        return column.cast("int32").cast("float64")
    if dtype.is_integer():
        return column.cast("float64")
    value = column.cast("float64") if dtype.is_floating() else word(column, empty).try_cast("float64")
    return ibis.ifelse(value.isnan() | value.isinf(), ibis.null("float64"), value)


def truth(column: ir.StringColumn, empty: tuple[str, ...] = ()) -> ir.FloatingColumn:
    """Yes and no as 1 and 0, in the commonest words of some languages."""
    text = word(column, empty).lower()
    said = ibis.cases((text.isin(YES), 1), (text.isin(NO), 0), else_=ibis.null("int32"))
    return said.cast("float64")


def moment(column: ir.Column, zone: str, empty: tuple[str, ...] = ()) -> ir.TimestampColumn:
    """A value as a time in UTC, null where it is none; ``zone`` is that of times written without one."""
    dtype = column.type()
    if dtype.is_string():
        text = word(column, empty)
        dated = ibis.ifelse(text.re_search(DATED), text, ibis.null("string"))
        in_utc = dated.try_cast(TIME_UTC).cast(TIME)
        if zone == "UTC":
            return in_utc
        return ibis.ifelse(
            dated.re_search(ZONED), in_utc, from_zone(zone, dated.try_cast("timestamp")).cast(TIME)
        )
    if not (dtype.is_timestamp() or dtype.is_date()):
        return ibis.null(TIME)
    if (dtype.is_timestamp() and dtype.timezone is not None) or zone == "UTC":
        return column.cast(TIME)
    return from_zone(zone, column.cast("timestamp")).cast(TIME)


def profiles(
    table: ir.Table,
    columns: list[str],
    empty: Callable[[str], tuple[str, ...]] = lambda _: (),
    times: Collection[str] = (),
    *,
    by_column: bool = False,
) -> dict[str, Profile]:
    """What columns of text hold, in one aggregate query, or a few for a table of very many columns: the time that
    the engine takes to plan one grows with their square. ``empty`` tells a column's words that mean "empty"; of
    ``times`` nothing is looked up that times do not need. A table that is kept ``by_column`` is read so.
    """
    columns = [column for column in columns if table[column].type().is_string()]
    found = dict.fromkeys(columns, NOTHING_FILLED)
    if len(columns) > AT_ONCE:
        columns = _not_empty(table, columns)
    if by_column:
        return found | {
            column: _profiled_alone(table, column, empty(column), only_time=column in times)
            for column in columns
        }
    for at in range(0, len(columns), AT_ONCE):
        found |= _profiled(table, columns[at : at + AT_ONCE], empty, times)
    return found


def _not_empty(table: ir.Table, columns: list[str]) -> list[str]:
    """The columns in which anything stands; wide exports are mostly empty."""
    counts = {str(at): table[column].nullif("").count() for at, column in enumerate(columns)}
    seen = table.aggregate(**counts).to_pyarrow().to_pylist()[0]
    return [column for at, column in enumerate(columns) if seen[str(at)]]


def _profiled(
    table: ir.Table, columns: list[str], empty: Callable[[str], tuple[str, ...]], times: Collection[str]
) -> dict[str, Profile]:
    counts = {}
    texts = table.select(**{column: word(table[column], empty(column)) for column in columns})
    for at, column in enumerate(columns):
        held = _held(texts[column], only_time=column in times)
        counts |= {f"{at} {name}": there.sum() for name, there in held.items()}
    if not counts:
        return {}
    seen = texts.aggregate(**counts).to_pyarrow().to_pylist()[0]
    names = Profile.__dataclass_fields__
    return {
        column: Profile(**{name: seen.get(f"{at} {name}") or 0 for name in names})
        for at, column in enumerate(columns)
    }


def _profiled_alone(table: ir.Table, column: str, empty: tuple[str, ...], *, only_time: bool) -> Profile:
    """That of one column, whose values are looked at once each, however often they come."""
    values = table.group_by(value=table[column]).aggregate(rows=ibis._.count())
    held = _held(word(values.value, empty), only_time=only_time)
    seen = values.aggregate(**{name: values.rows.sum(where=there) for name, there in held.items()})
    counts = seen.to_pyarrow().to_pylist()[0]
    return replace(NOTHING_FILLED, **{name: count or 0 for name, count in counts.items()})


def _held(text: ir.StringColumn, *, only_time: bool) -> dict[str, ir.BooleanColumn]:
    """Of each value whether it counts for the parts of a profile."""
    zoned = text.re_search(ZONED)
    dated = ibis.ifelse(text.re_search(DATED), text, ibis.null("string"))  # to try what is none takes long
    is_time = dated.try_cast(TIME_UTC).notnull()
    held = {
        "filled": text.notnull(),
        "zoned": is_time & zoned,
        "local": is_time & ~zoned,
        "clocked": text.contains(":"),
    }
    if only_time:
        return held
    return held | {
        "digits": text.re_search(r"\d"),
        "nothings": nothing(text),
        "numbers": text.try_cast("float64").notnull(),
        "padded": text.re_search(PADDED),
        "truths": text.lower().isin((*YES, *NO)),
        "grouped": text.re_search(GROUPED),
        "short": text.re_search(SHORT),
        **{name: text.contains(mark) for name, mark in MARKS.items()},
    }
