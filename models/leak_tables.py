"""The tables that the leak guard looks at: columns of the leads table and the model's matrix, beside the leads that were drawn."""

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.recipe import Recipe
from models.encoding import categorical_columns, categories_of, encode
from models.leak_samples import Sample
from models.learning import LearningSet


def source_columns(recipe: Recipe) -> list[str]:
    """The columns of the leads table that a recipe reads, each once: those that can leak."""
    return list(dict.fromkeys(attribute.name for attribute in recipe.attributes if attribute.kind != "calendar"))


def places_by_source(recipe: Recipe) -> dict[str, list[int]]:
    """The places of a recipe's columns by what they are made of: a column of the leads table, or a group of features."""
    found: dict[str, list[int]] = {}
    for place, column in enumerate(recipe.columns):
        arguments = dict(column.arguments)
        found.setdefault(arguments.get("attribute") or arguments.get("key") or column.group, []).append(place)
    return found


def places_of(leads: pd.Series, table: pd.DataFrame, name: str) -> np.ndarray:
    """The row of a table that is about each of some leads; -1 where none is."""
    if "lead_id" not in table.columns:
        raise ContractError(f"{name} has no column lead_id; no column was judged.")
    if repeated := table["lead_id"].duplicated().sum():
        raise ContractError(f"{name} repeats {repeated} leads; no column was judged. Keep one row per lead.")
    return pd.Index(table["lead_id"]).get_indexer(leads)


def beside(learning: LearningSet, raw: pd.DataFrame, columns: list[str], rows: np.ndarray) -> pd.DataFrame:
    """The columns of the leads table for some rows of the learning set, whose numbers are the index."""
    places = places_of(learning.frame["lead_id"].iloc[rows], raw, "the leads table")
    lacking = [f"column {name}" for name in columns if name not in raw.columns]
    if lacking or (places < 0).any():
        lacking += [f"{(places < 0).sum()} of {len(places)} leads"] if (places < 0).any() else []
        raise ContractError(f"the leads table lacks what is to be learned from; no column was judged.\n  absent: {', '.join(lacking)}.")
    return raw[columns].iloc[places].set_axis(rows)


def matrix_of(learning: LearningSet, matrix: pd.DataFrame | None, sample: Sample) -> tuple[np.ndarray, list[int]]:
    """The matrix of a sample, and which of its columns are categories."""
    looked_at = learning.frame.iloc[sample.rows]
    if matrix is not None:
        looked_at = matrix.iloc[places_of(looked_at["lead_id"], matrix, "the matrix")]
    categories = categories_of(looked_at, learning.recipe)
    return encode(looked_at, categories).to_numpy(), categorical_columns(categories)
