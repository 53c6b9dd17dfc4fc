"""What drives a model: how far each group of columns moves a lead's score, over all leads and within segments."""

import numpy as np
import pandas as pd

from features.recipe import Recipe
from models.hazard import Hazard

CONTRIBUTION_ROWS = 2_000
CLEAR = 0.5
FEWEST = 50
MOST_SEGMENTS = 6


def importance_by_group(hazard: Hazard, encoded: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """How far each group of columns moves a lead's score, by exact contributions to ``f(x)``.

    Parameters
    ----------
    hazard : Hazard
    encoded : DataFrame
        Leads as the hazard reads them; at most 2,000, evenly spaced, are looked at.
    recipe : Recipe
        Says which group a column belongs to, and which columns are numbers.

    Returns
    -------
    DataFrame
        ``group``, ``strength`` (mean absolute move, in logits), ``hint``: "more raises it" or "more lowers it" where the number that
        moves the score most within the group clearly does, else empty. Strongest first; groups that move nothing are left out.
    """
    rows = np.unique(np.linspace(0, len(encoded) - 1, min(len(encoded), CONTRIBUTION_ROWS)).astype(int))
    sample = encoded.iloc[rows].to_numpy()
    moves = hazard.booster.predict(sample, pred_contrib=True)[:, :-1]
    found = []
    columns = pd.Series([column.group for column in recipe.columns])
    for group, members in columns.groupby(columns, sort=False):
        positions = members.index.to_numpy()
        strength = np.abs(moves[:, positions].sum(axis=1)).mean()
        leading = positions[np.abs(moves[:, positions]).mean(axis=0).argmax()]
        is_number = recipe.columns[leading].kind == "number"
        found.append((group, strength, _hint(sample[:, leading], moves[:, leading]) if is_number else ""))
    table = pd.DataFrame(found, columns=["group", "strength", "hint"])
    return table[table["strength"] > 0].sort_values("strength", ascending=False, kind="stable").reset_index(drop=True)


def importance_by_segment(hazard: Hazard, encoded: pd.DataFrame, recipe: Recipe, segment: pd.Series) -> dict[str, pd.DataFrame]:
    """The same within the commonest values of a column, for those of which there are at least 50 leads.

    Parameters
    ----------
    hazard, encoded, recipe
        As for :func:`importance_by_group`.
    segment : Series of str
        Beside ``encoded``, row by row.
    """
    values = segment.astype("object").to_numpy()
    counts = pd.Series(values).value_counts()
    return {
        str(value): importance_by_group(hazard, encoded[values == value], recipe)
        for value in counts[counts >= FEWEST].index[:MOST_SEGMENTS]
    }


def _hint(values: np.ndarray, moves: np.ndarray) -> str:
    filled = np.isfinite(values)
    values, moves = pd.Series(values[filled]), pd.Series(moves[filled])
    if values.nunique() < 2 or moves.nunique() < 2:
        return ""
    agreement = values.corr(moves, method="spearman")
    return "more raises it" if agreement > CLEAR else "more lowers it" if agreement < -CLEAR else ""
