"""Reading whole columns of a source: what each has to hold, and a breach for what it holds instead."""

from collections.abc import Iterable, Mapping

import ibis
import ibis.expr.types as ir
from ibis.expr.datatypes import DataType

from features.contracts import Breach, counted
from pipelines.mapping import SourceSettings
from pipelines.values import TIME, Profile, moment, number, profiles, truth, word


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
    """

    def __init__(self, settings: SourceSettings, raws: Mapping[str, ir.Table], *, parses: bool, types: Mapping[str, DataType]) -> None:
        self.settings = settings
        self.raws = raws
        self.parses = parses
        self.types = types
        self.breaches: list[Breach] = []

    def profiles(self, role: str, raw: ir.Table, columns: Iterable[str | None]) -> dict[str, Profile]:
        """What the columns of text among some columns hold; nothing where the engine cannot read text."""
        wanted = list(dict.fromkeys(column for column in columns if column))
        return profiles(raw, wanted, self._empty(role)) if self.parses else {}

    def attribute(self, raw: ir.Table, column: str, seen: dict[str, Profile]) -> ir.Column:
        """A lead's attribute: a number, a time or a word, by its type or, in a file of text, by all its values."""
        empty, value = self.settings.leads.empty, raw[column]
        if (wanted := self.types.get(column)) is not None:
            if wanted.is_string():
                return self.spelled(word(value, empty))
            if wanted.is_timestamp():
                return self.time("leads", column, raw, column, seen)
            truths = value.type().is_string() and seen[column].kind == "truth"
            return truth(value, empty) if truths else self.number("leads", column, raw, column, seen)
        if value.type().is_string():
            kind = seen[column].kind if column in seen and self._is_text_file("leads") else "text"
            if kind == "number":
                return number(value, empty)
            if kind == "truth":
                return truth(value, empty)
            return moment(value, self.settings.timezone, empty) if kind == "time" else self.spelled(word(value, empty))
        if value.type().is_numeric() or value.type().is_boolean():
            return number(value)
        return moment(value, self.settings.timezone)

    def spelled(self, text: ir.StringColumn) -> ir.StringColumn:
        replace = self.settings.leads.replace
        return text.cases(*replace.items(), else_=text) if replace else text

    def two_times(self, role: str, raw: ir.Table, occurred: str, recorded: str | None, seen: dict[str, Profile]) -> dict[str, ir.Column]:
        happened = self.time(role, "occurred_at", raw, occurred, seen)
        known = happened if recorded in (None, occurred) else self.time(role, "recorded_at", raw, recorded, seen)
        return {"occurred_at": happened, "recorded_at": known}

    def time(self, role: str, name: str, raw: ir.Table, column: str, seen: dict[str, Profile]) -> ir.TimestampColumn:
        """A column of times; what is none, and a mixture of zones, are breaches."""
        dtype = raw[column].type()
        readable = self.parses or not dtype.is_string()
        value = moment(raw[column], self.settings.timezone, self._empty(role)) if readable else ibis.null(TIME)
        if dtype.is_timestamp() or dtype.is_date():
            return value
        if not dtype.is_string():
            self.breaches.append(
                Breach(role, name, 0, "", f"column '{column}' holds {dtype}, not times", "Cast it to a timestamp in a view")
            )
        elif not self.parses:
            self.breaches.append(Breach(role, name, 0, "", f"column '{column}' holds times as text", "Cast it to a timestamp in a view"))
        else:
            self._judge_times(role, name, raw, column, seen[column], value)
        return value

    def number(self, role: str, name: str, raw: ir.Table, column: str, seen: dict[str, Profile]) -> ir.FloatingColumn:
        """A column of numbers; what is none is a breach."""
        if raw[column].type().is_string() and not self.parses:
            self.breaches.append(Breach(role, name, 0, "", f"column '{column}' holds numbers as text", "Cast it to a number in a view"))
            return ibis.null("float64")
        value = number(raw[column], self._empty(role))
        if column in seen and (rows := seen[column].filled - seen[column].numbers):
            mend = f"Mend them at the source, or name such words in [source.{role}] empty"
            self._unreadable(role, name, raw, column, rows, value, "no number", mend)
        return value

    def _is_text_file(self, role: str) -> bool:
        """Whether a table comes from a file without types: then all its columns are text."""
        return all(dtype.is_string() for dtype in self.raws[role].schema().types)

    def _empty(self, role: str) -> tuple[str, ...]:
        mapping = getattr(self.settings, role) or self.settings.leads
        return mapping.empty

    def _judge_times(self, role: str, name: str, raw: ir.Table, column: str, seen: Profile, value: ir.TimestampColumn) -> None:
        if seen.zoned and seen.local:
            few = min(seen.zoned, seen.local)
            text = (
                f"{counted(seen.zoned, 'carries', 'carry')} a time zone in '{column}', and {counted(seen.local, 'carries', 'carry')} none"
            )
            mend = "Write them all with one, or all without one and say [source] timezone"
            self.breaches.append(Breach(role, name, few, "", text, mend))
        rows = seen.filled - seen.times
        mapping = self.settings.outcome if role == "outcomes" and self.settings.outcome else getattr(self.settings, role)
        if rows and not mapping.drop_incomplete:
            self._unreadable(role, name, raw, column, rows, value, "no time", "Write times like 2026-03-10 14:05:00")

    def _unreadable(self, role: str, name: str, raw: ir.Table, column: str, rows: int, value: ir.Column, what: str, mend: str) -> None:
        text = word(raw[column], self._empty(role))
        example = text.min(where=value.isnull()).to_pyarrow().as_py()
        told = counted(rows, f"holds {what}", f"hold {what}") + f" in '{column}', such as '{example}'"
        self.breaches.append(Breach(role, name, rows, example, told, mend, cells="unreadable"))
