"""Which leads a scoring run is asked about, and which of them still wait for a decision."""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.tables import Tables
from pipelines.store import Store


@dataclass(frozen=True)
class Asked:
    """The leads asked about.

    Attributes
    ----------
    waiting : table
        The cohort without those that were decided before.
    decided : tuple of str
        Ids of the others.
    channels : Series
        Channel by lead id; empty where the source knows none.
    """

    waiting: ir.Table
    decided: tuple[str, ...]
    channels: pd.Series


def asked_of(tables: Tables, cohort: ir.Table, store: Store) -> Asked:
    """Split a cohort by what the decision log says."""
    leads = tables.leads
    channel = leads.channel if "channel" in leads.columns else ibis.null("string")
    rows = leads.select("lead_id", channel=channel).semi_join(cohort, "lead_id").to_pyarrow()
    ids = rows["lead_id"].to_pandas()
    channels = pd.Series(rows["channel"].to_pandas().to_numpy(), index=pd.Index(ids))
    known = store.decided()
    decided = tuple(sorted(ids[ids.isin(known)])) if known else ()
    if decided:
        cohort = cohort.anti_join(ibis.memtable(pa.table({"lead_id": pa.array(decided, pa.string())})), "lead_id")
    return Asked(waiting=cohort, decided=decided, channels=channels)
