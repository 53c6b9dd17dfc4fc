"""Rows that a mapping asks to leave out, each kind counted and named, and outcomes of days compared by day."""

import ibis
import ibis.expr.types as ir

from features.contracts import closed_before_accepted, counted, negative_delays, unknown_leads
from pipelines.sources.reading.columns import TIME

OUTCOME_KEY = ["lead_id", "stage", "occurred_at", "recorded_at"]


class LeftOut:
    """Leaves rows out and keeps a warning for each reason. ``section`` is the one that says where outcomes
    are.
    """

    def __init__(self, *, section: str) -> None:
        self.section = section
        self.warnings: list[str] = []

    def without(self, table: ir.Table, gone: ir.Table | None) -> ir.Table:
        """Without the rows of leads that were left out on request."""
        return table if gone is None else table.anti_join(gone, "lead_id")

    def complete(self, role: str, table: ir.Table, columns: tuple[str, ...], *, drop: bool) -> ir.Table:
        if not drop:
            return table
        lacking = ibis.or_(*[table[column].isnull() for column in columns])
        self.dropped(
            table.aggregate(n=lacking.sum()).to_pyarrow()["n"][0].as_py(),
            role,
            "incomplete",
            "drop_incomplete",
        )
        return table.filter(~lacking)

    def known(self, role: str, table: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return table
        self.dropped(
            unknown_leads(table, leads).count().to_pyarrow().as_py(),
            role,
            "of unknown leads",
            "drop_unknown_leads",
        )
        return table.filter(table.lead_id.isnull()).union(table.semi_join(leads, "lead_id"))

    def consistent(self, outcomes: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return outcomes
        early = negative_delays(outcomes, leads).select(*outcomes.columns)
        self.dropped(
            early.count().to_pyarrow().as_py(),
            "outcomes",
            "dated before their lead was created",
            "drop_inconsistent",
        )
        outcomes = outcomes.anti_join(early, OUTCOME_KEY)
        closed = closed_before_accepted(outcomes).select(*outcomes.columns)
        self.dropped(
            closed.count().to_pyarrow().as_py(),
            "outcomes",
            "closed before their lead was accepted",
            "drop_inconsistent",
        )
        return outcomes.anti_join(closed, OUTCOME_KEY)

    def dropped(self, rows: int | None, role: str, which: str, setting: str) -> None:
        """Nothing is left out in silence."""
        if rows:
            section = self.section if role == "outcomes" else role
            self.warnings.append(
                f"{role}: {counted(rows, which + ' was', which + ' were')} left out ([source.{section}] {setting})"
            )


def compared_by_day(outcomes: ir.Table, leads: ir.Table) -> ir.Table:
    """Outcomes that are days, not times: one of the very day of its lead's creation, or a closing of the day
    of the acceptance, came no earlier than that.
    """
    created = leads.group_by("lead_id").aggregate(created=leads.created_at.min()).rename(created_of="lead_id")
    taken = outcomes.filter(outcomes.stage == "accepted")
    taken = taken.group_by("lead_id").aggregate(taken=taken.recorded_at.min()).rename(taken_of="lead_id")
    rows = outcomes.left_join(created, outcomes.lead_id == created.created_of)
    rows = rows.left_join(taken, rows.lead_id == taken.taken_of)

    def no_earlier(time: ir.TimestampColumn, than: ir.TimestampColumn) -> ir.TimestampColumn:
        same_day = (time == time.truncate("D")) & (than.truncate("D") == time)
        return ibis.ifelse(same_day.fill_null(False), than, time)

    first = no_earlier(rows.taken, rows.created)
    closed = rows.stage.isin(("won", "lost"))
    moved = {}
    for name in ("occurred_at", "recorded_at"):
        time = no_earlier(rows[name], rows.created)
        same_day = (rows[name] == rows[name].truncate("D")) & (first.truncate("D") == rows[name])
        moved[name] = ibis.ifelse((closed & same_day & (time < first)).fill_null(False), first, time).cast(
            TIME
        )
    return rows.mutate(**moved).select(*outcomes.columns)
