"""What reading a source gives: canonical tables that are not computed yet, and all that was met on the way."""

from dataclasses import dataclass, replace
from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.contracts import Breach
from features.tables import Clock
from pipelines.sources.reading.column_types import ReadAs


@dataclass(frozen=True)
class Reading:
    """Canonical tables as expressions, not yet computed, with what was met on the way."""

    leads: ir.Table
    events: ir.Table | None
    outcomes: ir.Table | None
    clock: Clock
    outcome_times: bool
    stages: tuple[str, ...]
    has_accounts: bool
    breaches: tuple[Breach, ...]
    warnings: tuple[str, ...]
    columns: tuple[ReadAs, ...]

    @property
    def tables(self) -> dict[str, ir.Table]:
        found = {"leads": self.leads, "events": self.events, "outcomes": self.outcomes}
        return {name: table for name, table in found.items() if table is not None}

    def created_by(self, end: datetime) -> "Reading":
        """Without the leads that are created later, and all that belongs to them."""
        late = self.leads.filter(self.leads.created_at > ibis.literal(end)).select("lead_id")
        without = {name: table.anti_join(late, "lead_id") for name, table in self.tables.items()}
        return replace(self, **without)
