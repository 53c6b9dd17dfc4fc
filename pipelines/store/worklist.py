"""The list that sales works: every decided lead beside its name and state, filtered, sorted and counted by
the database.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.store.database import Store
from pipelines.store.schema import WORK, decisions_table, worklist_table

A_PAGE = 50
COUNTED = ("grade", "channel", "country", "owner")
MOST_VALUES = 200  # of a column that can be filtered by


@dataclass(frozen=True)
class Wish:
    """What somebody wants to see of the list; everything that is None or empty leaves nothing out.

    Attributes
    ----------
    state : str
        "open", "accepted", "rejected", "snoozed", "held".
    by : str, optional
        Who gave the latest answer.
    grades : tuple of str
    least : float, optional
        The lowest score, from 0 to 1.
    channel, country, owner : str, optional
    days : int, optional
        Created within so many days.
    asked : bool
        Only leads that sales is asked to work.
    search : str
        Words that all have to be found in name, second line, address or id.
    page : int
        From 1 on.
    """

    state: str = "open"
    by: str | None = None
    grades: tuple[str, ...] = ()
    least: float | None = None
    channel: str | None = None
    country: str | None = None
    owner: str | None = None
    days: int | None = None
    asked: bool = False
    search: str = ""
    page: int = 1

    def condition(self, now: datetime, *, counted_apart: bool = False) -> sa.ColumnElement[bool]:
        """The rows that are wanted, as SQL; ``counted_apart`` leaves out the filters on what is counted by,
        for `fits` to tell.
        """
        parts = [WORK.state == self.state]
        if self.by is not None:
            parts.append(WORK.answered_by == self.by)
        if not counted_apart:
            parts += [
                WORK[name] == getattr(self, name)
                for name in ("channel", "country", "owner")
                if getattr(self, name) is not None
            ]
            parts += [WORK.grade.in_(self.grades)] if self.grades else []
        if self.least is not None:
            parts.append(WORK.score >= self.least)
        if self.days is not None:
            parts.append(WORK.created_at >= now - timedelta(days=self.days))
        if self.asked:
            parts.append(WORK.asked == 1)
        parts += [WORK.sought.contains(word, autoescape=True) for word in self.search.lower().split()[:8]]
        return sa.and_(*parts)

    def fits(self, values: Mapping[str, Any], *, without: str | None = None) -> bool:
        """Whether a row with these values of what is counted by is wanted; ``without`` leaves one filter out."""
        if self.grades and without != "grade" and values["grade"] not in self.grades:
            return False
        asked = {name: getattr(self, name) for name in ("channel", "country", "owner") if name != without}
        return all(value is None or values[name] == value for name, value in asked.items())


@dataclass(frozen=True)
class Listed:
    """A row of the list."""

    lead_id: str
    account_id: str | None
    name: str
    about: str
    created_at: datetime
    decided_at: datetime
    channel: str | None
    country: str | None
    owner: str | None
    grade: str | None
    score: float | None
    low: float | None
    high: float | None
    p_worked_by: str | None
    value: float | None
    asked: int
    this_week: int
    state: str
    turn: int
    answered_by: str | None
    answered_at: datetime | None
    until: datetime | None


COLUMNS = tuple(Listed.__dataclass_fields__)


@dataclass(frozen=True)
class Page:
    """A page of the list, how many there are in all, and by column how many each value has beside the other
    filters.
    """

    rows: list[Listed]
    count: int
    counts: Mapping[str, dict[str, int]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.count / A_PAGE))


def page_of(store: Store, wish: Wish, *, now: datetime, counted: tuple[str, ...] = COUNTED) -> Page:
    """The wanted rows, the most valuable first; those that were answered, the latest first."""
    by = [WORK[name] for name in COUNTED]
    grouped = sa.select(*by, sa.func.count()).where(wish.condition(now, counted_apart=True)).group_by(*by)
    with store.reading() as connection:
        groups = [
            (dict(zip(COUNTED, values, strict=True)), number)
            for *values, number in connection.execute(grouped)
        ]
        count = sum(number for values, number in groups if wish.fits(values))
        rare = count * 20 < sum(number for _, number in groups)
        ids = (
            selected(wish.condition(now), wish.state, "lead_id", through_index=not rare)
            .limit(A_PAGE)
            .offset(A_PAGE * (wish.page - 1))
        )
        wanted = connection.scalars(ids).all()
        rows = {row.lead_id: row for row in _some(connection, wanted)}
    return Page(
        [rows[lead_id] for lead_id in wanted if lead_id in rows],
        count,
        {name: _counts(groups, wish, name) for name in counted},
    )


def _counts(groups: list[tuple[dict[str, Any], int]], wish: Wish, name: str) -> dict[str, int]:
    """How many rows each value of a column has beside the other filters, the commonest values, in their
    order; and of what is asked for.
    """
    asked = wish.grades if name == "grade" else tuple(filter(None, [getattr(wish, name)]))
    found = dict.fromkeys(asked, 0)
    for values, number in groups:
        if values[name] is not None and wish.fits(values, without=name):
            found[values[name]] = found.get(values[name], 0) + number
    commonest = sorted(found, key=lambda value: -found[value])[:MOST_VALUES]
    return {value: found[value] for value in sorted({*commonest, *asked})}


def every(
    store: Store, wish: Wish, *names: str, now: datetime, most: int
) -> Iterator[dict[str, tuple[Any, ...]]]:
    """Columns of all wanted rows, at most so many, a few thousand at a time: all of them at once would fill
    the memory.
    """
    with store.reading() as connection:
        rows = connection.execution_options(yield_per=2_000).execute(
            selected(wish.condition(now), wish.state, *names).limit(most)
        )
        for part in rows.partitions():
            yield dict(zip(names, zip(*part, strict=True), strict=True))


def selected(
    wanted: sa.ColumnElement[bool], state: str, *names: str, through_index: bool = True
) -> sa.Select:
    """Columns of the list in the order in which a state is looked at.

    With ``through_index`` rows may be met in that order; without, the few that are wanted are found first and
    put in order then.
    """
    column = (
        WORK.until if state == "snoozed" else WORK.worth if state in ("open", "held") else WORK.answered_at
    )
    asked = (
        column if through_index else sa.literal_column(f"+{column.name}") if column is WORK.worth else column
    )
    return (
        sa.select(*(WORK[name] for name in names))
        .where(wanted)
        .order_by(asked if state == "snoozed" else sa.desc(asked), WORK.lead_id)
    )


def listed(store: Store, lead_id: str) -> Listed | None:
    """One lead of the list."""
    found = some(store, [lead_id])
    return found[0] if found else None


def some(store: Store, lead_ids: list[str]) -> list[Listed]:
    """Several leads of the list, as far as they are on it."""
    with store.reading() as connection:
        return _some(connection, lead_ids)


def _some(connection: sa.Connection, lead_ids: Sequence[str]) -> list[Listed]:
    rows = connection.execute(sa.select(*(WORK[name] for name in COLUMNS)).where(WORK.lead_id.in_(lead_ids)))
    return [Listed(*row) for row in rows]


@dataclass(frozen=True)
class Told:
    """One reason of a decision, and how far it moves the model's sum, in logits; None where the log does not
    say.
    """

    words: str
    weight: float | None


@dataclass(frozen=True)
class Cut:
    """Why a lead is held: its score, the cut in force, and whose it is."""

    score: float | None
    cut: float | None
    by: str | None
    decided_at: datetime


def reasons(store: Store, lead_ids: list[str]) -> dict[str, list[Told]]:
    """The reasons of each lead's decision, as the log has them."""
    log = decisions_table.c
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(log.lead_id, log.reasons, log.weights).where(log.lead_id.in_(lead_ids))
        ).all()
    found = {}
    for lead_id, words, weights in rows:
        sentences, numbers = json.loads(words), json.loads(weights or "[]")
        numbers = numbers if len(numbers) == len(sentences) else [None] * len(sentences)
        found[lead_id] = [Told(*each) for each in zip(sentences, numbers, strict=True)]
    return found


def decided(store: Store, lead_id: str) -> dict[str, Any]:
    """What the log says of how a lead was decided, but nothing of arms: who works leads must not see which
    were drawn.
    """
    log = decisions_table.c
    query = sa.select(
        log.version,
        log.as_of,
        log.decided_at,
        log.action,
        log.rank,
        log.p_pursue,
        log.extrapolated,
        log.policy,
    )
    with store.reading() as connection:
        row = connection.execute(query.where(log.lead_id == lead_id)).mappings().one_or_none()
    return dict(row) if row else {}


def cuts(store: Store, lead_ids: list[str]) -> dict[str, Cut]:
    """By which cut each lead was held."""
    log = decisions_table.c
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(log.lead_id, log.score, log.cut, log.cut_by, log.decided_at).where(
                log.lead_id.in_(lead_ids)
            )
        )
        return {lead_id: Cut(*more) for lead_id, *more in rows}


def states(store: Store, who: str, *, now: datetime) -> dict[str, int]:
    """How many leads are in each state; under "mine" how many this person has taken, under "fresh" how many
    came within a day.
    """
    with store.reading() as connection:
        found = dict(connection.execute(sa.select(WORK.state, sa.func.count()).group_by(WORK.state)).all())
        mine = sa.select(sa.func.count()).where(WORK.answered_by == who, WORK.state == "accepted")
        fresh = sa.select(sa.func.count()).where(
            WORK.state == "open", WORK.created_at >= now - timedelta(days=1)
        )
        return {**found, "mine": connection.scalar(mine), "fresh": connection.scalar(fresh)}


def wake(store: Store, *, now: datetime) -> int:
    """Let leads that were put off until now come back; gives how many."""
    due = sa.and_(WORK.state == "snoozed", WORK.until <= now)
    with store.reading() as connection:
        if not connection.scalar(sa.select(sa.func.count()).select_from(worklist_table).where(due)):
            return 0
    with store.writing() as connection:
        return connection.execute(worklist_table.update().where(due).values(state="open")).rowcount


def worth_of(value: float | None, score: float | None) -> float:
    """What the list is sorted by: the value where there is one; below all those, the score."""
    if value is not None:
        return value
    return (score or 0.0) - 1e12
