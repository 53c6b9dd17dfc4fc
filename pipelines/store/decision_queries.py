"""The decision log: which leads still wait for a decision, what was decided of the others, and what sales
gets.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import sqlalchemy as sa

from features.matrix import fetch
from features.tables import Tables, named
from models.policy.arms import FORCED
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.filters import DecisionFilter
from pipelines.store.schema import WORK, decisions_table, worklist_table
from pipelines.store.work.rescores import standing

LOG = decisions_table.c
UNSEEN = ("extrapolated", "weights")  # kept for our own use
SAID = ("channel", "owner")
# Without arm and cut: whoever works the list must not see which leads were drawn to pass whatever their
# score.
COLUMNS = [
    *(
        "lead_id",
        "channel",
        "owner",
        "action",
        "must_work",
        "this_week",
        "grade",
        "rank",
        "value",
        "score",
        "p_pursue",
        "p_convert",
        "p_both",
    ),
    *("p_worked", "low", "high", "p_worked_by", "extrapolated", "reasons", "as_of", "version"),
]


def decisions(
    store: Store,
    asked: DecisionFilter,
    *,
    who: str,
    at: datetime,
    after: str | None = None,
    limit: int = 100,
    address: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of at most so many decisions by lead id, those after an id, and the id after which the next page
    begins, None on the last one; that it was read is noted.

    Each has the columns of the log, and ``state`` and ``turn`` of the list, None where it is not on it.
    """
    query = (
        sa.select(*(column for column in LOG if column.name not in UNSEEN), WORK.state, WORK.turn)
        .select_from(decisions_table.outerjoin(worklist_table, LOG.lead_id == WORK.lead_id))
        .where(asked.condition(decisions_table), sa.true() if after is None else LOG.lead_id > after)
        .order_by(LOG.lead_id)
        .limit(limit + 1)
    )
    with store.writing() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
        page = rows[:limit]
        if page:
            note(connection, at, who, "export", f"read {len(page):,} decisions", address=address)
        anew = standing(store, connection, [row["lead_id"] for row in page])
    for row in page:
        row |= {"reasons": json.loads(row["reasons"]), "rescored": anew.get(row["lead_id"])}
    return page, page[-1]["lead_id"] if len(rows) > len(page) else None


def logged_of(store: Store, connection: sa.Connection, lead_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the log says of some leads, by their ids, in a transaction that may have added them."""
    columns = [column for column in LOG if column.name not in UNSEEN]
    rows = connection.execute(sa.select(*columns).where(store.among(LOG.lead_id, lead_ids))).mappings().all()
    anew = standing(store, connection, [row["lead_id"] for row in rows])
    return {
        row["lead_id"]: {
            **row,
            "reasons": json.loads(row["reasons"]),
            "rescored": anew.get(row["lead_id"]),
        }
        for row in rows
    }


def week_of(moment: datetime) -> datetime:
    """The beginning of a moment's week."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=moment.weekday())


@dataclass(frozen=True)
class PendingLeads:
    """The leads asked about.

    Attributes
    ----------
    waiting : table
        The cohort without those that were decided before.
    decided : tuple of str
        Ids of the others.
    """

    waiting: ir.Table
    decided: tuple[str, ...]

    def decided_elsewhere(self, decisions: pd.DataFrame, recorded: pd.DataFrame) -> list[str]:
        """Ids of the leads that other runs have decided: before this one, or while it was at its
        ``decisions``.
        """
        if len(recorded) == len(decisions):
            return list(self.decided)  # as nearly always: to look a million ids up takes seconds
        return [*self.decided, *decisions.loc[~decisions["lead_id"].isin(recorded["lead_id"]), "lead_id"]]


def pending_leads(cohort: ir.Table, store: Store) -> PendingLeads:
    """Split a cohort by what the decision log says."""
    known = store.decided()
    if not known:
        return PendingLeads(waiting=cohort, decided=())
    ids = cohort.select("lead_id").to_pyarrow()["lead_id"].to_pandas()
    decided = tuple(sorted(ids[ids.isin(known)]))
    left = cohort.anti_join(named(decided), "lead_id") if decided else cohort
    return PendingLeads(waiting=left, decided=decided)


def said_of(tables: Tables, cohort: ir.Table) -> pd.DataFrame:
    """``channel`` and ``owner`` of each lead, row by row beside its matrix; empty where the source knows
    none.
    """
    leads = tables.leads
    known = leads.select(
        "lead_id", **{name: leads[name] if name in leads.columns else ibis.null("string") for name in SAID}
    )
    rows = fetch(cohort.select("lead_id", "as_of").join(known, "lead_id"))
    return pd.DataFrame({name: rows[name].to_pandas() for name in SAID})


def for_sales(*decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions of several runs as one list. ``must_work`` marks leads that sales is asked to work, whatever
    it thinks of them.
    """
    together = pd.concat(
        [each.assign(must_work=each["arm"] == FORCED)[COLUMNS] for each in decisions if len(each)]
        or [decisions[0].assign(must_work=False)[COLUMNS]]
    )
    return together.astype({"extrapolated": bool, "this_week": bool}).reset_index(drop=True)
