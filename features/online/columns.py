"""Columns in memory, and what expressions do with them: the same as an engine would, row by row.

An engine takes a millisecond to plan a query of twenty columns, and a request is of one lead. NumPy begins at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HOUR, HOURS_A_DAY, DAYS_A_WEEK = 3_600_000_000, 24, 7  # an hour in microseconds
THURSDAY = 3  # 1 January 1970, where Monday is 0
BLANKS = " \t\n\r\v\f"


class Column(NamedTuple):
    """What rows hold, and which of them hold anything.

    Attributes
    ----------
    values : array, or one value for all rows
        Numbers, booleans, texts as objects; times as whole microseconds since 1970. Where a row is empty anything
        may stand.
    there : array of bool or bool or None
        None where no row is empty.
    """

    values: Any
    there: Any = None

    @classmethod
    def of(cls, array: pa.Array | pa.ChunkedArray) -> "Column":
        """Arrow's values."""
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        there = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.int64())
        if there is not None and pa.types.is_integer(array.type):
            array = array.fill_null(0)
        if there is not None and pa.types.is_boolean(array.type):
            array = array.fill_null(False)
        return cls(array.to_numpy(zero_copy_only=False), there)

    def taken(self, places: np.ndarray) -> "Column":
        """The same of rows at some places."""
        return Column(self.values[places], None if self.there is None else self.there[places])

    def true(self) -> Any:
        """Where it is true: neither false nor empty."""
        return self.values if self.there is None else self.values & self.there

    def floats(self, rows: int, *, empty: float = np.nan) -> np.ndarray:
        """As numbers of the matrix."""
        found = np.empty(rows, dtype=np.float32)
        found[:] = self.values
        if self.there is not None:
            found[~self.there] = empty
        return found

    def texts(self, rows: int, *, empty: float | None = None) -> np.ndarray:
        """As objects."""
        found = np.empty(rows, dtype=object)
        found[:] = self.values
        if self.there is not None:
            found[~self.there] = empty
        return found


NOTHING = Column(0, np.False_)


def listed(values: Sequence[Any]) -> Column:
    """A column of Python's values, None where a row is empty."""
    there = np.array([value is not None for value in values], dtype=bool)
    if any(isinstance(value, str) for value in values):
        return Column(np.array(values, dtype=object), there)
    return Column(np.array([0 if value is None else value for value in values]), there)


def both(left: Any, right: Any) -> Any:
    """Where two columns hold something, of where each does."""
    return right if left is None else left if right is None else left & right


def of_one(compute: Callable) -> Callable[[Column], Column]:
    """An operation whose result is empty where what it takes is."""
    return lambda column: Column(compute(column.values), column.there)


def of_two(compute: Callable) -> Callable[[Column, Column], Column]:
    """An operation whose result is empty where either is that it takes."""
    return lambda left, right: Column(compute(left.values, right.values), both(left.there, right.there))


def divide(left: Column, right: Column) -> Column:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Column(np.true_divide(left.values, right.values), both(left.there, right.there))


def and_(left: Column, right: Column) -> Column:
    """False beside something empty is false."""
    value = left.true() & right.true()
    if left.there is None and right.there is None:
        return Column(value)
    return Column(value, value | _false(left) | _false(right))


def or_(left: Column, right: Column) -> Column:
    """True beside something empty is true."""
    value = left.true() | right.true()
    if left.there is None and right.there is None:
        return Column(value)
    return Column(value, value | (_false(left) & _false(right)))


def _false(column: Column) -> Any:
    value = np.logical_not(column.values)
    return value if column.there is None else value & column.there


def _is_there(column: Column) -> Any:
    return np.ones_like(column.values, dtype=bool) if column.there is None else column.there


def if_else(condition: Column, then: Column, other: Column) -> Column:
    where = condition.true()
    value = np.where(where, then.values, other.values)
    if then.there is None and other.there is None:
        return Column(value)
    return Column(value, np.where(where, _is_there(then), _is_there(other)))


def null_if(column: Column, other: Column) -> Column:
    same = Column(column.values == other.values, both(column.there, other.there)).true()
    return Column(column.values, _is_there(column) & ~same)


def coalesce(*columns: Column) -> Column:
    found = columns[-1]
    for each in columns[-2::-1]:
        found = if_else(Column(_is_there(each)), each, found)
    return found


def cases(*columns: Column) -> Column:
    """Conditions, as many results, and what else."""
    half = len(columns) // 2
    found = columns[-1]
    for condition, result in zip(columns[half - 1 :: -1], columns[-2 : half - 1 : -1], strict=True):
        found = if_else(condition, result, found)
    return found


def of_text(compute: Callable[[pa.Array], pa.Array]) -> Callable[[Column], Column]:
    """What Arrow does with texts, by the expressions of RE2 as DuckDB does."""

    def computed(column: Column) -> Column:
        texts = pa.array(column.texts(np.size(column.values)), pa.string())
        return Column.of(compute(texts))

    return computed


def joined(*columns: Column) -> Column:
    """Texts one after the other, empty where any is."""
    rows = max(np.size(each.values) for each in columns)
    texts = [pa.array(each.texts(rows), pa.string()) for each in columns]
    return Column.of(pc.binary_join_element_wise(*texts, ""))


# How each operation is computed of what it takes.
SIMPLE: Mapping[type[ops.Node], Callable[..., Column]] = {
    ops.Equals: of_two(np.equal),
    ops.NotEquals: of_two(np.not_equal),
    ops.Less: of_two(np.less),
    ops.LessEqual: of_two(np.less_equal),
    ops.Greater: of_two(np.greater),
    ops.GreaterEqual: of_two(np.greater_equal),
    ops.Add: of_two(np.add),
    ops.Subtract: of_two(np.subtract),
    ops.Multiply: of_two(np.multiply),
    ops.Divide: divide,
    ops.And: and_,
    ops.Or: or_,
    ops.Not: of_one(np.logical_not),
    ops.IsNull: lambda column: Column(~_is_there(column)),
    ops.NotNull: lambda column: Column(_is_there(column)),
    ops.NullIf: null_if,
    ops.Coalesce: coalesce,
    ops.IfElse: if_else,
    ops.SearchedCase: cases,
    ops.ExtractHour: of_one(lambda time: time // HOUR % HOURS_A_DAY),
    ops.DayOfWeekIndex: of_one(lambda time: (time // (HOURS_A_DAY * HOUR) + THURSDAY) % DAYS_A_WEEK),
    ops.Lowercase: of_text(pc.utf8_lower),
    ops.Strip: of_text(lambda texts: pc.utf8_trim(texts, characters=BLANKS)),
}
ORDERED = (ops.Less, ops.LessEqual, ops.Greater, ops.GreaterEqual, ops.Add, ops.Subtract, ops.Multiply)


def operation(node: ops.Node) -> tuple[Callable[..., Column], tuple[ops.Value, ...]] | None:
    """How a node is computed, and of which others; None where only an engine knows."""
    children = tuple(each for each in _flat(node.args) if isinstance(each, ops.Value))
    if not all(_known(each.dtype) or isinstance(each, ops.StringSplit) for each in (node, *children)):
        return None
    match node:
        case ops.Literal() if node.value is None or not node.dtype.is_timestamp():
            given = (
                Column(None if node.dtype.is_string() else 0, np.False_)
                if node.value is None
                else Column(node.value)
            )
            return (lambda: given), ()
        case ops.Cast(arg=arg, to=to) if not _is_text(arg) and not arg.dtype.is_timestamp():
            if to.is_floating() or (to.is_integer() and not arg.dtype.is_floating()):
                kind = float if to.is_floating() else np.int64
                return of_one(lambda values: np.asarray(values).astype(kind)), (arg,)
            return None
        case ops.TimestampDelta(part=ops.Literal(value="microsecond"), left=left, right=right):
            return of_two(np.subtract), (left, right)
        case ops.StringContains(haystack=text, needle=ops.Literal(value=str(part))):
            return of_text(lambda texts: pc.match_substring(texts, part)), (text,)
        case ops.ArrayLength(arg=ops.StringSplit(arg=text, delimiter=ops.Literal(value=str(mark)))):
            return of_text(lambda texts: pc.add(pc.count_substring(texts, mark), 1)), (text,)
        case ops.StringConcat():
            return joined, children
        case ops.RegexSearch(arg=arg, pattern=ops.Literal(value=str(pattern))):
            return of_text(lambda texts: pc.match_substring_regex(texts, pattern)), (arg,)
        case ops.RegexReplace(
            arg=arg, pattern=ops.Literal(value=str(pattern)), replacement=ops.Literal(value=str(replacement))
        ) if not re.search(r"\\", replacement):
            return of_text(lambda texts: pc.replace_substring_regex(texts, pattern, replacement)), (arg,)
    if type(node) in SIMPLE and not (isinstance(node, ORDERED) and any(map(_is_text, children))):
        return SIMPLE[type(node)], children
    return None


def _flat(values: Any) -> list[Any]:
    return [each for value in values for each in (_flat(value) if isinstance(value, tuple) else [value])]


def _is_text(node: ops.Value) -> bool:
    return node.dtype.is_string()


def _known(kind: dt.DataType) -> bool:
    return (
        kind.is_integer()
        or kind.is_floating()
        or kind.is_boolean()
        or kind.is_string()
        or kind.is_timestamp()
        or kind.is_null()
    )
