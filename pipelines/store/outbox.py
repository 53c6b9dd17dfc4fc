"""The outbox: what is to be written to other systems, what was, and what they did not take.

A decision is put in when what it says differs from what was put in last for the same target, and is sent until the
target has confirmed it; so that a run that is killed loses nothing, and one that is run again repeats nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.crm.connector import Answer, Line
from pipelines.store.database import Store
from pipelines.store.schema import current_decisions, outbox_table

BOX, NOW = outbox_table.c, current_decisions.c
WAITING, SENT, DEAD = "waiting", "sent", "dead"
MOST_TRIES = 8
FIRST_WAIT = timedelta(minutes=1)  # doubled with each try
DIGITS = 6


def put_in(store: Store, target: str, *, in_order: bool, at: datetime) -> int:
    """Put in every decision that says something else than what was put in last; gives how many.

    Unless every change has to arrive ``in_order``, a new entry takes the place of an older one that was not sent.
    """
    newest = sa.select(sa.func.max(BOX.entry)).where(BOX.target == target).group_by(BOX.lead_id)
    with store.writing() as connection:
        last = dict(
            connection.execute(sa.select(BOX.lead_id, BOX.digest).where(BOX.entry.in_(newest))).tuples().all()
        )
        rows = []
        for row in connection.execute(sa.select(current_decisions)).mappings():
            body = said_of(row)
            digest = hashlib.sha256(body.encode()).hexdigest()
            if last.get(row["lead_id"]) != digest:
                rows.append({"lead_id": row["lead_id"], "digest": digest, "body": body})
        if rows and not in_order:
            ids = [row["lead_id"] for row in rows]
            unsent = (BOX.target == target) & (BOX.state != SENT)
            connection.execute(outbox_table.delete().where(unsent, store.among(BOX.lead_id, ids)))
        if rows:
            same = {"target": target, "state": WAITING, "tries": 0, "made_at": at, "due_at": at}
            connection.execute(outbox_table.insert(), [same | row for row in rows])
    return len(rows)


def said_of(row: sa.RowMapping) -> str:
    """What is told of a decision, as JSON: the row of ``current_decisions``, with reasons as a list."""
    said: dict[str, Any] = {}
    for name, value in row.items():
        said[name] = round(value, DIGITS) if isinstance(value, float) else _text(value)
    said["reasons"] = json.loads(said["reasons"])
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def waiting(store: Store, target: str, *, at: datetime, limit: int) -> list[Line]:
    """The next lines to send: of each lead the oldest, those first that were put in first."""
    mine = (BOX.target == target) & (BOX.state == WAITING)
    first = sa.select(sa.func.min(BOX.entry)).where(mine).group_by(BOX.lead_id)
    query = sa.select(BOX.entry, BOX.lead_id, BOX.body).where(BOX.entry.in_(first), BOX.due_at <= at)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(BOX.entry).limit(limit)).all()
    return [Line(entry, lead_id, json.loads(body)) for entry, lead_id, body in rows]


def settle(store: Store, answers: Sequence[Answer], *, at: datetime) -> None:
    """Note what became of lines. What was refused is dead at once, what may be taken later after so many tries."""
    if not answers:
        return
    with store.writing() as connection:
        for answer in answers:
            row = connection.execute(
                sa.select(BOX.target, BOX.lead_id, BOX.tries).where(BOX.entry == answer.entry)
            ).one_or_none()
            if row is None:  # forgotten, or replaced by what was said since
                continue
            change: dict[str, Any] = {"tries": row.tries + 1, "said": answer.refused}
            if answer.refused is None:
                change |= {"state": SENT, "ended_at": at}
                older = (BOX.target == row.target) & (BOX.lead_id == row.lead_id) & (BOX.entry < answer.entry)
                connection.execute(outbox_table.delete().where(older, BOX.state == SENT))
            elif answer.later and row.tries + 1 < MOST_TRIES:
                change |= {"due_at": at + FIRST_WAIT * 2**row.tries}
            else:
                change |= {"state": DEAD, "ended_at": at}
            connection.execute(outbox_table.update().where(BOX.entry == answer.entry).values(**change))


def again(store: Store, targets: Iterable[str], *, at: datetime) -> int:
    """Have all that was not taken, or waits for its next try, sent with the next run; gives how many."""
    change = {"state": WAITING, "tries": 0, "due_at": at, "ended_at": None}
    with store.writing() as connection:
        there = BOX.target.in_(list(targets)) & (BOX.state != SENT)
        return connection.execute(outbox_table.update().where(there).values(**change)).rowcount


def counts(store: Store, target: str) -> dict[str, int]:
    """How many entries of a target are in which state."""
    query = sa.select(BOX.state, sa.func.count()).where(BOX.target == target).group_by(BOX.state)
    with store.reading() as connection:
        return dict(connection.execute(query).tuples().all())


def dead(store: Store, targets: Iterable[str]) -> list[dict[str, Any]]:
    """What was not taken, and why, oldest first."""
    query = sa.select(BOX.entry, BOX.target, BOX.lead_id, BOX.tries, BOX.said, BOX.made_at, BOX.ended_at)
    with store.reading() as connection:
        rows = connection.execute(
            query.where(BOX.target.in_(list(targets)), BOX.state == DEAD).order_by(BOX.entry)
        ).mappings()
        return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
