"""The canonical tables that everything else reads, the cohorts drawn from them, and the story of one lead."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

Clock = Literal["time", "rows", "none"]
STAGES = ("accepted", "rejected", "won", "lost")
WORTH = ("amount", "margin", "list_amount")  # what a win brought, and its price by the list
LEAD_KEYS = ("lead_id", "account_id", "created_at")
FIRST_ROW = datetime(2000, 1, 1)


def row_time(row: int) -> datetime:
    """The made-up time of a row, for sources in which row order is the only order there is."""
    return FIRST_ROW + timedelta(seconds=row)


def row_of(time: datetime) -> int:
    """How many rows lie before a made-up time."""
    return -(-(time - FIRST_ROW) // timedelta(seconds=1))


@dataclass(frozen=True)
class Tables:
    """Leads, events and outcomes as Ibis expressions on one engine; every time is UTC without a zone.

    Attributes
    ----------
    leads : table
        ``lead_id``, ``account_id`` (the lead's own id where the source knows no accounts), ``created_at``,
        then attributes: float64, string or timestamp.
    events : table or None
        ``lead_id``, ``kind``, ``occurred_at``, ``recorded_at``; optional ``channel``, ``value``.
    outcomes : table or None
        ``lead_id``, ``stage``, ``occurred_at``, ``recorded_at``; optional ``amount``, ``margin``, ``reason``,
        ``rep``.
    clock : "time", "rows" or "none"
        Whether times are real, made from the order of rows, or made from a hash because there is no order at
        all.
    outcome_times : bool
        False for a flat export: outcomes then have an order, but no delay that could be measured.
    stages : tuple of str
        The stages this source can tell. Without "accepted" every lead counts as worked.
    end : datetime
        Nothing recorded at or after this moment is in the tables.
    has_accounts : bool
        Whether accounts are the source's own.
    lists : mapping of column to str
        Columns of leads whose cells hold several values, each with what stands between those.
    """

    leads: ir.Table
    events: ir.Table | None
    outcomes: ir.Table | None
    clock: Clock
    outcome_times: bool
    stages: tuple[str, ...]
    end: datetime
    has_accounts: bool
    lists: Mapping[str, str] = field(default_factory=dict)

    def until(self, as_of: datetime) -> "Tables":
        """What had been recorded before a moment, of leads that were there by then."""
        if as_of >= self.end:
            return self
        moment = ibis.literal(as_of)
        leads = self.leads.filter(self.leads.created_at < moment)

        def known(table: ir.Table | None) -> ir.Table | None:
            return (
                None
                if table is None
                else table.filter(table.recorded_at < moment).semi_join(leads, "lead_id")
            )

        return replace(self, leads=leads, events=known(self.events), outcomes=known(self.outcomes), end=as_of)


def training_cohort(tables: Tables, delay: timedelta) -> ir.Table:
    """Every lead at the moment it would have been scored: ``delay`` after it was created.

    Leads whose moment has not come by the end of the tables are left out.
    """
    if tables.clock != "time":
        delay = timedelta(0)
    leads = tables.leads.select("lead_id", "account_id", "created_at")
    cohort = leads.mutate(
        as_of=leads.created_at + ibis.interval(microseconds=round(delay / timedelta(microseconds=1)))
    )
    return cohort.filter(cohort.as_of < ibis.literal(tables.end))


def scoring_cohort(tables: Tables, as_of: datetime) -> ir.Table:
    """Every lead created before a moment, at that moment; where times are made from row order, each at its
    own row as in training.
    """
    leads = tables.leads.select("lead_id", "account_id", "created_at")
    moment = ibis.literal(as_of)
    return leads.filter(leads.created_at < moment).mutate(
        as_of=moment if tables.clock == "time" else leads.created_at
    )


def unanswered(tables: Tables, cohort: ir.Table, max_age_days: float) -> ir.Table:
    """The leads of a cohort that still wait: no stage recorded before the as-of time, and not older than
    ``max_age_days``.

    Age means nothing where times are made up from row order, so there only the stages count.
    """
    if tables.outcomes is not None:
        outcomes = tables.outcomes.select("lead_id", "recorded_at")
        answered = (
            cohort.join(outcomes, "lead_id").filter(lambda row: row.recorded_at < row.as_of).select("lead_id")
        )
        cohort = cohort.anti_join(answered, "lead_id")
    if tables.clock == "time":
        oldest = ibis.interval(microseconds=round(max_age_days * 86_400_000_000))
        cohort = cohort.filter(cohort.created_at > cohort.as_of - oldest)
    return cohort


def came_before(tables: Tables, cohort: ir.Table, moment: datetime) -> int:
    """How many leads of a cohort were created before a moment; none where times are made from row order."""
    if tables.clock != "time":
        return 0
    return cohort.filter(cohort.created_at < moment).count().to_pyarrow().as_py()


def named(lead_ids: Iterable[str]) -> ir.Table:
    """Lead ids as a table to join with."""
    # From Arrow: of a pandas column Ibis asks for an option that pandas is about to drop.
    return ibis.memtable(pa.table({"lead_id": pa.array(list(lead_ids), pa.string())}))


def story(tables: Tables, lead_id: str) -> pd.DataFrame:
    """A lead's creation, events and outcomes in the order of recording: ``what``, ``table``, ``occurred_at``,
    ``recorded_at``.
    """
    lead = tables.leads.filter(tables.leads.lead_id == lead_id)
    parts = [
        lead.select(occurred_at="created_at", recorded_at="created_at")
        .to_pyarrow()
        .to_pandas()
        .assign(what="created", table="leads")
    ]
    for name, table, what in (("events", tables.events, "kind"), ("outcomes", tables.outcomes, "stage")):
        if table is not None:
            rows = table.filter(table.lead_id == lead_id).select("occurred_at", "recorded_at", what=what)
            parts.append(rows.to_pyarrow().to_pandas().assign(table=name))
    told = pd.concat(parts, ignore_index=True).sort_values(
        ["recorded_at", "occurred_at"], kind="stable", ignore_index=True
    )
    return told[["what", "table", "occurred_at", "recorded_at"]]


def moment(time: datetime | pd.Timestamp | np.datetime64, clock: Clock) -> str | int | None:
    """A time as people of this source would say it: a date, the number of a row, or nothing where there is no
    order.
    """
    if clock == "none":
        return None
    stamp = pd.Timestamp(time)
    return row_of(stamp.to_pydatetime()) if clock == "rows" else stamp.isoformat()
