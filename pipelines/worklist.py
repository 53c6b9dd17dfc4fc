"""The list that sales works: every decided lead beside its name and state, filtered, sorted and counted by the database."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.store import Store
from pipelines.store_desk import WORK, worklist_table
from pipelines.store_tables import decisions_table

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
        The lowest chance, from 0 to 1.
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

    def condition(self, now: datetime, *, without: str | None = None) -> sa.ColumnElement[bool]:
        """The rows that are wanted, as SQL; ``without`` leaves one filter out."""
        equal = {"state": self.state, "answered_by": self.by, "channel": self.channel, "country": self.country, "owner": self.owner}
        parts = [WORK[name] == value for name, value in equal.items() if value is not None and name != without]
        if self.grades and without != "grade":
            parts.append(WORK.grade.in_(self.grades))
        if self.least is not None:
            parts.append(WORK.chance >= self.least)
        if self.days is not None:
            parts.append(WORK.created_at >= now - timedelta(days=self.days))
        if self.asked:
            parts.append(WORK.asked == 1)
        parts += [WORK.sought.contains(word, autoescape=True) for word in self.search.lower().split()[:8]]
        return sa.and_(*parts)


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
    chance: float | None
    low: float | None
    high: float | None
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
    """A page of the list, how many there are in all, and by column how many each value has beside the other filters."""

    rows: list[Listed]
    count: int
    counts: Mapping[str, dict[str, int]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.count / A_PAGE))


def page_of(store: Store, wish: Wish, *, now: datetime, counted: tuple[str, ...] = COUNTED) -> Page:
    """The wanted rows, the most valuable first; those that were answered, the latest first."""
    wanted = wish.condition(now)
    with store.reading() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(worklist_table).where(wanted))
        query = selected(wanted, wish.state).limit(A_PAGE).offset(A_PAGE * (wish.page - 1))
        rows = [Listed(*row) for row in connection.execute(query)]
        counts = {}
        for name in counted:
            column, beside = WORK[name], wish.condition(now, without=name)
            grouped = sa.select(column, sa.func.count()).where(beside, column.is_not(None)).group_by(column)
            found = connection.execute(grouped.order_by(sa.func.count().desc(), column).limit(MOST_VALUES))
            counts[name] = dict(sorted((value, number) for value, number in found))
    return Page(rows, count, counts)


def every(store: Store, wish: Wish, *, now: datetime, most: int) -> list[Listed]:
    """All wanted rows, at most so many."""
    with store.reading() as connection:
        return [Listed(*row) for row in connection.execute(selected(wish.condition(now), wish.state).limit(most))]


def selected(wanted: sa.ColumnElement[bool], state: str) -> sa.Select:
    """The columns of ``Listed``, in the order in which a state is looked at."""
    order = {"open": WORK.worth.desc(), "held": WORK.worth.desc(), "snoozed": WORK.until}.get(state, WORK.answered_at.desc())
    return sa.select(*(WORK[name] for name in COLUMNS)).where(wanted).order_by(order, WORK.lead_id)


def listed(store: Store, lead_id: str) -> Listed | None:
    """One lead of the list."""
    found = some(store, [lead_id])
    return found[0] if found else None


def some(store: Store, lead_ids: list[str]) -> list[Listed]:
    """Several leads of the list, as far as they are on it."""
    with store.reading() as connection:
        rows = connection.execute(sa.select(*(WORK[name] for name in COLUMNS)).where(WORK.lead_id.in_(lead_ids)))
        return [Listed(*row) for row in rows]


@dataclass(frozen=True)
class Told:
    """One reason of a decision, and how far it moves the model's sum, in logits; None where the log does not say."""

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
        rows = connection.execute(sa.select(log.lead_id, log.reasons, log.weights).where(log.lead_id.in_(lead_ids))).all()
    found = {}
    for lead_id, words, weights in rows:
        sentences, numbers = json.loads(words), json.loads(weights or "[]")
        numbers = numbers if len(numbers) == len(sentences) else [None] * len(sentences)
        found[lead_id] = [Told(*each) for each in zip(sentences, numbers, strict=True)]
    return found


def decided(store: Store, lead_id: str) -> dict[str, Any]:
    """What the log says of how a lead was decided, but nothing of arms: who works leads must not see which were drawn."""
    log = decisions_table.c
    query = sa.select(log.version, log.as_of, log.decided_at, log.action, log.rank, log.p_pursue, log.extrapolated, log.policy)
    with store.reading() as connection:
        row = connection.execute(query.where(log.lead_id == lead_id)).mappings().one_or_none()
    return dict(row) if row else {}


def cuts(store: Store, lead_ids: list[str]) -> dict[str, Cut]:
    """By which cut each lead was held."""
    log = decisions_table.c
    with store.reading() as connection:
        rows = connection.execute(sa.select(log.lead_id, log.score, log.cut, log.cut_by, log.decided_at).where(log.lead_id.in_(lead_ids)))
        return {lead_id: Cut(*more) for lead_id, *more in rows}


def states(store: Store, who: str, *, now: datetime) -> dict[str, int]:
    """How many leads are in each state; under "mine" how many this person has taken, under "fresh" how many came within a day."""
    with store.reading() as connection:
        found = dict(connection.execute(sa.select(WORK.state, sa.func.count()).group_by(WORK.state)).all())
        mine = sa.select(sa.func.count()).where(WORK.answered_by == who, WORK.state == "accepted")
        fresh = sa.select(sa.func.count()).where(WORK.state == "open", WORK.created_at >= now - timedelta(days=1))
        return {**found, "mine": connection.scalar(mine), "fresh": connection.scalar(fresh)}


def wake(store: Store, *, now: datetime) -> int:
    """Let leads that were put off until now come back; gives how many."""
    due = sa.and_(WORK.state == "snoozed", WORK.until <= now)
    with store.reading() as connection:
        if not connection.scalar(sa.select(sa.func.count()).select_from(worklist_table).where(due)):
            return 0
    with store.writing() as connection:
        return connection.execute(worklist_table.update().where(due).values(state="open")).rowcount


def worth_of(value: float | None, chance: float | None) -> float:
    """What the list is sorted by: the value where there is one; below all those, the chance."""
    if value is not None:
        return value
    return (chance or 0.0) - 1e12
