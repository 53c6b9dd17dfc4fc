"""What drives a model: how far each group of columns moves a lead's score, over all leads and within segments."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.recipe import Recipe
from models.hazard import Hazard

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

    def by_group(self, chosen: np.ndarray | slice = slice(None)) -> pd.DataFrame:
        """How far each group of columns moves a lead's score, over all or over chosen leads.

        Returns
        -------
        DataFrame
            ``group``, ``strength`` (mean absolute move, in logits), ``hint``: "more raises it" or "more lowers it" where the number that
            moves the score most within the group clearly does, else empty. Strongest first; groups that move nothing are left out.
        """
        values, moves = self.values[chosen], self.moves[chosen]
        found = []
        columns = pd.Series([column.group for column in self.recipe.columns])
        for group, members in columns.groupby(columns, sort=False):
            positions = members.index.to_numpy()
            strength = np.abs(moves[:, positions].sum(axis=1)).mean()
            leading = positions[np.abs(moves[:, positions]).mean(axis=0).argmax()]
            is_number = self.recipe.columns[leading].kind == "number"
            found.append((group, strength, _hint(values[:, leading], moves[:, leading]) if is_number else ""))
        table = pd.DataFrame(found, columns=["group", "strength", "hint"])
        return table[table["strength"] > 0].sort_values("strength", ascending=False, kind="stable").reset_index(drop=True)

    def by_segment(self, segment: pd.Series) -> dict[str, pd.DataFrame]:
        """The same within the values of a column, the commonest six of those that at least 50 of the leads have.

        Parameters
        ----------
        segment : Series
            Beside the leads that were looked at, row by row; of ordered categories, the result keeps the order.
        """
        counts = segment.value_counts()
        kept = list(counts[counts >= FEWEST].index[:MOST_SEGMENTS])
        if isinstance(segment.dtype, pd.CategoricalDtype) and segment.dtype.ordered:
            kept = [value for value in segment.dtype.categories if value in kept]
        return {str(value): self.by_group((segment == value).to_numpy()) for value in kept}


def moves_of(hazard: Hazard, encoded: pd.DataFrame, recipe: Recipe) -> Moves:
    """Look at leads as the hazard reads them: at most 2,000 of them, evenly spaced."""
    rows = np.unique(np.linspace(0, len(encoded) - 1, min(len(encoded), CONTRIBUTION_ROWS)).astype(int))
    values = encoded.iloc[rows].to_numpy()
    return Moves(rows, values, hazard.booster.predict(values, pred_contrib=True)[:, :-1], recipe)


def _hint(values: np.ndarray, moves: np.ndarray) -> str:
    filled = np.isfinite(values)
    values, moves = pd.Series(values[filled]), pd.Series(moves[filled])
    if values.nunique() < 2 or moves.nunique() < 2:
        return ""
    agreement = values.corr(moves, method="spearman")
    return "more raises it" if agreement > CLEAR else "more lowers it" if agreement < -CLEAR else ""
