"""Scores of leads that still wait and have done something since they were decided. The decision stays as it was logged,
with its arm and what is counted of it; these stand beside it, and the latest is what the desk shows.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipelines.store.database import Store
from pipelines.store.schema import decisions_table, rescores_table, worklist_table

LOG = rescores_table.c
SCORES = (
    *("p_pursue", "p_convert", "p_both", "p_worked", "low", "high", "p_worked_by", "extrapolated", "value"),
    *("score", "grade", "version"),
)
WAITING = ("open", "held", "snoozed")


def last_scored(connection: sa.Connection, since: datetime, among: Any = None) -> dict[str, datetime]:
    """When each lead was last scored of those that were decided from a moment on, and fulfil a condition."""
    log = decisions_table.c
    last = sa.func.coalesce(sa.func.max(LOG.at), log.as_of)
    query = sa.select(log.lead_id, last).outerjoin(rescores_table, LOG.lead_id == log.lead_id)
    query = query.where(log.as_of >= since, sa.true() if among is None else among)
    query = query.group_by(log.lead_id, log.as_of)
    return dict(connection.execute(query).all())


def waiting_since(
    store: Store, connection: sa.Connection, lead_ids: Iterable[str], since: datetime
) -> dict[str, datetime]:
    """When each of some leads was last scored, if it was decided from a moment on and waits on the list."""
    log, work = decisions_table.c, worklist_table.c
    waits = sa.select(work.lead_id).where(store.among(work.lead_id, lead_ids), work.state.in_(WAITING))
    return last_scored(connection, since, log.lead_id.in_(waits))


def record(store: Store, connection: sa.Connection, scored: pd.DataFrame) -> int:
    """Log scores, in a transaction of `Store.writing`; gives how many were new. One that is there already, of a run that was
    repeated, stays.

    Parameters
    ----------
    scored : DataFrame
        As ``models.policy.decisions.decide_all`` gives it, with ``since`` and ``because``: when the first of what the lead
        has done was recorded, and what it was.
    """
    rows = []
    for each in scored.to_dict("records"):
        told = {name: _plain(each[name]) for name in (*SCORES, "lead_id", "action", "cut", "cut_by")}
        told |= {name: json.dumps(list(each[name]), ensure_ascii=False) for name in ("reasons", "weights")}
        at, since = (pd.Timestamp(each[name]).to_pydatetime() for name in ("as_of", "since"))
        rows.append(told | {"at": at, "since": since, "because": each["because"]})
    count = sa.select(sa.func.count()).select_from(rescores_table)
    before = connection.scalar(count)
    if rows:
        connection.execute(store.insert(rescores_table).on_conflict_do_nothing(), rows)
    return connection.scalar(count) - before


def standing(store: Store, connection: sa.Connection, lead_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The latest score of each lead that was scored anew, by its id; ``reasons`` and ``weights`` are lists."""
    query = sa.select(rescores_table).where(store.among(LOG.lead_id, lead_ids)).order_by(LOG.at)
    return {
        row["lead_id"]: {**row} | {name: json.loads(row[name]) for name in ("reasons", "weights")}
        for row in connection.execute(query).mappings()
    }


def history(store: Store, lead_id: str) -> list[dict[str, Any]]:
    """Every score of a lead since its decision, the oldest first."""
    query = sa.select(rescores_table).where(LOG.lead_id == lead_id).order_by(LOG.at)
    with store.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def not_shown(connection: sa.Connection, after: str, most: int) -> list[str]:
    """The next leads beyond an id that wait on the list with an older score than the log has."""
    work = worklist_table.c
    newer = sa.or_(work.rescored_at.is_(None), work.rescored_at < LOG.at)
    query = sa.select(work.lead_id).join(rescores_table, LOG.lead_id == work.lead_id)
    query = query.where(work.state.in_(WAITING), newer, work.lead_id > after).distinct()
    return list(connection.scalars(query.order_by(work.lead_id).limit(most)))


def handed_off(store: Store) -> set[str]:
    """Leads that were held and whose score has since come to where they are handed off."""
    log = decisions_table.c
    query = sa.select(LOG.lead_id).join(decisions_table, LOG.lead_id == log.lead_id)
    with store.reading() as connection:
        return set(connection.scalars(query.where(log.action == "hold", LOG.action != "hold")))


def as_of_now(store: Store, decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions of the log with the scores, reasons and action that stand now."""
    with store.reading() as connection:
        found = standing(store, connection, decisions["lead_id"])
    if not found:
        return decisions
    now = decisions.copy()
    rows = now.index[now["lead_id"].isin(found)]
    for row in rows:
        entry = found[now.at[row, "lead_id"]]
        for name in (*SCORES, "reasons", "weights"):
            now.at[row, name] = entry[name]
        now.at[row, "as_of"] = entry["at"]
        if entry["action"] != "hold":
            now.at[row, "action"] = entry["action"]
    return now


def _plain(value: Any) -> Any:
    """A value of pandas or numpy as the drivers take it; what is missing is null."""
    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, bool) else value
