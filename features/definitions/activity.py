"""What the lead did, and what was done to it: counts, sums, recency, trend and variety of events."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.as_of import DAY, in_days
from features.register import feature

NEVER = "never empty: 0 where there is none"


def within(known: ir.Table, days: float) -> ir.BooleanColumn:
    """Whether an event is less than so many days old."""
    return known.age < round(days * DAY)


@feature(
    of="events",
    column="{kind}_{days}d",
    group="{kind}",
    words="{value} {kind} in {days} days",
    unit="events",
    empty=NEVER,
    none=0,
)
def events_of_kind(known: ir.Table, kind: str, days: float) -> ir.IntegerScalar:
    """Events of one kind in the last so many days."""
    return known.count(where=(known.kind == kind) & within(known, days))


@feature(
    of="events",
    column="events_{days}d",
    group="all events",
    words="{value} events in {days} days",
    unit="events",
    empty=NEVER,
    none=0,
)
def events(known: ir.Table, days: float) -> ir.IntegerScalar:
    """Events of any kind in the last so many days, the rare kinds included."""
    return known.count(where=within(known, days))


@feature(
    of="events",
    column="events_ever",
    group="all events",
    words="{value} events on record",
    unit="events",
    empty=NEVER,
    none=0,
)
def events_ever(known: ir.Table) -> ir.IntegerScalar:
    """Events of any kind ever recorded."""
    return known.count()


@feature(
    of="events",
    column="{kind}_days_since",
    group="{kind}",
    words="last {kind} {value} days ago",
    unit="days",
    empty="no such event on record",
)
def days_since_kind(known: ir.Table, kind: str) -> ir.FloatingScalar:
    """Days from the latest event of one kind to the as-of time.

    Empty, not zero, where there is none: zero would mean "just now", the strongest signal there is.
    """
    return in_days(known.age.min(where=known.kind == kind))


@feature(
    of="events",
    column="days_since_event",
    group="all events",
    words="last event {value} days ago",
    unit="days",
    empty="no event on record",
)
def days_since_event(known: ir.Table) -> ir.FloatingScalar:
    """Days from the latest event of any kind to the as-of time."""
    return in_days(known.age.min())


@feature(
    of="events",
    column="days_since_first_event",
    group="all events",
    words="first event {value} days ago",
    unit="days",
    empty="no event on record",
)
def days_since_first_event(known: ir.Table) -> ir.FloatingScalar:
    """Days from the first event of any kind to the as-of time."""
    return in_days(known.age.max())


@feature(
    of="events",
    column="value_{days}d",
    group="value of events",
    words="{value} in value in {days} days",
    unit="as the source has it",
    empty="never empty: 0 where no event has a value",
    none=0.0,
    needs="value",
)
def value_of_events(known: ir.Table, days: float) -> ir.FloatingScalar:
    """Sum of the values of the events in the last so many days."""
    return known.value.sum(where=within(known, days))


@feature(
    of="events",
    column="channel_{channel}_30d",
    group="channel of events",
    words="{value} events through {channel} in 30 days",
    unit="events",
    empty=NEVER,
    none=0,
)
def events_through_channel(known: ir.Table, channel: str) -> ir.IntegerScalar:
    """Events through one channel in the last 30 days."""
    return known.count(where=(known.channel == channel) & within(known, 30))


@feature(
    of="events",
    column="trend",
    group="all events",
    words="{value} more events a day this week than this month",
    unit="events a day",
    empty="no event in the last 30 days",
)
def trend(known: ir.Table) -> ir.FloatingScalar:
    """Events a day in the last 7 days less events a day in the last 30."""
    month = known.count(where=within(known, 30))
    return ibis.ifelse(month > 0, known.count(where=within(known, 7)) / 7.0 - month / 30.0, None)


@feature(
    of="events",
    column="kinds_30d",
    group="all events",
    words="{value} kinds of event in 30 days",
    unit="kinds",
    empty=NEVER,
    none=0,
)
def kinds_of_event(known: ir.Table, kinds: Sequence[str]) -> ir.IntegerScalar:
    """How many of the commonest kinds of event happened in the last 30 days."""
    return sum((known.age.min(where=known.kind == kind) < 30 * DAY).ifelse(1, 0) for kind in kinds)
