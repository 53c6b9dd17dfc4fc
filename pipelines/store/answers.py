"""What people answer: taken, turned down and why, put off, undone, or pulled out of the held leads. Answers
are added, never changed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import pyarrow as pa
import sqlalchemy as sa

from features.errors import UsageError
from models.alignment.settings import DID
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.filters import seen
from pipelines.store.schema import WORK, answers_table, worklist_table
from pipelines.store.work.assignment import moved

Kind = Literal["accepted", "rejected", "snoozed", "undone", "released"]
REASONS = (
    "wrong person",
    "no budget",
    "no need",
    "bad timing",
    "competitor",
    "duplicate",
    "unreachable",
    "other",
)
FROM = {  # the states in which each answer can be given
    "accepted": ("open", "snoozed"),
    "rejected": ("open", "snoozed"),
    "snoozed": ("open", "snoozed"),
    "released": ("held",),
    "undone": ("accepted", "rejected", "snoozed", "open"),
}
LONGEST_WORDS = 500
LONGEST_SNOOZE = timedelta(days=366)


@dataclass(frozen=True)
class Answer:
    """One answer as it was given."""

    lead_id: str
    turn: int
    kind: Kind
    reason: str | None
    words: str | None
    until: datetime | None
    who: str
    at: datetime


class TooLateError(UsageError):
    """Somebody else answered first; what they answered stands."""

    def __init__(self, message: str, *, lead_id: str) -> None:
        super().__init__(message)
        self.lead_id = lead_id


def give(
    store: Store,
    lead_id: str,
    kind: Kind,
    *,
    turn: int,
    who: str,
    at: datetime,
    reason: str | None = None,
    words: str | None = None,
    until: datetime | None = None,
    anybodys: bool = False,
    seen_by: Collection[str] | None = None,
    address: str | None = None,
) -> Answer:
    """Record an answer.

    Parameters
    ----------
    turn : int
        Of the latest answer that the person had seen, 0 for none: of two people who answer at once, one is
        let through.
    reason, words : str, optional
        Why a lead is turned down: one of ``REASONS``; "other" needs words.
    until : datetime, optional
        When a lead that is put off comes back.
    anybodys : bool
        Whether other people's answers may be undone.
    seen_by : collection of str, optional
        A lead that is of somebody else than one of these is refused as if there were none.

    Raises
    ------
    UsageError
        For an answer that is incomplete, or that the lead's state does not allow; nothing is recorded.
    TooLateError
        If somebody answered in the meantime; nothing is recorded.
    """
    words = (words or "").strip()[:LONGEST_WORDS] or None
    until = _checked(kind, reason, words, until, at)
    with store.writing() as connection:
        asked = (WORK.lead_id == lead_id) & seen(WORK, seen_by)
        row = connection.execute(sa.select(worklist_table).where(asked)).one_or_none()
        if row is None:
            raise UsageError(f"there is no lead '{lead_id}' on the list; nothing was recorded.")
        latest = _latest(connection, lead_id)
        if turn != row.turn or turn != (latest.turn if latest else 0):
            raise TooLateError(_too_late(latest, who, at), lead_id=lead_id)
        if row.state not in FROM[kind] or (kind == "undone" and (latest is None or latest.kind == "undone")):
            raise UsageError(f"this lead is {_now(row.state)}; nothing was recorded.")
        if kind == "undone" and latest.who != who and not anybodys:
            raise UsageError(
                f"{latest.who} {DID[latest.kind]} this lead, and only {latest.who} can undo that; nothing was recorded."
            )
        answer = Answer(
            lead_id, turn + 1, kind, reason if kind == "rejected" else None, words, until, who, at
        )
        connection.execute(answers_table.insert().values(**vars(answer)))
        connection.execute(
            worklist_table.update().where(WORK.lead_id == lead_id).values(**_row_after(answer, latest))
        )
        if kind == "accepted" and row.assigned_to not in (None, who):
            moved(connection, [lead_id], who, at=at, by=who, why="taken")
        what = "override" if "released" in (kind, latest and kind == "undone" and latest.kind) else "answer"
        note(connection, at, who, what, told(answer), lead_id=lead_id, address=address)
    return answer


def told(answer: Answer) -> str:
    """An answer in words, such as ``turned down: no budget``."""
    if answer.kind == "undone":
        return "undid the latest answer"
    more = answer.reason or (f"until {answer.until:%Y-%m-%d %H:%M}" if answer.until else "")
    return ": ".join(part for part in (DID[answer.kind], more) if part)


def history(store: Store, lead_id: str) -> list[Answer]:
    """Every answer to a lead, the oldest first."""
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(answers_table).where(answers_table.c.lead_id == lead_id).order_by(answers_table.c.turn)
        )
        return [Answer(**row) for row in rows.mappings()]


def pulled_out(store: Store) -> set[str]:
    """Ids of held leads that people pulled out, unless they undid it: handed off by a person, and not by the
    filter.
    """
    log = answers_table.c
    some = sa.select(log.lead_id).where(log.kind == "released")
    query = sa.select(log.lead_id, log.kind).where(log.lead_id.in_(some))
    with store.reading() as connection:
        rows = connection.execute(query.order_by(log.lead_id, log.turn)).all()
    found, before = set(), None
    for lead_id, kind in rows:
        if kind == "released":
            found.add(lead_id)
        elif kind == "undone" and before == (lead_id, "released"):
            found.discard(lead_id)
        before = (lead_id, kind)
    return found


def _checked(
    kind: Kind, reason: str | None, words: str | None, until: datetime | None, at: datetime
) -> datetime | None:
    if kind not in FROM:
        raise UsageError(f"'{kind}' is no answer: say {', '.join(FROM)}; nothing was recorded.")
    if kind == "rejected" and reason not in REASONS:
        raise UsageError(f"say why the lead is turned down: {', '.join(REASONS)}; nothing was recorded.")
    if kind == "rejected" and reason == "other" and not words:
        raise UsageError("'other' needs a few words that say why; nothing was recorded.")
    if kind != "snoozed":
        return None
    if until is None or not at < until <= at + LONGEST_SNOOZE:
        raise UsageError("a lead can be put off until a day within the next year; nothing was recorded.")
    return until


def _latest(connection: sa.Connection, lead_id: str) -> Answer | None:
    query = (
        sa.select(answers_table)
        .where(answers_table.c.lead_id == lead_id)
        .order_by(answers_table.c.turn.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return Answer(**row) if row else None


def _row_after(answer: Answer, before: Answer | None) -> dict[str, object]:
    """What the list shows after an answer. What is undone is as it was before: held if it had been pulled
    out, else open.
    """
    if answer.kind == "undone":
        state = "held" if before.kind == "released" else "open"
        return {"state": state, "turn": answer.turn, "answered_by": None, "answered_at": None, "until": None}
    state = {"released": "open"}.get(answer.kind, answer.kind)
    return {
        "state": state,
        "turn": answer.turn,
        "answered_by": answer.who,
        "answered_at": answer.at,
        "until": answer.until,
    }


def rows_after(connection: sa.Connection, lead_ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """What the list shows of leads that were answered: all their answers, one after the other."""
    query = sa.select(answers_table).where(answers_table.c.lead_id.in_(lead_ids))
    latest: dict[str, Answer] = {}
    rows = {}
    for row in connection.execute(query.order_by(answers_table.c.turn)).mappings():
        answer = Answer(**row)
        rows[answer.lead_id] = _row_after(answer, latest.get(answer.lead_id))
        latest[answer.lead_id] = answer
    return rows


def _now(state: str) -> str:
    return {
        "accepted": "taken",
        "rejected": "turned down",
        "snoozed": "put off",
        "open": "waiting",
        "held": "held",
    }[state]


def _too_late(latest: Answer | None, who: str, at: datetime) -> str:
    if latest is None:
        return "this lead has changed since you saw it; nothing was recorded."
    seconds = max(0, round((at - latest.at).total_seconds()))
    ago = (
        "a moment ago"
        if seconds < 3
        else f"{seconds} seconds ago"
        if seconds < 120
        else f"{seconds // 60:,} minutes ago"
    )
    by = "you" if latest.who == who else latest.who
    return f"{by} {DID[latest.kind]} this lead {ago}; your answer was not recorded."


def standing_answers(store: Store, until: datetime) -> pa.Table:
    """Each lead that was taken or turned down before a moment, unless that was undone before it, as outcomes."""
    log = answers_table.c
    with store.reading() as connection:
        given = connection.execute(
            sa.select(log.lead_id, log.kind, log.reason, log.who, log.at)
            .where(log.at < until)
            .order_by(log.turn)
        )
        latest = {lead_id: (kind, reason, who, at) for lead_id, kind, reason, who, at in given}
    stood = [
        (lead_id, *answer) for lead_id, answer in latest.items() if answer[0] in ("accepted", "rejected")
    ]
    columns = list(zip(*stood, strict=True)) or [[]] * 5
    types = {
        "lead_id": pa.string(),
        "stage": pa.string(),
        "reason": pa.string(),
        "rep": pa.string(),
        "recorded_at": pa.timestamp("us"),
    }
    return pa.table(
        {name: pa.array(values, kind) for (name, kind), values in zip(types.items(), columns, strict=True)}
    )
