"""Leads that wait for sales are scored anew once they have done something since they were last scored.

The desk's own notes are nothing that a lead did, and whom sales has answered waits no longer. What a lead did counts from
when it was recorded, as everywhere: what comes later than that is not seen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from features.matrix import frame, matrix
from features.outcomes import days_taken
from features.tables import Tables, named, scoring_cohort, unanswered
from models.policy.rules import Rule
from pipelines.deciding.record import propose
from pipelines.store import arrivals
from pipelines.store.database import Store
from pipelines.store.decision_queries import said_of
from pipelines.store.erasure import forgotten_of
from pipelines.store.work import rescores
from pipelines.store.work.notes import KINDS
from pipelines.version_files import Champion

MOST_KINDS = 3  # that a sentence names


@dataclass(frozen=True)
class Rescored:
    """How many leads were scored anew, and how many of them were held and are handed off now."""

    leads: int = 0
    handed_off: int = 0


def score_again(
    champion: Champion,
    tables: Tables,
    store: Store,
    home: Path,
    as_of: datetime,
    *,
    days: float,
    rules: tuple[Rule, ...],
) -> Rescored:
    """Score the leads that were decided in the last so many days, wait, and have done something; run again, it logs nothing
    twice.
    """
    if not days or tables.clock != "time" or tables.events is None:
        return Rescored()
    with store.reading() as connection:
        last = rescores.last_scored(connection, as_of - timedelta(days=days))
    did = _done_since(tables, last, as_of) if len(last) else pd.DataFrame()
    if not len(did):
        return Rescored()
    recipe = champion.scorer.recipe
    cohort = scoring_cohort(tables, as_of).semi_join(named(did.index), "lead_id")
    cohort = unanswered(tables, cohort, recipe.horizons.pursue_days)
    found = frame(matrix(tables, cohort, recipe), recipe)
    if not len(found):
        return Rescored()
    scored = propose(
        champion,
        found,
        said_of(tables, cohort),
        with_reasons=len(found),
        taken_days=days_taken(tables, cohort, recipe.horizons.delay, found["lead_id"]),
        rules=rules,
    )
    scored = scored.join(did, on="lead_id")
    with store.writing() as connection:
        gone = forgotten_of(store, home).are(scored["lead_id"])  # while we scored them
        scored = scored[~pd.Series(gone, index=scored.index, dtype=bool)]
        new = rescores.record(store, connection, scored)
    return Rescored(new, len(rescores.handed_off(store) & set(scored["lead_id"])) if new else 0)


def told_anew(
    store: Store,
    connection: Any,
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    at: datetime,
    days: float,
) -> pd.DataFrame:
    """By lead, ``since`` when and ``because`` of what a program tells of it is to be scored anew: of those that were
    decided in the last so many days and wait, what was recorded since they were last scored, or was not told when they
    were.

    Parameters
    ----------
    events : mapping
        By lead, ``kind``, ``occurred_at`` and ``recorded_at`` of all that it has done.
    """
    if not days:
        return pd.DataFrame()
    last = rescores.waiting_since(store, connection, events, at - timedelta(days=days))
    before = arrivals.arrivals(store, last)
    rows = []
    for lead_id, moment in last.items():
        told = {(each.what, each.at) for each in before[lead_id].happened} if lead_id in before else None
        for event in events[lead_id]:
            late = told is not None and (event["kind"], event["occurred_at"]) not in told
            if event["recorded_at"] < at and (late or event["recorded_at"] >= moment):
                rows.append((lead_id, event["kind"], event["recorded_at"]))
    return _by_lead(pd.DataFrame(sorted(rows), columns=["lead_id", "kind", "recorded_at"]))


def _done_since(tables: Tables, last: Mapping[str, datetime], as_of: datetime) -> pd.DataFrame:
    """As ``told_anew``, of what a snapshot knows."""
    events = tables.events.filter(
        tables.events.recorded_at < ibis.literal(as_of), tables.events.kind.notin(list(KINDS.values()))
    )
    scored = pa.table(
        {
            "lead_id": pa.array(last.keys(), pa.string()),
            "last": pa.array(last.values(), pa.timestamp("us")),
        }
    )
    known = events.join(ibis.memtable(scored), "lead_id").filter(lambda row: row.recorded_at >= row.last)
    rows = known.select("lead_id", "kind", "recorded_at").order_by("lead_id", "recorded_at", "kind")
    return _by_lead(rows.to_pyarrow().to_pandas())


def _by_lead(rows: pd.DataFrame) -> pd.DataFrame:
    found = {
        lead_id: {"since": each["recorded_at"].min(), "because": _words(each["kind"])}
        for lead_id, each in rows.groupby("lead_id")
    }
    return pd.DataFrame(found).T.infer_objects()


def _words(kinds: pd.Series) -> str:
    counts = kinds.value_counts(sort=False)
    told = [kind if times == 1 else f"{kind} × {times}" for kind, times in counts.items()]
    return ", ".join(told[:MOST_KINDS]) + (" and more" if len(told) > MOST_KINDS else "")
