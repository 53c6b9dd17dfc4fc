"""Whose desk a lead comes to: the owner of its account, else somebody of the team by turn or by skill; and every
change of it on record.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from features.errors import UsageError
from models.policy.assignment import AssignmentSettings, Record, Turns, skills
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.decision_queries import week_of
from pipelines.store.filters import seen
from pipelines.store.schema import WORK, assignments_table, people_table, worklist_table

LOG = assignments_table.c
ITSELF = "leadsieve"  # who assigned it, where no person did


def assign(
    store: Store,
    settings: AssignmentSettings,
    connection: sa.Connection,
    entries: list[dict[str, Any]],
    team_of: Callable[[str], Any],
    *,
    at: datetime,
    records: Mapping[str | None, Mapping[str, Record]],
) -> list[dict[str, Any]]:
    """Entries that come onto the list, with ``assigned_to`` and ``assigned_at``: what was on record before
    stands; leads that wait are given to somebody.

    Parameters
    ----------
    team_of : function
        By a lead's id, what it has in ``settings.column``.
    records : mapping
        By team, what became of the leads that its people got before; nothing where it goes by turn.
    """
    before = _on_record(store, connection, [entry["lead_id"] for entry in entries])
    if not settings.on:
        return [entry | before.get(entry["lead_id"], _none()) for entry in entries]
    people = list(connection.scalars(sa.select(people_table.c.name).order_by(people_table.c.name)))
    turns = turns_of(connection, settings, people, at=at)
    owned = _of_accounts(store, connection, [entry["account_id"] for entry in entries])
    made, log = [], []
    for entry in entries:
        lead_id, account = entry["lead_id"], entry["account_id"]
        found = before.get(lead_id)
        if found is None and entry["state"] == "open":
            owner = settings.owners.get(entry["owner"], entry["owner"])
            team = settings.team_of(team_of(lead_id))
            if owner in people:
                person, why = owner, "owner"
            elif account is not None and owned.get(account) in people:
                person, why = owned[account], "account"
            else:
                people_there = settings.people_of(team)
                skill = skills(people_there, records.get(team, {}))
                person, why = turns.next_of(people_there, skill), "skill" if skill else "turn"
            if person is not None:
                turns.give(person)
                if account is not None:
                    owned.setdefault(account, person)
                found = {"assigned_to": person, "assigned_at": at}
                log.append({"lead_id": lead_id, "person": person, "at": at, "by": ITSELF, "why": why})
        made.append(entry | (found or _none()))
    if log:
        connection.execute(assignments_table.insert(), log)
    return made


def _none() -> dict[str, Any]:
    return {"assigned_to": None, "assigned_at": None}


def turns_of(
    connection: sa.Connection, settings: AssignmentSettings, people: Sequence[str], *, at: datetime
) -> Turns:
    """How things stand in the week of a moment."""
    monday = week_of(at)
    week = sa.func.sum(sa.case((LOG.at >= monday, 1), else_=0))
    rows = connection.execute(
        sa.select(LOG.person, week, sa.func.max(LOG.entry))
        .where(LOG.person.is_not(None))
        .group_by(LOG.person)
    ).all()
    latest = {person: last for person, _, last in rows}
    order = sorted(people, key=lambda person: (latest.get(person, 0), person))
    return Turns(settings, {person: int(count) for person, count, _ in rows}, order)


def _on_record(store: Store, connection: sa.Connection, lead_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = connection.execute(
        sa.select(LOG.lead_id, LOG.person, LOG.at)
        .where(store.among(LOG.lead_id, lead_ids))
        .order_by(LOG.entry)
    )
    return {lead_id: {"assigned_to": person, "assigned_at": at} for lead_id, person, at in rows}


def _of_accounts(store: Store, connection: sa.Connection, accounts: Sequence[str | None]) -> dict[str, str]:
    """Who has the latest lead of each account."""
    asked = {account for account in accounts if account is not None}
    rows = connection.execute(
        sa.select(WORK.account_id, WORK.assigned_to)
        .where(store.among(WORK.account_id, asked), WORK.assigned_to.is_not(None))
        .order_by(WORK.assigned_at)
    )
    return dict(rows.all())


def pass_on(
    store: Store,
    lead_ids: Sequence[str],
    to: str | None,
    *,
    who: str,
    at: datetime,
    anybodys: bool = False,
    team: Collection[str] = (),
    seen_by: Collection[str] | None = None,
    address: str | None = None,
) -> int:
    """Give leads that wait to somebody else, or with None back to the pool; gives how many.

    Parameters
    ----------
    anybodys : bool
        Whether leads may be passed on that are on another's desk.
    team : collection of str
        People between whom leads may be passed on that are on the desk of one of them.
    seen_by : collection of str, optional
        Only leads that are nobody's, or of one of these.

    Raises
    ------
    UsageError
        For somebody who does not sign in, and where none of the leads may be passed on; nothing is changed.
    """
    with store.writing() as connection:
        name = people_table.c.name
        if to is not None and connection.scalar(sa.select(name).where(name == to)) is None:
            raise UsageError(f"there is nobody called '{to}'; nothing was passed on.")
        asked = store.among(WORK.lead_id, lead_ids) & WORK.state.in_(("open", "snoozed", "accepted"))
        asked &= seen(WORK, seen_by)
        if not anybodys:
            theirs = team if to is None or to in team else ()
            asked &= WORK.assigned_to.is_(None) | WORK.assigned_to.in_([who, *theirs])
        ids = list(connection.scalars(sa.select(WORK.lead_id).where(asked)))
        if not ids:
            raise UsageError("these leads are on another's desk, or answered already; nothing was passed on.")
        moved(connection, ids, to, at=at, by=who, why="passed on")
        words = "put back into the pool" if to is None else f"passed on to {to}"
        for lead_id in ids:
            note(connection, at, who, "assignment", words, lead_id=lead_id, address=address)
    return len(ids)


def moved(
    connection: sa.Connection, lead_ids: Sequence[str], to: str | None, *, at: datetime, by: str, why: str
) -> None:
    """Put leads on somebody's desk, in the transaction of what it comes from."""
    rows = [{"lead_id": lead_id, "person": to, "at": at, "by": by, "why": why} for lead_id in lead_ids]
    connection.execute(assignments_table.insert(), rows)
    change = worklist_table.update().where(WORK.lead_id == sa.bindparam("lead"))
    change = change.values(assigned_to=to, assigned_at=None if to is None else at)
    connection.execute(change, [{"lead": lead_id} for lead_id in lead_ids])


def back_to_pool(store: Store, settings: AssignmentSettings, *, now: datetime) -> int:
    """Let leads go back to the pool that were not answered in the agreed time; gives how many."""
    if not settings.answer_hours:
        return 0
    late = now - timedelta(hours=settings.answer_hours)
    due = (WORK.state == "open") & WORK.assigned_to.is_not(None) & (WORK.assigned_at <= late)
    with store.reading() as connection:
        if connection.scalar(sa.select(WORK.lead_id).where(due).limit(1)) is None:
            return 0
    with store.writing() as connection:
        ids = list(connection.scalars(sa.select(WORK.lead_id).where(due)))
        if ids:
            moved(connection, ids, None, at=now, by=ITSELF, why="not answered in time")
    return len(ids)


@dataclass(frozen=True)
class Desk:
    """One person's desk: how many leads wait on it, since when the oldest, how many of those have a step that
    is due, how many were taken this week, and how many may still come.
    """

    person: str
    waiting: int
    oldest: datetime | None
    due: int
    taken: int
    came: int
    room: float


def team(
    store: Store, settings: AssignmentSettings, *, now: datetime, only: Collection[str] | None = None
) -> list[Desk]:
    """Everybody's desk, by name; or those of ``only`` these people."""
    monday = week_of(now)
    is_open = WORK.state == "open"
    desks = sa.select(
        WORK.assigned_to,
        sa.func.count(sa.case((is_open, 1))),
        sa.func.min(sa.case((is_open, WORK.assigned_at))),
        sa.func.count(sa.case((WORK.due <= now, 1))),
    ).group_by(WORK.assigned_to)
    taken = (
        sa.select(WORK.answered_by, sa.func.count())
        .where(WORK.state == "accepted", WORK.answered_at >= monday)
        .group_by(WORK.answered_by)
    )
    with store.reading() as connection:
        names = list(connection.scalars(sa.select(people_table.c.name).order_by(people_table.c.name)))
        rows: Mapping[str, tuple] = {row[0]: tuple(row[1:]) for row in connection.execute(desks)}
        took = dict(connection.execute(taken).all())
        turns = turns_of(connection, settings, names, at=now)
    return [
        Desk(
            name,
            *rows.get(name, (0, None, 0)),
            taken=took.get(name, 0),
            came=turns.had.get(name, 0),
            room=max(0.0, settings.room(name) - turns.had.get(name, 0)),
        )
        for name in names
        if only is None or name in only
    ]


def moves_of(store: Store, lead_id: str) -> list[tuple[datetime, str, str | None, str]]:
    """When a lead came to another desk, by whom, to whom (None: the pool), and why."""
    query = sa.select(LOG.at, LOG.by, LOG.person, LOG.why).where(LOG.lead_id == lead_id).order_by(LOG.entry)
    with store.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]
