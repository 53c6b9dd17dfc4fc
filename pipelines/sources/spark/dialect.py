"""What Spark says otherwise than DuckDB, mended in this one place: the definitions of features, contracts and labels stay as
they are.
"""

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyspark.sql.types as pt
import sqlglot.expressions as sge
from ibis.backends.pyspark.datatypes import PySparkType as TypeOfSpark
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.backends.sql.datatypes import PySparkType
from ibis.backends.sql.dialects import PySpark

TIME, TIME_UTC = dt.Timestamp(scale=6), dt.Timestamp(timezone="UTC", scale=6)
UNKNOWN = (pt.YearMonthIntervalType, pt.DayTimeIntervalType, pt.CalendarIntervalType, pt.VariantType)
PLAINLY = (1e-4, 1e15)  # between these no power of ten is written
OVERLAPS = ("1 HOUR", "30 MINUTES")  # by how much clocks are put back, somewhere


class Dialect(PySpark):
    """Spark's own spelling of texts: it knows no ``\\v`` and no ``\\f``, and takes them for letters."""


Dialect.ESCAPED_SEQUENCES = {"\\": "\\\\"}


class SparkTypes(PySparkType):
    """A time without a zone is one without a zone here, too, and not a moment in the session's zone."""

    @classmethod
    def from_ibis(cls, dtype: dt.DataType) -> sge.DataType:
        if dtype.is_timestamp():
            kind = "TIMESTAMPNTZ" if dtype.timezone is None else "TIMESTAMPLTZ"
            return sge.DataType(this=sge.DataType.Type[kind])
        return super().from_ibis(dtype)


def schema_of(struct: pt.StructType) -> sch.Schema:
    """The types of a table; one that has no word for it here is unknown."""
    return sch.Schema({field.name: _type_of(field.dataType) for field in struct.fields})


def _type_of(dtype: pt.DataType) -> dt.DataType:
    if isinstance(dtype, pt.TimestampType):
        return TIME_UTC
    if isinstance(dtype, pt.TimestampNTZType):
        return TIME
    return dt.unknown if isinstance(dtype, UNKNOWN) else TypeOfSpark.to_ibis(dtype)


def java_pattern(pattern: str) -> str:
    r"""A pattern that Java reads as DuckDB does: lines end with ``\n`` alone, ``$`` is the very end, and a class of
    characters is no list of letters, and holds no further classes.
    """
    pattern, found, in_class, at = pattern.replace("[:space:]", r"\s"), "", False, 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            found, at = found + pattern[at : at + 2], at + 2
            continue
        if in_class:
            in_class = sign != "]"
            found += f"\\{sign}" if sign in "[&" else sign
        else:
            in_class = sign == "["
            found += r"\z" if sign == "$" else sign
        at += 1
    return "(?d)" + found


class SparkCompiler(PySparkCompiler):
    """Ibis expressions as Spark's SQL that means what DuckDB's does."""

    __slots__ = ()
    dialect = Dialect
    type_mapper = SparkTypes

    # ── numbers ──

    def visit_NonNullLiteral(self, op, *, value, dtype):
        found = super().visit_NonNullLiteral(op, value=value, dtype=dtype)
        # a plain 0.5 is a decimal to Spark
        return self.cast(found, dt.float64) if dtype.is_floating() else found

    def visit_Divide(self, op, left, right):
        """By zero it is infinite, or no number: Spark would end the query."""
        if isinstance(op.right, ops.Literal) and op.right.value:
            return super().visit_Divide(op, left=left, right=right)
        whole = super().visit_Divide(op, left=left, right=self.f.nullif(right, 0))
        return self.if_(sge.paren(right).eq(0), sge.paren(left) * self.POS_INF, whole)

    def visit_IsNull(self, op, *, arg):
        return arg.is_(NULL)

    def visit_NotNull(self, op, *, arg):
        return sge.not_(arg.is_(NULL))

    def visit_IsInf(self, op, *, arg):
        return self.f.abs(arg).eq(self.POS_INF)

    def visit_CountStar(self, op, *, arg, where):
        """0 where there is no row, not empty."""
        return (
            self.f.count(self.if_(where, 1, NULL))
            if where is not None
            else super().visit_CountStar(op, arg=arg, where=where)
        )

    # ── texts ──

    def visit_Cast(self, op, *, arg, to):
        found = super().visit_Cast(op, arg=arg, to=to)
        if not (op.arg.dtype.is_floating() and to.is_string()):
            return found
        # 15000000.5 is 1.50000005E7 to Java, and so it stays where DuckDB, too, writes a power of ten in its own way
        digits = self.cast(self.cast(found, dt.Decimal(38, 18)), dt.string)
        written = self.f.regexp_replace(digits, r"(\.\d+?)0+$", "$1")
        other = self.f.lower(self.f.replace(found, "Infinity", "inf"))
        return self.if_(self.f.abs(arg).between(*PLAINLY), written, other)

    def visit_Lowercase(self, op, *, arg):
        """Of a Turkish capital the dot is left out."""
        return self.f.lower(self.f.replace(arg, "İ", "i"))

    def visit_RegexSearch(self, op, *, arg, pattern):
        return super().visit_RegexSearch(op, arg=arg, pattern=_java(pattern))

    def visit_RegexReplace(self, op, *, arg, pattern, replacement):
        return self.f.regexp_replace(arg, _java(pattern), _java_groups(replacement))

    def visit_StringSplit(self, op, *, arg, delimiter):
        """At a text, not at a pattern."""
        quoted = self.f.concat(r"\Q", delimiter, r"\E")
        return self.f.anon.split(arg, quoted)

    # ── times ──

    def visit_TimestampDelta(self, op, *, part, left, right):
        return self.f.anon.timestampdiff(sge.Var(this=op.part.value.upper()), right, left)

    def visit_TimestampTruncate(self, op, *, arg, unit):
        return self.cast(super().visit_TimestampTruncate(op, arg=arg, unit=unit), op.dtype)

    visit_DateTruncate = visit_TimestampTruncate

    def visit_IntervalFromInteger(self, op, *, arg, unit):
        return (
            self.f.anon.make_dt_interval(0, 0, 0, arg)
            if unit.short == "s"
            else super().visit_IntervalFromInteger(op, arg=arg, unit=unit)
        )

    # ── functions called by the names that DuckDB and PostgreSQL share ──

    def visit_ScalarUDF(self, op, **kw):
        name, arguments = self.__sql_name__(op), list(kw.values())
        if name == "trim":
            return self.f.anon.btrim(*arguments)
        if name == "timezone":
            return self.cast(self._in_utc(*arguments), TIME_UTC)
        return super().visit_ScalarUDF(op, **kw)

    def _in_utc(self, zone, time):
        """A local time in UTC; of one that a clock shows twice, the second moment: Spark takes the first."""
        first = self.f.anon.convert_timezone(zone, "UTC", time)
        found = first
        for width in reversed(OVERLAPS):
            number, unit = width.split()
            later = first + sge.Interval(this=sge.convert(number), unit=sge.Var(this=unit))
            found = self.if_(self.f.anon.convert_timezone("UTC", zone, later).eq(time), later, found)
        return found


def _java(pattern: sge.Expression) -> sge.Expression:
    return sge.convert(java_pattern(pattern.this)) if isinstance(pattern, sge.Literal) else pattern


def _java_groups(replacement: sge.Expression) -> sge.Expression:
    r"""Groups as ``$1``, which DuckDB calls ``\1``."""
    if not isinstance(replacement, sge.Literal):
        return replacement
    return sge.convert(replacement.this.replace("$", r"\$").replace("\\1", "$1").replace("\\2", "$2"))
