"""Reads a source's columns by one mapping: each in the one way that fits its values, or a breach says why not."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import ibis
import ibis.expr.types as ir
from ibis.expr.datatypes import DataType

from features.contracts import Breach, counted
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.reading.column_types import (
    Because,
    ReadAs,
    TakenFor,
    by_column,
    changed,
    earlier_way,
    named_way,
)
from pipelines.sources.reading.columns import (
    MARKS,
    TIME,
    Profile,
    from_zone,
    moment,
    nothing,
    number,
    profiles,
    truth,
    word,
)
from pipelines.sources.reading.formats import (
    COMMA,
    EPOCHS,
    NUMBERS,
    POINT,
    empty_word,
    fit,
    number_as,
    number_ways,
    same_either_way,
    sampled,
    time_as,
    time_ways,
)
from pipelines.sources.reading.lists import example_of, separator_of

NEARLY_ALL = 0.9


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
        How columns of leads were read before, for a file of new leads; nothing is decided anew.
    before : sequence of ReadAs
        How the pull before read the same source: what fits it still is read alike.
    """

    def __init__(
        self,
        settings: SourceSettings,
        raws: Mapping[str, ir.Table],
        *,
        parses: bool,
        types: Mapping[str, DataType],
        ways: Mapping[str, str] | None = None,
        before: Iterable[ReadAs] = (),
    ) -> None:
        self.settings = settings
        self.raws = raws
        self.parses = parses
        self.types = types
        self.breaches: list[Breach] = []
        self.given = ways
        self.before = by_column(before)
        self.read: dict[tuple[str, str], ReadAs] = {}

    @property
    def warnings(self) -> list[str]:
        """What was done to values, or lost, a sentence for each column."""
        return [each.sentence for each in self.read.values() if each.worth_telling]

    def profiles(
        self, role: str, raw: ir.Table, columns: Iterable[str | None], *, times: Iterable[str | None] = ()
    ) -> dict[str, Profile]:
        """What the columns of text among some columns hold; nothing where the engine cannot read text."""
        wanted = {column for column in columns if column}
        named = {column for column in times if column} - wanted
        if not self.parses:
            return {}
        both = [column for column in raw.columns if column in wanted | named]
        by_column = not self.is_text_file(role)
        return profiles(raw, both, lambda column: self._empty(role, column), named, by_column=by_column)

    def attribute(self, raw: ir.Table, column: str, seen: dict[str, Profile]) -> ir.Column:
        """A lead's attribute: a number, a time or a word, by its type or, in a file of text, by all its
        values.
        """
        empty, value = self._empty("leads", column), raw[column]
        if (wanted := self.types.get(column)) is not None:
            if wanted.is_string():
                return self.spelled(word(value, empty))
            if wanted.is_timestamp():
                return self.time("leads", column, raw, column, seen)
            truths = value.type().is_string() and column in seen and seen[column].kind == "truth"
            return truth(value, empty) if truths else self.number("leads", column, raw, column, seen)
        if not value.type().is_string():
            if value.type().is_numeric() or value.type().is_boolean():
                return number(value)
            return moment(value, self._zone("leads", column))
        text = word(value, empty)
        if column not in seen or column in self.settings.leads.text:
            return self.spelled(text)
        if self.is_text_file("leads"):
            kind, filled = seen[column].kind, seen[column].filled
            way = None
            if kind == "text" or (kind == "number" and self._marked("leads", column, seen[column])):
                way = self._way("leads", raw, column, seen)
            if way is not None:
                return self._as("leads", column, way, text)
            if kind == "truth":
                gaps = seen[column].nothings
                self._note(ReadAs("leads", column, "yes or no", filled=filled, empty=gaps))
                return truth(value, empty)
            if kind != "text":
                taken: TakenFor = "number" if kind == "number" else "time"
                self._note(ReadAs("leads", column, taken, filled=filled))
                return (
                    number(value, empty)
                    if kind == "number"
                    else moment(value, self._zone("leads", column), empty)
                )
        self._listed(raw, column, text, seen[column])
        return self.spelled(text)

    def _listed(self, raw: ir.Table, column: str, text: ir.StringColumn, profile: Profile) -> None:
        """Whether a column of words holds several values in a cell; else it is noted as words."""
        told = self._told("leads", "list_separator", column)
        was = earlier_way(self.before.get(("leads", column)))
        kept = was if was in MARKS.values() else None
        mark = told or kept or separator_of(text, raw, profile)
        if ("leads", column) in self.read:
            return
        if mark is None:
            self._note(ReadAs("leads", column, "words", filled=profile.filled))
            return
        because: Because = "told" if told else "before" if kept else ""
        example = example_of(text, raw, mark)
        self._note(
            ReadAs("leads", column, "list", mark, profile.filled, 0, 0, example, because, "list_separator")
        )

    def _note(self, read: ReadAs) -> None:
        self.read[read.table, read.column] = read

    def _marked(self, table: str, column: str, profile: Profile) -> bool:
        """Whether plain numbers may have another decimal mark than they show: by what the configuration or the pull
        before says, or because each of their points may stand between thousands.
        """
        told = self._told(table, "decimal", column)
        if self.given is not None or told == ".":
            return self.given is not None and self.given.get(column) == COMMA
        was = earlier_way(self.before.get((table, column)))
        return told == "," or was == COMMA or (was is None and profile.either_mark)

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
        dtype, empty, zone = raw[column].type(), self._empty(role, column), self._zone(role, column)
        readable = self.parses or not dtype.is_string()
        value = moment(raw[column], zone, empty) if readable else ibis.null(TIME)
        if dtype.is_timestamp() or dtype.is_date():
            return value
        if column in seen and seen[column].times < seen[column].filled:
            way = self._way(role, raw, column, seen, wanted="time", name=name)
            if way is not None:
                value = self._as(role, column, way, word(raw[column], empty))
                if self.given is not None or self._told(role, "date_format", column):
                    self._judge_way(role, name, raw, column, value, "no time", way)
                return value
        if not dtype.is_string():
            self._untyped(role, name, f"column '{column}' holds {dtype}, not times", "timestamp")
        elif not self.parses:
            self._untyped(role, name, f"column '{column}' holds times as text", "timestamp")
        else:
            self._note(ReadAs(self._table(role), column, "time", filled=seen[column].filled))
            self._judge_times(role, name, raw, column, seen[column], value)
        return value

    def _untyped(self, role: str, name: str, text: str, wanted: str) -> None:
        self.breaches.append(Breach(role, name, 0, "", text, f"Cast it to a {wanted} in a view"))

    def days(self, raw: ir.Table, column: str, seen: dict[str, Profile]) -> bool:
        """Whether a column of times holds days alone."""
        return raw[column].type().is_date() or (column in seen and not seen[column].clocked)

    def number(
        self, role: str, name: str, raw: ir.Table, column: str, seen: dict[str, Profile]
    ) -> ir.FloatingColumn:
        """A column of numbers; what is none is a breach."""
        if raw[column].type().is_string() and not self.parses:
            self._untyped(role, name, f"column '{column}' holds numbers as text", "number")
            return ibis.null("float64")
        empty = self._empty(role, column)
        value = number(raw[column], empty)
        if column not in seen:
            return value
        profile = seen[column]
        if profile.numbers < profile.filled or self._marked(self._table(role), column, profile):
            way = self._way(role, raw, column, seen, wanted="number", name=name)
            if way is not None:
                value = self._as(role, column, way, word(raw[column], empty))
                if self.given is not None or self._told(role, "decimal", column):
                    self._judge_way(role, name, raw, column, value, "no number", way)
                return value
        self._note(ReadAs(self._table(role), column, "number", filled=profile.filled))
        if rows := profile.filled - profile.numbers:
            where = f"[source.{self._table(role)}]"
            mend = f"Mend them at the source, or name such words in {where} empty"
            self._unreadable(role, name, raw, column, rows, value, "no number", mend)
        return value

    def _as(self, role: str, column: str, way: str, text: ir.StringColumn) -> ir.Column:
        """A text read by one way: a number, or a time in UTC."""
        if way in NUMBERS:
            return number_as(text, way)
        value, zone = time_as(text, way), self._zone(role, column)
        in_utc = way in (EPOCHS.keys() - {"serial days"}) or zone == "UTC"
        return (value if in_utc else from_zone(zone, value)).cast(TIME)

    def _table(self, role: str) -> str:
        """The section of the table in which what a role reads stands."""
        return "leads" if role == "outcomes" and self.settings.outcomes is None else role

    def _told(self, role: str, key: str, column: str) -> str | None:
        """What the mapping says of how a column is written."""
        told = getattr(getattr(self.settings, self._table(role)), key, None)
        return told.get(column) if isinstance(told, dict) else told

    def _zone(self, role: str, column: str) -> str:
        return self._told(role, "timezone", column) or self.settings.timezone

    def _empty(self, role: str, column: str) -> tuple[str, ...]:
        return getattr(self.settings, self._table(role)).empty_in(column)

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
        table, profile = self._table(role), seen[column]
        if self.given is not None:
            return self.given.get(column)
        if not profile.digits and wanted != "time":
            return None
        text = word(raw[column], self._empty(role, column))
        sample = sampled(text, raw)
        shown = next((each for each in sample if not empty_word(each)), sample[0])
        ways, was = self._ways(role, column, sample, profile, wanted)
        if not ways:
            return None
        counts = fit(text, raw, ways)
        whole = counts.whole
        key = "decimal" if ways[0] in NUMBERS else "date_format"
        told = self._told(role, key, column) is not None
        if was in whole:
            whole = [was]
        elif len(whole) == 2 and set(whole) == set(NUMBERS) and same_either_way(text, raw):
            whole = whole[:1]
        taken: TakenFor = "number" if ways[0] in NUMBERS else "time"
        read = ReadAs(
            table, column, taken, filled=counts.filled, empty=profile.filled - counts.filled,
            example=shown, key=key,
        )  # fmt: skip
        if len(whole) == 1:
            because: Because = "told" if told else "before" if was in whole else "alone"
            self._note(replace(read, way=whole[0], because=because))
            if was is not None and was not in whole:
                rows = counts.filled - counts.ways[was]
                text_, mend = changed(was, whole[0], column, table, key, rows)
                self.breaches.append(Breach(role, name or column, rows, shown, text_, mend))
            return whole[0]
        if whole:
            example = (
                f'[source.{table}] {key} = {{ "{column}" = "{"," if whole[0] in NUMBERS else whole[0]}" }}'
            )
            both = f"{named_way(whole[0])} and {named_way(whole[1])}"
            said = f"'{column}' fits two ways, {both}, such as '{shown}'"
            # Two readings of a date or an amount: whichever were taken, half the users would be misread.
            self.breaches.append(
                Breach(role, name or column, counts.filled, shown, said, f"Say which: {example}")
            )
            return whole[0]
        best = max(counts.ways, key=counts.ways.get)
        if wanted is None and counts.ways[best] >= NEARLY_ALL * counts.filled:
            value = number_as(text, best) if best in NUMBERS else time_as(text, best)
            odd = raw.select(text=text, value=value).filter(ibis._.text.notnull() & ~nothing(ibis._.text))
            example = odd.filter(odd.value.isnull()).text.min().to_pyarrow().as_py()
            left = counts.filled - counts.ways[best]
            self._note(replace(read, taken_for="words", way=best, unread=left, empty=0, example=example))
        return None

    def _ways(
        self, role: str, column: str, sample: list[str], profile: Profile, wanted: str | None
    ) -> tuple[list[str], str | None]:
        """The ways worth trying, and which of them was the way of the pull before."""
        ways, was = [], earlier_way(self.before.get((self._table(role), column)))
        if wanted == "number" or (wanted is None and not profile.padded):
            told = self._told(role, "decimal", column)
            found = number_ways(sample)
            ways += [{".": POINT, ",": COMMA}[told]] if told and found else found
            was = None if told else was
        if wanted != "number" and not (wanted is None and profile.numbers == profile.filled):
            told = self._told(role, "date_format", column)
            found = time_ways(sample, numbers=wanted == "time")
            ways += [told] if told and (found or wanted) else found
            was = None if told else was
        alike = bool(ways) and was is not None and (was in NUMBERS) == (ways[0] in NUMBERS)
        if not alike or was in MARKS.values():
            return ways, None
        return list(dict.fromkeys([*ways, was])), was

    def _judge_way(
        self, role: str, name: str, raw: ir.Table, column: str, value: ir.Column, what: str, way: str
    ) -> None:
        """What a way that was decided before does not read is a breach."""
        text = word(raw[column], self._empty(role, column))
        rows = raw.filter(text.notnull() & ~nothing(text) & value.isnull()).count().to_pyarrow().as_py()
        if rows:
            mend = f"The column is read by {named_way(way)}: write it so"
            self._unreadable(role, name, raw, column, rows, value, what, mend)

    def is_text_file(self, role: str) -> bool:
        """Whether a table comes from a file without types: then all its columns are text."""
        return all(dtype.is_string() for dtype in self.raws[role].schema().types)

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
        text = word(raw[column], self._empty(role, column))
        example = text.min(where=value.isnull()).to_pyarrow().as_py()
        told = counted(rows, f"holds {what}", f"hold {what}") + f" in '{column}', such as '{example}'"
        self.breaches.append(Breach(role, name, rows, example, told, mend, cells="unreadable"))
