"""Does a batch of leads look like those the model learned from? Columns gone empty and values never seen, noticed before they are scored.

A model takes both in silence: an empty or unknown value is one more branch of its trees. So it is said aloud.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import binom

from models.scorer import Scorer

CHANCE = 1e-6  # of so few values by chance
HALF = 0.5  # of the usual share of values, below which a column counts as emptied
FEWEST = 10
EXAMPLES = 3


@dataclass(frozen=True)
class Oddity:
    """A column of a batch that is not as the model knows it.

    Attributes
    ----------
    column : str
        The source's column, where the matrix's is read off it.
    what : "emptied" or "unseen"
    share, usual : float
        Of the batch's leads that have a value against those learned from; or of its values that were never seen, against 0.
    examples : tuple of str
        Values never seen, commonest first.
    """

    column: str
    what: Literal["emptied", "unseen"]
    share: float
    usual: float
    examples: tuple[str, ...] = ()

    def words(self) -> str:
        """One sentence: what, how many, an example, what to do."""
        if self.what == "emptied":
            gone = "is empty in every lead" if self.share == 0 else f"has a value in {self.share:.0%} of the leads"
            return f"column '{self.column}' {gone}; {self.usual:.0%} had one when the model learned. Fill it at the source, or train anew"
        such = ", ".join(f"'{value}'" for value in self.examples)
        return (
            f"column '{self.column}': {self.share:.0%} of the values are ones that the model never saw, such as {such}; they count as "
            "empty. If they are new names of old things, map them at the source; else train anew"
        )

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        return {**self.__dict__, "examples": list(self.examples), "words": self.words()}


def oddities(scorer: Scorer, leads: pd.DataFrame, *, max_new: float) -> tuple[Oddity, ...]:
    """What in a batch is not as the model knows it, a column of the source named once.

    Parameters
    ----------
    leads : DataFrame
        The matrix of the batch; fewer than ten leads tell nothing.
    max_new : float
        The share of unseen values that is still taken for granted.
    """
    if len(leads) < FEWEST:
        return ()
    found: dict[tuple[str, str], Oddity] = {}
    for column in scorer.recipe.columns:
        known, values = scorer.categories[column.name], leads[column.name]
        each = _emptied(column.group, values, scorer.filled) or _unseen(column.group, values, known, max_new)
        if each is not None:
            found.setdefault((each.column, each.what), each)
    return tuple(found.values())


def _emptied(name: str, values: pd.Series, filled: Mapping[str, float]) -> Oddity | None:
    there, usual = int(values.notna().sum()), filled[values.name]
    if there >= HALF * usual * len(values) or binom.cdf(there, len(values), usual) > CHANCE:
        return None
    return Oddity(name, "emptied", there / len(values), usual)


def _unseen(name: str, values: pd.Series, known: tuple[str, ...] | None, max_new: float) -> Oddity | None:
    if known is None:
        return None
    counts = values.value_counts()
    there = counts.sum()
    new = counts[~np.isin(counts.index.astype(str), known) & (counts > 0)]
    if there < FEWEST or new.sum() <= max_new * there:
        return None
    return Oddity(name, "unseen", float(new.sum() / there), 0.0, tuple(new.index[:EXAMPLES].astype(str)))
