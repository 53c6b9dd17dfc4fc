"""What is known of leads, at hand, and what a version proposes for them: of all at once, or of a part of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.joined import finished
from features.matrix import frame
from features.outcomes import days_since_taken
from features.recipe import Recipe
from models.monitoring.tally import Tally
from pipelines.deciding.record import propose
from pipelines.store.decision_queries import SAID
from pipelines.version_files import Champion

TAKEN = "__taken_at"


@dataclass(frozen=True)
class Known:
    """What is known of leads, at hand: the matrix, ``channel`` and ``owner``, and for how many days sales has had each."""

    leads: pd.DataFrame
    said: pd.DataFrame
    taken_days: np.ndarray | None

    @classmethod
    def of(cls, part: pa.Table, recipe: Recipe) -> "Known":
        """Of rows as `WaitingLeads` joins them."""
        leads = frame(finished(part, recipe), recipe)
        said = pd.DataFrame({name: part[f"__{name}"].to_pandas() for name in SAID})
        if TAKEN not in part.column_names:
            return cls(leads, said, None)
        taken_at = part[TAKEN].cast(pa.timestamp("us")).to_numpy()
        created_at, as_of = (leads[name].to_numpy() for name in ("created_at", "as_of"))
        return cls(leads, said, days_since_taken(taken_at, created_at, as_of, recipe.horizons.delay))

    def proposed(self, version: Champion, *, with_reasons: int = 0) -> pd.DataFrame:
        """What a version would decide of each, by the rules of its policy."""
        return propose(
            version,
            self.leads,
            self.said,
            with_reasons=with_reasons,
            taken_days=self.taken_days,
            rules=version.policy.rules,
        )


@dataclass(frozen=True)
class Proposed:
    """What a version would decide of the leads that wait, as ``propose`` gives it, and what was counted of them."""

    decisions: pd.DataFrame
    tally: Tally


def scored(version: Champion, part: pa.Table) -> Proposed:
    """One part of a joined matrix, scored, nobody with reasons."""
    known = Known.of(part, version.scorer.recipe)
    return Proposed(known.proposed(version), Tally.of(version.scorer, known.leads))
