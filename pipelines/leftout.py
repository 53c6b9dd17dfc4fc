"""Rows that are left out because the mapping asks for it: never in silence."""

import ibis
import ibis.expr.types as ir

from features.contracts import closed_before_accepted, counted, negative_delays, unknown_leads

OUTCOME_KEY = ["lead_id", "stage", "occurred_at", "recorded_at"]


class LeftOut:
    """Leaves rows out and keeps a warning for each reason. ``flat`` says that outcomes come from a column of the leads."""

    def __init__(self, *, flat: bool) -> None:
        self.flat = flat
        self.warnings: list[str] = []

    def without(self, table: ir.Table, gone: ir.Table | None) -> ir.Table:
        """Without the rows of leads that were left out on request."""
        return table if gone is None else table.anti_join(gone, "lead_id")

    def complete(self, role: str, table: ir.Table, columns: tuple[str, ...], *, drop: bool) -> ir.Table:
        if not drop:
            return table
        lacking = ibis.or_(*[table[column].isnull() for column in columns])
        self.dropped(table.aggregate(n=lacking.sum()).to_pyarrow()["n"][0].as_py(), role, "incomplete", "drop_incomplete")
        return table.filter(~lacking)

    def known(self, role: str, table: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return table
        self.dropped(unknown_leads(table, leads).count().to_pyarrow().as_py(), role, "of unknown leads", "drop_unknown_leads")
        return table.filter(table.lead_id.isnull()).union(table.semi_join(leads, "lead_id"))

    def consistent(self, outcomes: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return outcomes
        early = negative_delays(outcomes, leads).select(*outcomes.columns)
        self.dropped(early.count().to_pyarrow().as_py(), "outcomes", "dated before their lead was created", "drop_inconsistent")
        outcomes = outcomes.anti_join(early, OUTCOME_KEY)
        closed = closed_before_accepted(outcomes).select(*outcomes.columns)
        self.dropped(closed.count().to_pyarrow().as_py(), "outcomes", "closed before their lead was accepted", "drop_inconsistent")
        return outcomes.anti_join(closed, OUTCOME_KEY)

    def dropped(self, rows: int | None, role: str, which: str, setting: str) -> None:
        """Nothing is left out in silence."""
        if rows:
            section = "outcome" if role == "outcomes" and self.flat else role
            self.warnings.append(f"{role}: {counted(rows, which + ' was', which + ' were')} left out ([source.{section}] {setting})")
