"""What is counted of leads to tell whether they are as the model knows them: part by part, and with little imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.scoring.scorer import Scorer

KEPT = 20  # of values never seen, in each part


@dataclass(frozen=True)
class Tally:
    """What ``models.monitoring.data_drift.oddities`` needs of some leads; those of several parts may be added up.

    Attributes
    ----------
    leads : int
    there : dict of str to int
        By column of the matrix, how many leads have a value.
    unseen : dict of str to int
        By column, how many have one that the model never saw; only where there are such.
    examples : dict of str to dict
        The commonest of those, and how often each came.
    """

    leads: int = 0
    there: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    examples: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, scorer: Scorer, leads: pd.DataFrame) -> "Tally":
        """Of a matrix."""
        there, unseen, examples = {}, {}, {}
        for name, known in scorer.categories.items():
            there[name] = int(leads[name].notna().sum())
            if known is None:
                continue
            counts = leads[name].value_counts()
            new = counts[~np.isin(counts.index.astype(str), known) & (counts > 0)]
            if len(new):
                unseen[name] = int(new.sum())
                examples[name] = {str(value): int(count) for value, count in new.iloc[:KEPT].items()}
        return cls(len(leads), there, unseen, examples)

    def __add__(self, other: "Tally") -> "Tally":
        examples = {
            name: _added(self.examples.get(name, {}), other.examples.get(name, {}))
            for name in {**self.examples, **other.examples}
        }
        return Tally(
            self.leads + other.leads,
            _added(self.there, other.there),
            _added(self.unseen, other.unseen),
            examples,
        )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
