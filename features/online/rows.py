"""A few rows of the matrix, without what a data frame costs: milliseconds, where the whole answer is to take no more."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """What ``features.matrix.frame`` gives, column by column; it is asked as a data frame is.

    Attributes
    ----------
    columns : mapping of str to array
        ``lead_id``, ``account_id``, ``created_at`` and ``as_of`` (datetime64[us]), numbers as float32, categories as
        objects. Empty is nan.
    """

    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["lead_id"])

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def take(self, places: np.ndarray) -> "Rows":
        """The rows at some places."""
        return Rows({name: values[places] for name, values in self.columns.items()})
