"""Leads that a program hands in, decided at once: on record and on the desk when the answer is given, each lead
once, whoever else decides it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from app.api.errors import RefusedError
from app.api.schemas import Breach, Decided, DecidedLeads, DecisionRequest, Logged, Rescored
from app.api.tables import Tables, read
from app.desk import Desk
from app.scoring.realtime import LiveScorer, said_at_hand
from models.policy.policy import HOLD
from pipelines.deciding.record import propose, put_on_record
from pipelines.deciding.rescoring import told_anew
from pipelines.store import arrivals, requests
from pipelines.store.access.audit import note
from pipelines.store.decision_queries import logged_of
from pipelines.store.erasure import forgotten_of
from pipelines.store.requests import RequestKey
from pipelines.store.work import rescores

UNDONE = "no lead was decided"


@dataclass(frozen=True)
class Asking:
    """Who asks: a key's name, the network address, and the request's own key if it has one."""

    who: str
    address: str | None
    request: RequestKey | None

    @classmethod
    def of(cls, who: str, address: str | None, key: str | None, asked: DecisionRequest) -> "Asking":
        body = asked.model_dump_json()
        return cls(who, address, None if key is None else RequestKey.of(who, key, body))


def decide(asked: DecisionRequest, live: LiveScorer, desk: Desk, asking: Asking) -> DecidedLeads:
    """Decide leads by the version in use, as of now, in one transaction.

    A lead that was decided before keeps its decision; if it still waits and has done something since, it is scored
    anew. A request that was answered before, by its key, decides and scores nothing.

    Raises
    ------
    RefusedError
        With everything at once that breaks the contract; nothing is decided then.
    UsageError
        If the request's key was given to another one.
    """
    now, store = desk.clock(), desk.store
    ids = [lead.lead_id for lead in asked.leads]
    if asking.request is not None:
        with store.reading() as connection:
            before = _answered(connection, desk, asking.request, ids, at=now)
        if before is not None:  # most often a program that did not hear it; nothing is scored for it
            return before
    tables = read(asked.leads, live, now=now, undone=UNDONE)
    said = pd.DataFrame(said_at_hand(tables.leads), dtype="str")
    found = live.known(tables.leads, tables.events, tables.as_of)
    proposed = propose(
        live.champion,
        found,
        said,
        with_reasons=len(found),
        taken_days=live.taken(found),
        rules=desk.settings.policy.rules,
    )
    rows = {row["lead_id"]: row for row in tables.leads.to_pylist()}
    events = _events(tables)
    with store.writing() as connection:
        if asking.request is not None:
            before = _answered(connection, desk, asking.request, ids, at=now)
            if before is not None:  # the same request, sent again before it was answered
                return before
        _refuse_forgotten(desk, ids)
        recorded = put_on_record(live.champion, store, proposed, connection)
        new = recorded["lead_id"].tolist()
        known = set(ids) - set(new)
        batch = int(recorded["batch"].iloc[0]) if new else None
        arrivals.keep(store, connection, [rows[lead_id] for lead_id in new], events, at=now)
        did = told_anew(
            store,
            connection,
            {lead_id: events.get(lead_id, []) for lead_id in ids if lead_id in known},
            at=now,
            days=desk.settings.schedule.rescore_days if live.note.clock == "time" else 0,
        )
        if len(did):
            scored = proposed[proposed["lead_id"].isin(did.index)].join(did, on="lead_id")
            rescores.record(store, connection, scored)
            arrivals.keep_newer(connection, [rows[lead_id] for lead_id in did.index], events, at=now)
        desk.filler.add(connection, [*new, *did.index], rows, tables.leads.column_names)
        if asking.request is not None:
            requests.keep(connection, asking.request, batch, at=now)
        if new:
            words = "decided 1 lead" if len(new) == 1 else f"decided {len(new):,} leads"
            note(connection, now, asking.who, "decision", words, address=asking.address)
        for lead_id, told in did.iterrows():
            words = f"scored anew, after {told['because']}"
            note(connection, now, asking.who, "decision", words, lead_id=lead_id, address=asking.address)
        logged = logged_of(store, connection, ids)
    return _answer(ids, logged, batch)


def _answered(
    connection: Any, desk: Desk, request: RequestKey, ids: Sequence[str], *, at: datetime
) -> DecidedLeads | None:
    """What this request was answered before; None where it is new."""
    before = requests.answered(connection, request, at=at)
    return None if before is None else _answer(ids, logged_of(desk.store, connection, ids), before.batch)


def _events(tables: Tables) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in () if tables.events is None else tables.events.to_pylist():
        found.setdefault(event.pop("lead_id"), []).append(event)
    return found


def _refuse_forgotten(desk: Desk, ids: Sequence[str]) -> None:
    """Whoever was forgotten stays so, whichever way the data come."""
    gone = forgotten_of(desk.store, desk.home).are(ids)
    errors = [
        Breach(
            pointer=f"/leads/{place}/lead_id",
            detail="was forgotten, and no data of this lead are taken any more; leave it away",
        )
        for place, there in enumerate(gone)
        if there
    ]
    if errors:
        count = "one lead" if len(errors) == 1 else f"{len(errors):,} leads"
        raise RefusedError(422, f"{count} cannot be decided; {UNDONE}.", errors)


def _answer(ids: Sequence[str], logged: Mapping[str, dict[str, Any]], batch: int | None) -> DecidedLeads:
    """What the log says of each lead; of what stands in it, ``batch`` was decided by this request."""
    decisions = list(_decisions(ids, logged, batch))
    left = sum(each.action != HOLD and not each.this_week for each in decisions)
    words = "1 of these leads is" if left == 1 else f"{left:,} of these leads are"
    told = f"this week's hours are spent: {words} handed off, but not on the week's list." if left else None
    return DecidedLeads(decisions=decisions, note=told)


def _decisions(
    ids: Sequence[str], logged: Mapping[str, dict[str, Any]], batch: int | None
) -> Iterator[Decided]:
    for row in (logged[lead_id] for lead_id in ids if lead_id in logged):  # all but who was forgotten since
        told = {name: plain(row[name]) for name in Logged.model_fields}
        told["rescored"] = rescored_of(row["rescored"])
        told["this_week"] = None if row["this_week"] is None else bool(row["this_week"])
        yield Decided(**told, decided_before=row["batch"] != batch)


def plain(value: Any) -> Any:
    """A value of the log as JSON has it."""
    return value.isoformat() if isinstance(value, datetime) else value


def rescored_of(score: Mapping[str, Any] | None) -> Rescored | None:
    """A score that stands beside a decision; None where it is the decision's own."""
    return None if score is None else Rescored(**{name: plain(score[name]) for name in Rescored.model_fields})
