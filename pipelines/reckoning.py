"""What became of decided leads: the decision log beside the outcomes that are known today."""

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from features.labels import convert_labels, fates, pursue_labels
from features.matrix import fetch
from features.tables import Tables
from pipelines.settings import Settings


def reckoned(decisions: pd.DataFrame, tables: Tables, settings: Settings) -> pd.DataFrame:
    """The decisions with ``settled``, ``accepted``, ``won``, ``margin`` and ``rep``; leads that the source no longer has are left out.

    A lead is settled when both horizons have passed since its decision, whatever came of it; won counts within them.
    """
    decided = ibis.memtable(pa.table({name: pa.array(decisions[name]) for name in ("lead_id", "as_of")}))
    leads = tables.leads.select("lead_id", "account_id", "created_at")
    cohort = leads.join(decided, "lead_id")
    fate = fetch(fates(tables, cohort)).to_pandas()
    known = (fate, settings.label, tables.end, tables.stages, tables.outcome_times)
    pursued, converted = pursue_labels(*known), convert_labels(*known)
    span = pd.Timedelta(days=settings.label.pursue_days + settings.label.convert_days)
    over = (fate["as_of"] + span <= tables.end).to_numpy() if tables.outcome_times else np.isfinite(converted.outcome)
    margin = fate["margin"] if fate["margin"].notna().any() else settings.policy.margin_share * fate["amount"]
    found = pd.DataFrame(
        {
            "lead_id": fate["lead_id"],
            "settled": over,
            "accepted": pursued.outcome == 1 if "accepted" in tables.stages else True,
            "won": converted.outcome == 1,
            "margin": margin.astype(float),
            "rep": fate["rep"],
        }
    )
    return decisions.merge(found, on="lead_id", how="inner")
