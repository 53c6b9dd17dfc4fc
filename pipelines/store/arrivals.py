"""Leads that a program handed in: what it told of them, for the desk to show until a snapshot has them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.sources.lead_lookup import Arrival, Happening
from pipelines.store.database import Store
from pipelines.store.schema import arrivals_table

ROW = arrivals_table.c
A_TIME = "time"  # the key of an object that holds one: JSON has none


def keep(
    store: Store,
    connection: sa.Connection,
    leads: Sequence[Mapping[str, Any]],
    events: Mapping[str, list[Mapping[str, Any]]],
    *,
    at: datetime,
) -> None:
    """Keep rows of leads and by lead id of events, as the canonical tables have them, in the transaction that
    decides them.
    """
    rows = _told(leads, events, at)
    if rows:
        connection.execute(store.insert(arrivals_table).on_conflict_do_nothing(), rows)


def keep_newer(
    connection: sa.Connection,
    leads: Sequence[Mapping[str, Any]],
    events: Mapping[str, list[Mapping[str, Any]]],
    *,
    at: datetime,
) -> None:
    """What is told of leads now instead of what was told before, of those that are kept."""
    change = arrivals_table.update().where(ROW.lead_id == sa.bindparam("lead"))
    rows = [{"lead": row.pop("lead_id"), **row} for row in _told(leads, events, at)]
    if rows:
        connection.execute(change.values(told=sa.bindparam("told"), at=sa.bindparam("at")), rows)


def _told(
    leads: Sequence[Mapping[str, Any]], events: Mapping[str, list[Mapping[str, Any]]], at: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "lead_id": lead["lead_id"],
            "told": json.dumps(
                {"lead": dict(lead), "events": events.get(lead["lead_id"], [])},
                default=_time,
                ensure_ascii=False,
            ),
            "at": at,
        }
        for lead in leads
    ]


def arrivals(store: Store, lead_ids: Iterable[str]) -> dict[str, Arrival]:
    """What was told of some leads, as far as it is kept."""
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(ROW.lead_id, ROW.told).where(store.among(ROW.lead_id, lead_ids))
        ).all()
    found = {}
    for lead_id, text in rows:
        told = json.loads(text, object_hook=_read_time)
        happened = [
            Happening(
                lead_id, event["occurred_at"], event["kind"], event.get("channel"), event.get("value"), False
            )
            for event in told["events"]
        ]
        found[lead_id] = Arrival(told["lead"], happened)
    return found


def waiting(store: Store) -> list[str]:
    """Ids of all that are kept."""
    with store.reading() as connection:
        return list(connection.scalars(sa.select(ROW.lead_id)))


def let_go(store: Store, lead_ids: Iterable[str]) -> None:
    """Drop leads that a snapshot has by now."""
    with store.writing() as connection:
        connection.execute(arrivals_table.delete().where(store.among(ROW.lead_id, lead_ids)))


def _time(value: datetime) -> dict[str, str]:
    return {A_TIME: value.isoformat()}


def _read_time(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value[A_TIME]) if value.keys() == {A_TIME} else value
