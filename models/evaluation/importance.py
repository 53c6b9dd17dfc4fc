"""What drives a model: how far each group of columns moves a lead's score, over all leads and within
segments.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.recipe import Recipe
from models.scoring.reasons import contributions
from models.survival.hazard import Hazard, evenly

CONTRIBUTION_ROWS = 2_000
CLEAR = 0.5
FEWEST = 50
MOST_SEGMENTS = 6


@dataclass(frozen=True)
class Moves:
    """How far each column moves the score of each of some leads.

    Attributes
    ----------
    rows : array of int
        Which leads were looked at.
    values, moves : array of float, shape (rows, columns)
        What the columns say, as numbers, and their exact contributions to ``f(x)``, in logits.
    recipe : Recipe
        Says which group a column belongs to, and which columns are numbers.
    """

    rows: np.ndarray
    values: np.ndarray
    moves: np.ndarray
    recipe: Recipe

    def by_group(self) -> pd.DataFrame:
        """How far each group of columns moves a lead's score.

        Returns
        -------
        DataFrame
            ``group``, ``strength`` (mean absolute move, in logits), ``hint``: "more raises it" or "more
            lowers it" where the number that moves the score most within the group clearly does, else empty;
            of a text, whatever is made of it, there is no more. Strongest first; groups that move nothing are
            left out.
        """
        strengths = self._strengths()
        table = (
            strengths.rename("strength")
            .rename_axis("group")
            .reset_index()
            .assign(hint=[self._hint(group) for group in strengths.index])
        )
        return (
            table[table["strength"] > 0]
            .sort_values("strength", ascending=False, kind="stable")
            .reset_index(drop=True)
        )

    def by_segment(self, segment: pd.Series) -> dict[str, pd.Series]:
        """The strengths of all groups of columns within the values of a column, the commonest six of those
        that at least 50 leads have.

        Parameters
        ----------
        segment : Series
            Beside the leads that were looked at, row by row; of ordered categories, the result keeps the
            order.
        """
        counts = segment.value_counts()
        kept = list(counts[counts >= FEWEST].index[:MOST_SEGMENTS])
        if isinstance(segment.dtype, pd.CategoricalDtype) and segment.dtype.ordered:
            kept = [value for value in segment.dtype.categories if value in kept]
        return {str(value): self._strengths((segment == value).to_numpy()) for value in kept}

    def _strengths(self, chosen: np.ndarray | slice = slice(None)) -> pd.Series:
        return pd.Series(
            {
                group: np.abs(self.moves[chosen][:, columns].sum(axis=1)).mean()
                for group, columns in self._columns.items()
            }
        )

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        """Where the columns of each group stand."""
        groups = pd.Series([column.group for column in self.recipe.columns])
        return {group: members.index.to_numpy() for group, members in groups.groupby(groups, sort=False)}

    def _hint(self, group: str) -> str:
        """Which way the column works that moves the score most within a group, if it is a number and clearly
        works one way.
        """
        kinds = {attribute.name: attribute.kind for attribute in self.recipe.attributes}
        columns = self._columns[group]
        leading = columns[np.abs(self.moves[:, columns]).mean(axis=0).argmax()]
        filled = np.isfinite(self.values[:, leading])
        values, moves = pd.Series(self.values[filled, leading]), pd.Series(self.moves[filled, leading])
        of_text = kinds.get(group, "number") != "number" or "key" in dict(
            self.recipe.columns[leading].arguments
        )
        if (
            of_text
            or self.recipe.columns[leading].kind != "number"
            or values.nunique() < 2
            or moves.nunique() < 2
        ):
            return ""
        agreement = values.corr(moves, method="spearman")
        return "more raises it" if agreement > CLEAR else "more lowers it" if agreement < -CLEAR else ""


def moves_of(hazard: Hazard, encoded: pd.DataFrame, recipe: Recipe) -> Moves:
    """Look at leads as the hazard reads them: at most 2,000 of them, evenly spaced."""
    rows = evenly(np.arange(len(encoded)), CONTRIBUTION_ROWS)
    looked = encoded.iloc[rows]
    return Moves(rows, looked.to_numpy(), contributions(hazard, looked), recipe)
