"""The story of one lead: everything on record of it, when it happened and when the data could first have known."""

import pandas as pd

from features.tables import Tables


def story(tables: Tables, lead_id: str) -> pd.DataFrame:
    """A lead's creation, events and outcomes in the order of recording: ``what``, ``table``, ``occurred_at``, ``recorded_at``."""
    lead = tables.leads.filter(tables.leads.lead_id == lead_id)
    parts = [lead.select(occurred_at="created_at", recorded_at="created_at").to_pyarrow().to_pandas().assign(what="created", table="leads")]
    for name, table, what in (("events", tables.events, "kind"), ("outcomes", tables.outcomes, "stage")):
        if table is not None:
            rows = table.filter(table.lead_id == lead_id).select("occurred_at", "recorded_at", what=what)
            parts.append(rows.to_pyarrow().to_pandas().assign(table=name))
    told = pd.concat(parts, ignore_index=True).sort_values(["recorded_at", "occurred_at"], kind="stable", ignore_index=True)
    return told[["what", "table", "occurred_at", "recorded_at"]]
