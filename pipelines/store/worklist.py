"""The list that sales works: every decided lead beside its name and state, filtered, sorted and counted by
the database.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.store.database import Store
from pipelines.store.filters import DecisionFilter, seen
from pipelines.store.schema import WORK, decisions_table, worklist_table
from pipelines.store.work.rescores import standing

A_PAGE = 50
COUNTED = ("grade", "channel", "country", "owner")
COUNTED_HELD = ("grade", "channel", "held_by")
# What the list can be sorted by, the end that is looked for first; rows without a value come last.
SORTS = {
    "value": (WORK.worth, True),
    "score": (WORK.score, True),
    "worked": (WORK.high, True),
    "grade": (WORK.grade, False),
    "came": (WORK.created_at, True),
    "name": (WORK.name, False),
    "channel": (WORK.channel, False),
    "country": (WORK.country, False),
    "owner": (WORK.owner, False),
    "due": (WORK.due, False),
    "answered": (WORK.answered_at, True),
    "back": (WORK.until, False),
}
MOST_VALUES = 200  # of a column that can be filtered by


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
    held_by: str | None
    step: str | None
    due: datetime | None
    assigned_to: str | None
    assigned_at: datetime | None
    rescored_at: datetime | None
    because: str | None
    was_grade: str | None
    was_score: float | None


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


def page_of(
    store: Store,
    wanted: DecisionFilter,
    *,
    page: int = 1,
    counted: tuple[str, ...] = COUNTED,
    sort: str | None = None,
) -> Page:
    """The wanted rows, from page 1 on, in the order that ``selected`` tells."""
    by = [WORK[name] for name in counted]
    others = wanted.condition(worklist_table, without=counted)
    grouped = sa.select(*by, sa.func.count()).where(others).group_by(*by)
    with store.reading() as connection:
        groups = [
            (dict(zip(counted, values, strict=True)), number)
            for *values, number in connection.execute(grouped)
        ]
        count = sum(number for values, number in groups if wanted.fits(values))
        rare = count * 20 < sum(number for _, number in groups)
        ids = connection.scalars(
            selected(wanted, "lead_id", sort=sort, through_index=not rare)
            .limit(A_PAGE)
            .offset(A_PAGE * (page - 1))
        ).all()
        rows = {row.lead_id: row for row in _some(connection, ids)}
    return Page(
        [rows[lead_id] for lead_id in ids if lead_id in rows],
        count,
        {name: _counts(groups, wanted, name) for name in counted},
    )


def _counts(groups: list[tuple[dict[str, Any], int]], wanted: DecisionFilter, name: str) -> dict[str, int]:
    """How many rows each value of a column has beside the other filters, the commonest values, in their
    order; and of what is asked for.
    """
    asked = wanted.values(name)
    found = dict.fromkeys(asked, 0)
    for values, number in groups:
        if values[name] is not None and wanted.fits(values, without=name):
            found[values[name]] = found.get(values[name], 0) + number
    commonest = sorted(found, key=lambda value: -found[value])[:MOST_VALUES]
    return {value: found[value] for value in sorted({*commonest, *asked})}


def every(
    store: Store, wanted: DecisionFilter, *names: str, most: int, sort: str | None = None
) -> Iterator[dict[str, tuple[Any, ...]]]:
    """Columns of all wanted rows, at most so many, a few thousand at a time: all of them at once would fill
    the memory.
    """
    with store.reading() as connection:
        rows = connection.execution_options(yield_per=2_000).execute(
            selected(wanted, *names, sort=sort).limit(most)
        )
        for part in rows.partitions():
            yield dict(zip(names, zip(*part, strict=True), strict=True))


def selected(
    wanted: DecisionFilter, *names: str, sort: str | None = None, through_index: bool = True
) -> sa.Select:
    """Columns of the wanted rows of the list, by one of the ``SORTS``, or with a minus before it the other
    way round. Without one the most valuable come first, of those that were answered the latest, and of those
    that were put off who comes back first.

    With ``through_index`` rows may be met in that order; without, the few that are wanted are found first and
    put in order then.
    """
    rows = sa.select(*(WORK[name] for name in names)).where(wanted.condition(worklist_table))
    if sort and sort.removeprefix("-") in SORTS:
        column, downwards = SORTS[sort.removeprefix("-")]
        downwards = downwards != sort.startswith("-")
        by = sa.desc(column) if downwards else sa.asc(column)
        return rows.order_by(by.nulls_last(), WORK.lead_id)
    state = wanted.state
    column = (
        WORK.until if state == "snoozed" else WORK.worth if state in ("open", "held") else WORK.answered_at
    )
    order = (
        column if through_index else sa.literal_column(f"+{column.name}") if column is WORK.worth else column
    )
    return rows.order_by(order if state == "snoozed" else sa.desc(order), WORK.lead_id)


def neighbours(
    store: Store, wanted: DecisionFilter, lead_id: str, *, place: int, sort: str | None = None
) -> dict[str, tuple[str, int]]:
    """The "prev" and "next" of a lead that stood at a place of the list, the first of which is 0, with their
    places. Of one that has left the list since, the next has moved up to its place.
    """
    first = max(place - 1, 0)
    query = selected(wanted, "lead_id", sort=sort).limit(3).offset(first)
    with store.reading() as connection:
        ids = list(connection.scalars(query))
    there = ids.index(lead_id) if lead_id in ids else place - first
    around = {"prev": there - 1, "next": there + (lead_id in ids)}
    return {how: (ids[at], first + at) for how, at in around.items() if 0 <= at < len(ids)}


def listed(store: Store, lead_id: str, *, seen_by: Collection[str] | None = None) -> Listed | None:
    """One lead of the list, if one of these people sees it."""
    found = some(store, [lead_id], seen_by=seen_by)
    return found[0] if found else None


def some(store: Store, lead_ids: list[str], *, seen_by: Collection[str] | None = None) -> list[Listed]:
    """Several leads of the list, as far as they are on it and one of these people sees them."""
    with store.reading() as connection:
        return _some(connection, lead_ids, seen_by)


def _some(
    connection: sa.Connection, lead_ids: Sequence[str], seen_by: Collection[str] | None = None
) -> list[Listed]:
    asked = WORK.lead_id.in_(lead_ids) & seen(WORK, seen_by)
    rows = connection.execute(sa.select(*(WORK[name] for name in COLUMNS)).where(asked))
    return [Listed(*row) for row in rows]


def sight(store: Store, lead_ids: Collection[str], seen_by: Collection[str]) -> dict[str, bool]:
    """Of leads that are on the list, whether one of these people sees them."""
    query = sa.select(WORK.lead_id, sa.case((seen(WORK, seen_by), 1), else_=0))
    with store.reading() as connection:
        rows = connection.execute(query.where(store.among(WORK.lead_id, lead_ids)))
        return {lead_id: bool(is_seen) for lead_id, is_seen in rows}


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
    """The reasons of each lead's score that stands, as the log has them."""
    log = decisions_table.c
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(log.lead_id, log.reasons, log.weights).where(log.lead_id.in_(lead_ids))
        ).all()
        anew = standing(store, connection, lead_ids)
    found = {}
    for lead_id, words, weights in rows:
        sentences, numbers = json.loads(words), json.loads(weights or "[]")
        if lead_id in anew:
            sentences, numbers = anew[lead_id]["reasons"], anew[lead_id]["weights"]
        numbers = numbers if len(numbers) == len(sentences) else [None] * len(sentences)
        found[lead_id] = [Told(*each) for each in zip(sentences, numbers, strict=True)]
    return found


def decided(store: Store, lead_id: str) -> dict[str, Any]:
    """What the log says of how a lead was decided, with the chances that stand since ``scored_as_of``; but nothing of arms:
    who works leads must not see which were drawn.
    """
    log = decisions_table.c
    query = sa.select(
        log.version,
        log.as_of,
        log.decided_at,
        log.action,
        log.rank,
        log.p_pursue,
        log.p_convert,
        log.p_both,
        log.p_worked,
        log.p_worked_by,
        log.extrapolated,
        log.policy,
    )
    with store.reading() as connection:
        row = connection.execute(query.where(log.lead_id == lead_id)).mappings().one_or_none()
        anew = standing(store, connection, [lead_id]).get(lead_id)
    if row is None:
        return {}
    if anew is None:
        return {**row, "scored_as_of": row["as_of"]}
    chances = {name: anew[name] for name in row if name.startswith("p_") or name == "extrapolated"}
    return {**row, **chances, "scored_as_of": anew["at"]}


def cuts(store: Store, lead_ids: list[str]) -> dict[str, Cut]:
    """By which cut each lead was held."""
    log = decisions_table.c
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(log.lead_id, log.score, log.cut, log.cut_by, log.decided_at).where(
                log.lead_id.in_(lead_ids)
            )
        )
        found = {lead_id: Cut(*more) for lead_id, *more in rows}
        for lead_id, anew in standing(store, connection, list(found)).items():
            now = {"score": anew["score"], "cut": anew["cut"], "by": anew["cut_by"]}
            found[lead_id] = replace(found[lead_id], **now)
        return found


def states(
    store: Store,
    who: str,
    *,
    now: datetime,
    team: Collection[str] = (),
    seen_by: Collection[str] | None = None,
) -> dict[str, int]:
    """How many leads are in each state; under "mine" how many this person has taken, under "desk" how many
    wait on this person's desk, under "team" how many on those of a team, under "pool" how many on nobody's, and
    under "fresh" how many came within a day; all of them among those that ``seen_by`` lets see.
    """
    visible = seen(WORK, seen_by)
    with store.reading() as connection:
        of_each = sa.select(WORK.state, sa.func.count()).where(visible).group_by(WORK.state)
        found = dict(connection.execute(of_each).all())
        mine = sa.select(sa.func.count()).where(WORK.answered_by == who, WORK.state == "accepted", visible)
        fresh = sa.select(sa.func.count()).where(
            WORK.state == "open", WORK.created_at >= now - timedelta(days=1), visible
        )
        desks = connection.execute(
            sa.select(
                sa.func.count(sa.case((WORK.assigned_to == who, 1))),
                sa.func.count(sa.case((WORK.assigned_to.is_(None), 1))),
                sa.func.count(sa.case((WORK.assigned_to.in_(team), 1))),
            ).where(WORK.state == "open")
        ).one()
        found |= {"desk": desks[0], "pool": desks[1], "team": desks[2]}
        return {**found, "mine": connection.scalar(mine), "fresh": connection.scalar(fresh)}


def wake(store: Store, *, now: datetime) -> int:
    """Let leads that were put off until now come back; gives how many."""
    due = sa.and_(WORK.state == "snoozed", WORK.until <= now)
    with store.reading() as connection:
        if not connection.scalar(sa.select(sa.func.count()).select_from(worklist_table).where(due)):
            return 0
    with store.writing() as connection:
        return connection.execute(
            worklist_table.update()
            .where(due)
            .values(state="open", assigned_at=sa.case((WORK.assigned_to.is_not(None), now)))
        ).rowcount


def worth_of(value: float | None, score: float | None) -> float:
    """What the list is sorted by: the value where there is one; below all those, the score."""
    if value is not None:
        return value
    return (score or 0.0) - 1e12
