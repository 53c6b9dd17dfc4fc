"""Leads that a program hands in, as canonical tables: read by the mapping that the source's own leads were
read by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any

import pyarrow as pa

from app.api.errors import RefusedError
from app.api.schemas import Breach, Event, Lead, moment
from app.scoring.realtime import LiveScorer
from features.tables import row_time

TICK = timedelta(microseconds=1)
TIME = pa.timestamp("us")
OPTIONS = ("account_id", "channel", "campaign", "owner")


_to_time: Callable[[Any], datetime] = moment


@dataclass(frozen=True)
class Tables:
    """What ``LiveScorer.score`` takes."""

    leads: pa.Table
    events: pa.Table | None
    as_of: pa.Array


def read(
    leads: Sequence[Lead], live: LiveScorer, *, now: datetime, as_of: datetime | None = None, undone: str
) -> Tables:
    """The tables of a request, as of now or of an earlier time; ``undone`` says what did not happen where it
    is refused.

    Raises
    ------
    RefusedError
        With everything at once that breaks the contract of leads and events.
    """
    reader = Reader(live, now if as_of is None else as_of)
    if reader.timed and reader.as_of > now:
        reader.wrong(
            "/as_of", f"lies after now, {now:%Y-%m-%dT%H:%M:%SZ}: nobody knows what will be known then"
        )
    if not reader.timed and as_of is not None:
        reader.wrong("/as_of", "the source has no times, so there is no time to score as of; leave it away")
    for place, lead in enumerate(leads):
        reader.lead(f"/leads/{place}", lead, row=place)
    if reader.errors:
        count = "one value" if len(reader.errors) == 1 else f"{len(reader.errors):,} values"
        raise RefusedError(422, f"{count} cannot be used; {undone}.", reader.errors)
    return reader.tables()


@dataclass
class Reader:
    """Collects the rows of a request, and what is wrong with them."""

    live: LiveScorer
    as_of: datetime
    errors: list[Breach] = field(default_factory=list)
    leads: dict[str, list] = field(default_factory=dict)
    events: dict[str, list] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    moments: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        schemas, mapping = self.live.prepared.schemas, self.live.note.mapping
        self.timed = self.live.note.clock == "time"
        self.columns = {column.name: column.type for column in schemas["leads"]}
        self.event_columns = [column.name for column in schemas["events"]] if "events" in schemas else None
        self.leads = {name: [] for name in self.columns}
        self.events = {name: [] for name in self.event_columns or ()}
        self.mapping = mapping
        self.respelled: Mapping[str, str] = mapping["leads"]["replace"]
        self.outcomes = told_as_outcomes(mapping)

    def wrong(self, pointer: str, detail: str) -> None:
        self.errors.append(Breach(pointer=pointer, detail=detail))

    def lead(self, at: str, lead: Lead, *, row: int) -> None:
        """One lead with its events."""
        if lead.lead_id in self.seen:
            self.wrong(f"{at}/lead_id", f"repeats the id of {self.seen[lead.lead_id]}")
        self.seen.setdefault(lead.lead_id, at)
        created_at = self._created(at, lead, row)
        self.moments.append(self.as_of if self.timed else created_at)
        given = {
            "lead_id": lead.lead_id,
            "account_id": lead.account_id or lead.lead_id,
            "created_at": created_at,
        }
        for name in OPTIONS:
            value = getattr(lead, name)
            there = self.live.note.has_accounts if name == "account_id" else name in self.columns
            if value is not None and not there:
                self.wrong(f"{at}/{name}", "the source's leads have no such column; leave it away")
            elif name != "account_id":
                given[name] = self._word(name, value)
        for name, value in lead.attributes.items():
            given[name] = self._attribute(
                f"{at}/attributes/{name.replace('~', '~0').replace('/', '~1')}", name, value
            )
        for name, values in self.leads.items():
            values.append(given.get(name))
        if lead.events and self.event_columns is None:
            self.wrong(f"{at}/events", "the source has no events; leave them away")
        else:
            for number, event in enumerate(lead.events):
                self._event(f"{at}/events/{number}", lead.lead_id, event)

    def _created(self, at: str, lead: Lead, row: int) -> datetime:
        if not self.timed:
            if lead.created_at is not None:
                self.wrong(f"{at}/created_at", "the source has no times; leave it away")
            return row_time(self.live.rows + row)
        created_at = lead.created_at or self.live.created_at(lead.lead_id) or self.as_of - TICK
        if created_at >= self.as_of:
            self.wrong(
                f"{at}/created_at", f"lies at or after the as-of time, {self.as_of:%Y-%m-%dT%H:%M:%SZ}"
            )
        return created_at

    def _is_empty(self, table: str, name: str, value: str) -> bool:
        """Whether a value is what the configuration calls empty in the source's own column."""
        mapping = self.mapping[table]
        empty = mapping["empty"]
        return not value or value in (
            empty.get(mapping.get(name) or name, ()) if isinstance(empty, dict) else empty
        )

    def _word(self, name: str, value: str | None) -> str | None:
        if value is None or self._is_empty("leads", name, value):
            return None
        return self.respelled.get(value, value)

    def _attribute(self, at: str, name: str, value: Any) -> Any:
        """A value as its column holds it."""
        if name in ("lead_id", "created_at", *OPTIONS):
            self.wrong(at, f"stands beside the attributes, not among them: give the lead a '{name}'")
            return None
        if name not in self.columns:
            known = [column for column in self.columns if column not in ("lead_id", "created_at", *OPTIONS)]
            close = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean '{close[0]}'?"
                if close
                else f"there are {', '.join(known[:30])}"
                if known
                else "there is none"
            )
            self.wrong(at, f"the source's leads have no such column; {hint}")
            return None
        kind = self.columns[name]
        convert, what = partial(self._to_text, name), "a text"
        if pa.types.is_floating(kind):
            convert, what = _to_number, "a number"
        elif pa.types.is_timestamp(kind):
            convert, what = _to_time, "a time such as 2026-03-01T08:00:00Z"
        if value is None or (isinstance(value, str) and self._is_empty("leads", name, value)):
            return None
        try:
            return convert(value)
        except ValueError:
            self.wrong(at, f"is not {what}, which is what this column of the source holds")
            return None

    def _to_text(self, name: str, value: str | bool | float) -> str | None:
        if isinstance(value, bool):
            return self._word(name, str(value).lower())
        if isinstance(value, float):
            return self._word(name, str(int(value)) if value.is_integer() else repr(value))
        return self._word(name, value)

    def _event(self, at: str, lead_id: str, event: Event) -> None:
        if event.kind in self.outcomes:
            return  # an outcome in the same table: no feature sees it
        if self.event_columns is not None and self._is_empty("events", "kind", event.kind):
            self.wrong(f"{at}/kind", "is what the configuration calls empty")
        given = {
            "lead_id": lead_id,
            "kind": event.kind,
            "occurred_at": event.occurred_at,
            "recorded_at": event.recorded_at or event.occurred_at,
            "channel": event.channel
            if event.channel and not self._is_empty("events", "channel", event.channel)
            else None,
            "value": event.value,
        }
        for name in ("channel", "value"):
            if given[name] is not None and name not in self.event_columns:
                self.wrong(f"{at}/{name}", "the source's events have no such column; leave it away")
        for name, values in self.events.items():
            values.append(given[name])

    def tables(self) -> Tables:
        """What was read."""
        schemas = self.live.prepared.schemas
        return Tables(
            leads=pa.table(self.leads, schema=schemas["leads"]),
            events=None if self.event_columns is None else pa.table(self.events, schema=schemas["events"]),
            as_of=pa.array(self.moments, TIME),
        )


def told_as_outcomes(mapping: Mapping[str, Any]) -> set[str]:
    """Kinds of event that are outcomes where both come from one column: they leave the events, here as in a
    pull.
    """
    events, outcomes = mapping["events"], mapping["outcomes"]
    if (
        not events
        or not outcomes
        or (events["table"], events["kind"]) != (outcomes["table"], outcomes["stage"])
    ):
        return set()
    return {word for words in outcomes["stages"].values() for word in words} - set(events["keep"])


def _to_number(value: str | bool | float) -> float:
    if isinstance(value, str):
        raise ValueError
    return float(value)
