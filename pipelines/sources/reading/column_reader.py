"""Reads a source's columns by one mapping: each in the one way that fits its values, or a breach says why not."""

from collections.abc import Iterable, Mapping

import ibis
import ibis.expr.types as ir
from ibis.expr.datatypes import DataType

from features.contracts import Breach, counted
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.reading.columns import TIME, Profile, from_zone, moment, number, profiles, truth, word
from pipelines.sources.reading.formats import (
    COMMA,
    EPOCHS,
    NUMBERS,
    POINT,
    fit,
    nothing,
    number_as,
    number_ways,
    sampled,
    time_as,
    time_ways,
)

NEARLY_ALL = 0.9


def _named(way: str) -> str:
    return f"the {way}" if way in NUMBERS else f"'{way}'"


def _same_either_way(text: ir.StringColumn, raw: ir.Table) -> bool:
    """Whether both decimal marks give the same numbers."""
    rows = raw.select(point=number_as(text, POINT), comma=number_as(text, COMMA))
    return not rows.filter(rows.point != rows.comma).count().to_pyarrow().as_py()


class Columns:
    """Reads columns by one mapping and collects what breaks the contract on the way.

    Parameters
    ----------
    settings : SourceSettings
    raws : mapping of str to table
        The source's own tables of leads, events and outcomes.
    parses : bool
        Whether the engine reads times and numbers from text.
    types : mapping of str to data type
        What attributes of leads have to be; where it is silent, their values decide.
    ways : mapping of str to str, optional
        How columns of leads were read before, as ``ways`` of an earlier reading tells; nothing is decided anew.
    """

    def __init__(
        self,
        settings: SourceSettings,
        raws: Mapping[str, ir.Table],
        *,
        parses: bool,
        types: Mapping[str, DataType],
        ways: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.raws = raws
        self.parses = parses
        self.types = types
        self.breaches: list[Breach] = []
        self.warnings: list[str] = []
        self.given = ways
        self.ways: dict[str, dict[str, str]] = {}

    def profiles(self, role: str, raw: ir.Table, columns: Iterable[str | None]) -> dict[str, Profile]:
        """What the columns of text among some columns hold; nothing where the engine cannot read text."""
        wanted = list(dict.fromkeys(column for column in columns if column))
        return profiles(raw, wanted, self._empty(role)) if self.parses else {}

    def attribute(self, raw: ir.Table, column: str, seen: dict[str, Profile]) -> ir.Column:
        """A lead's attribute: a number, a time or a word, by its type or, in a file of text, by all its
        values.
        """
        empty, value = self.settings.leads.empty, raw[column]
        if (wanted := self.types.get(column)) is not None:
            if wanted.is_string():
                return self.spelled(word(value, empty))
            if wanted.is_timestamp():
                return self.time("leads", column, raw, column, seen)
            truths = value.type().is_string() and column in seen and seen[column].kind == "truth"
            return truth(value, empty) if truths else self.number("leads", column, raw, column, seen)
        if value.type().is_string():
            kind = seen[column].kind if column in seen and self.is_text_file("leads") else "text"
            if kind == "number":
                return number(value, empty)
            if kind == "truth":
                return truth(value, empty)
            if kind == "time":
                return moment(value, self.settings.timezone, empty)
            reads = column in seen and self.is_text_file("leads")
            way = self._way("leads", raw, column, seen) if reads else None
            if way is not None:
                return self._as(way, word(value, empty))
            return self.spelled(word(value, empty))
        if value.type().is_numeric() or value.type().is_boolean():
            return number(value)
        return moment(value, self.settings.timezone)

    def spelled(self, text: ir.StringColumn) -> ir.StringColumn:
        replace = self.settings.leads.replace
        return text.cases(*replace.items(), else_=text) if replace else text

    def two_times(
        self, role: str, raw: ir.Table, occurred: str, recorded: str | None, seen: dict[str, Profile]
    ) -> dict[str, ir.Column]:
        happened = self.time(role, "occurred_at", raw, occurred, seen)
        known = (
            happened if recorded in (None, occurred) else self.time(role, "recorded_at", raw, recorded, seen)
        )
        return {"occurred_at": happened, "recorded_at": known}

    def time(
        self, role: str, name: str, raw: ir.Table, column: str, seen: dict[str, Profile]
    ) -> ir.TimestampColumn:
        """A column of times; what is none, and a mixture of zones, are breaches."""
        dtype = raw[column].type()
        readable = self.parses or not dtype.is_string()
        value = (
            moment(raw[column], self.settings.timezone, self._empty(role)) if readable else ibis.null(TIME)
        )
        if dtype.is_timestamp() or dtype.is_date():
            return value
        if column in seen and seen[column].times < seen[column].filled:
            way = self._way(role, raw, column, seen, wanted="time", name=name)
            if way is not None:
                value = self._as(way, word(raw[column], self._empty(role)))
                if self.given is not None or self._told(role, "date_format", column):
                    self._judge_way(role, name, raw, column, value, "no time", way)
                return value
        if not dtype.is_string():
            self.breaches.append(
                Breach(
                    role,
                    name,
                    0,
                    "",
                    f"column '{column}' holds {dtype}, not times",
                    "Cast it to a timestamp in a view",
                )
            )
        elif not self.parses:
            self.breaches.append(
                Breach(
                    role,
                    name,
                    0,
                    "",
                    f"column '{column}' holds times as text",
                    "Cast it to a timestamp in a view",
                )
            )
        else:
            self._judge_times(role, name, raw, column, seen[column], value)
        return value

    def days(self, raw: ir.Table, column: str, seen: dict[str, Profile]) -> bool:
        """Whether a column of times holds days alone."""
        return raw[column].type().is_date() or (column in seen and not seen[column].clocked)

    def number(
        self, role: str, name: str, raw: ir.Table, column: str, seen: dict[str, Profile]
    ) -> ir.FloatingColumn:
        """A column of numbers; what is none is a breach."""
        if raw[column].type().is_string() and not self.parses:
            self.breaches.append(
                Breach(
                    role,
                    name,
                    0,
                    "",
                    f"column '{column}' holds numbers as text",
                    "Cast it to a number in a view",
                )
            )
            return ibis.null("float64")
        value = number(raw[column], self._empty(role))
        if column in seen and seen[column].numbers < seen[column].filled:
            way = self._way(role, raw, column, seen, wanted="number", name=name)
            if way is not None:
                value = self._as(way, word(raw[column], self._empty(role)))
                if self.given is not None or self._told(role, "decimal", column):
                    self._judge_way(role, name, raw, column, value, "no number", way)
                return value
        if column in seen and (rows := seen[column].filled - seen[column].numbers):
            mend = f"Mend them at the source, or name such words in [source.{role}] empty"
            self._unreadable(role, name, raw, column, rows, value, "no number", mend)
        return value

    def _as(self, way: str, text: ir.StringColumn) -> ir.Column:
        """A text read by one way: a number, or a time in UTC."""
        if way in NUMBERS:
            return number_as(text, way)
        value, zone = time_as(text, way), self.settings.timezone
        in_utc = way in (EPOCHS.keys() - {"serial days"}) or zone == "UTC"
        return (value if in_utc else from_zone(zone, value)).cast(TIME)

    def _told(self, role: str, key: str, column: str) -> str | None:
        """What the mapping says of how a column is written."""
        section = role if self.settings.outcomes is not None or role != "outcomes" else "leads"
        told = getattr(getattr(self.settings, section), key)
        return told.get(column) if isinstance(told, dict) else told

    def _way(
        self,
        role: str,
        raw: ir.Table,
        column: str,
        seen: dict[str, Profile],
        *,
        wanted: str | None = None,
        name: str | None = None,
    ) -> str | None:
        """The one way in which a column that is not plainly written is read, or None; what is open is said."""
        table = "leads" if role == "outcomes" and self.settings.outcomes is None else role
        if self.given is not None:
            return self.given.get(column)
        profile, ways = seen[column], []
        if not profile.digits:
            return None
        text = word(raw[column], self._empty(role))
        sample = sampled(text, raw)
        if wanted == "number" or (wanted is None and not profile.padded):
            told = self._told(role, "decimal", column)
            ways += [{".": POINT, ",": COMMA}[told]] if told and number_ways(sample) else number_ways(sample)
        if wanted != "number":
            told = self._told(role, "date_format", column)
            found = time_ways(sample, numbers=wanted == "time")
            ways += [told] if told and (found or wanted) else found
        if not ways:
            return None
        counts = fit(text, raw, ways)
        whole = counts.whole
        if len(whole) == 2 and set(whole) == set(NUMBERS) and _same_either_way(text, raw):
            whole = whole[:1]
        key = "decimal" if ways[0] in NUMBERS else "date_format"
        where = f"[source.{table}] {key}"
        if len(whole) == 1:
            self.ways.setdefault(table, {})[column] = whole[0]
            gaps = profile.filled - counts.filled
            why = f"as {where} says" if self._told(role, key, column) else "which alone fits"
            self.warnings.append(
                f"{role}: '{column}' is written like '{sample[0]}' and read by {_named(whole[0])}, {why}"
                + (f"; {gaps:,} placeholders count as empty" if gaps else "")
            )
            return whole[0]
        if whole:
            example = f'{where} = {{ "{column}" = "{"," if whole[0] in NUMBERS else whole[0]}" }}'
            told = (
                f"'{column}' fits two ways, {_named(whole[0])} and {_named(whole[1])}, such as '{sample[0]}'"
            )
            # Two readings of a date or an amount: whichever were taken, half the users would be misread.
            self.breaches.append(
                Breach(role, name or column, counts.filled, sample[0], told, f"Say which: {example}")
            )
            return whole[0]
        best = max(counts.ways, key=counts.ways.get)
        if wanted is None and counts.ways[best] >= NEARLY_ALL * counts.filled:
            left = counts.filled - counts.ways[best]
            self.warnings.append(
                f"{role}: {counts.ways[best]:,} of {counts.filled:,} values of '{column}' fit {_named(best)} and "
                f"{left:,} do not, so that they are words; name those that mean nothing in [source.{table}] empty"
            )
        return None

    def _judge_way(
        self, role: str, name: str, raw: ir.Table, column: str, value: ir.Column, what: str, way: str
    ) -> None:
        """What a way that was decided before does not read is a breach."""
        text = word(raw[column], self._empty(role))
        rows = raw.filter(text.notnull() & ~nothing(text) & value.isnull()).count().to_pyarrow().as_py()
        if rows:
            mend = f"The column is read by {_named(way)}: write it so"
            self._unreadable(role, name, raw, column, rows, value, what, mend)

    def is_text_file(self, role: str) -> bool:
        """Whether a table comes from a file without types: then all its columns are text."""
        return all(dtype.is_string() for dtype in self.raws[role].schema().types)

    def _empty(self, role: str) -> tuple[str, ...]:
        mapping = getattr(self.settings, role) or self.settings.leads
        return mapping.empty

    def _judge_times(
        self, role: str, name: str, raw: ir.Table, column: str, seen: Profile, value: ir.TimestampColumn
    ) -> None:
        if seen.zoned and seen.local:
            few = min(seen.zoned, seen.local)
            text = f"{counted(seen.zoned, 'carries', 'carry')} a time zone in '{column}', and {counted(seen.local, 'carries', 'carry')} none"
            mend = "Write them all with one, or all without one and say [source] timezone"
            self.breaches.append(Breach(role, name, few, "", text, mend))
        rows = seen.filled - seen.times
        section = self.settings.outcome_section if role == "outcomes" else role
        mapping = getattr(self.settings, section)
        if rows and not mapping.drop_incomplete:
            self._unreadable(
                role, name, raw, column, rows, value, "no time", "Write times like 2026-03-10 14:05:00"
            )

    def _unreadable(
        self,
        role: str,
        name: str,
        raw: ir.Table,
        column: str,
        rows: int,
        value: ir.Column,
        what: str,
        mend: str,
    ) -> None:
        text = word(raw[column], self._empty(role))
        example = text.min(where=value.isnull()).to_pyarrow().as_py()
        told = counted(rows, f"holds {what}", f"hold {what}") + f" in '{column}', such as '{example}'"
        self.breaches.append(Breach(role, name, rows, example, told, mend, cells="unreadable"))
