"""What the lead is: its own columns, and when it came."""

import re

import ibis
import ibis.expr.types as ir

from features.as_of import days_between
from features.register import feature

AT_SOURCE = "empty at the source"
MEMBERSHIP = "1 included, 0 not"
WEEKDAY = "weekday, Monday 0 to Sunday 6, UTC"


@feature(
    of="lead",
    attributes=["number"],
    column="{attribute}",
    group="{attribute}",
    words="{attribute}: {value}",
    unit="as the source has it",
    empty=AT_SOURCE,
)
def number(lead: ir.Table, attribute: str) -> ir.FloatingValue:
    """A number as the source has it."""
    return lead[attribute].cast("float64")


@feature(
    of="lead",
    attributes=["category", "key"],
    kind="category",
    column="{attribute}",
    group="{attribute}",
    words="{attribute} is {value}",
    unit="as the source has it",
    empty=AT_SOURCE,
)
def category(lead: ir.Table, attribute: str) -> ir.StringValue:
    """A category as the source has it."""
    return lead[attribute]


@feature(
    of="lead",
    attributes=["list"],
    column="{attribute}_{member}",
    group="{attribute}",
    words="{attribute} {value} {member}",
    unit=MEMBERSHIP,
    empty=AT_SOURCE,
)
def includes(lead: ir.Table, attribute: str, mark: str, member: str) -> ir.BooleanValue:
    """Whether a column whose cells hold several values includes this one, of the commonest thirty."""
    edge = ibis.literal(mark)
    return (edge + parted(lead[attribute], mark) + edge).contains(f"{mark}{member}{mark}")


@feature(
    of="lead",
    attributes=["list"],
    column="{attribute}_values",
    group="{attribute}",
    words="{attribute} has {value} values",
    unit="values",
    empty=AT_SOURCE,
)
def values(lead: ir.Table, attribute: str, mark: str) -> ir.IntegerValue:
    """How many values a cell holds."""
    text = parted(lead[attribute], mark)
    return (text == "").ifelse(0, text.split(mark).length())


def parted(text: ir.StringValue, mark: str) -> ir.StringValue:
    """A cell's values with nothing but one mark between them: no blanks, and no empty values."""
    sign = re.escape(mark)
    joined = text.strip().re_replace(rf"\s*(?:{sign}\s*)+", mark)
    return joined.re_replace(rf"^{sign}|{sign}$", "")


@feature(
    of="lead",
    attributes=["date"],
    column="{attribute}_days_ago",
    group="{attribute}",
    words="{attribute} was {value} days ago",
    unit="days",
    empty=AT_SOURCE,
)
def days_ago(lead: ir.Table, attribute: str) -> ir.FloatingValue:
    """Days from a date of the lead to the as-of time; negative for a date that lies ahead."""
    return days_between(lead.as_of, lead[attribute])


@feature(
    of="lead",
    attributes=["calendar"],
    column="created_hour",
    group="created_at",
    words="came at hour {value} (UTC)",
    unit="hour, 0 to 23, UTC",
    empty="never empty",
    told=False,
)
def created_hour(lead: ir.Table, attribute: str) -> ir.IntegerValue:
    """Hour of the day at which the lead came."""
    return lead[attribute].hour().cast("int32")


@feature(
    of="lead",
    attributes=["calendar"],
    column="created_weekday",
    group="created_at",
    words="came on a {value}",
    unit=WEEKDAY,
    empty="never empty",
    told=False,
)
def created_weekday(lead: ir.Table, attribute: str) -> ir.IntegerValue:
    """Day of the week on which the lead came.

    The month is left out: within two or three years it tells the period apart rather than the season.
    """
    return lead[attribute].day_of_week.index().cast("int32")
