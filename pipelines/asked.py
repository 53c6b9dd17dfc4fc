"""Which leads a scoring run is asked about, and which of them still wait for a decision."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.matrix import fetch
from features.tables import Tables, named
from pipelines.store import Store

SAID = ("channel", "owner")


def week_of(moment: datetime) -> datetime:
    """The beginning of a moment's week."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=moment.weekday())


@dataclass(frozen=True)
class Asked:
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
        """Ids of the leads that other runs have decided: before this one, or while it was at its ``decisions``."""
        if len(recorded) == len(decisions):
            return list(self.decided)  # as nearly always: to look a million ids up takes seconds
        return [*self.decided, *decisions.loc[~decisions["lead_id"].isin(recorded["lead_id"]), "lead_id"]]


def asked_of(cohort: ir.Table, store: Store) -> Asked:
    """Split a cohort by what the decision log says."""
    known = store.decided()
    if not known:
        return Asked(waiting=cohort, decided=())
    ids = cohort.select("lead_id").to_pyarrow()["lead_id"].to_pandas()
    decided = tuple(sorted(ids[ids.isin(known)]))
    left = cohort.anti_join(named(decided), "lead_id") if decided else cohort
    return Asked(waiting=left, decided=decided)


def said_of(tables: Tables, cohort: ir.Table) -> pd.DataFrame:
    """``channel`` and ``owner`` of each lead, row by row beside its matrix; empty where the source knows none."""
    leads = tables.leads
    known = leads.select("lead_id", **{name: leads[name] if name in leads.columns else ibis.null("string") for name in SAID})
    rows = fetch(cohort.select("lead_id", "as_of").join(known, "lead_id"))
    return pd.DataFrame({name: rows[name].to_pandas() for name in SAID})
