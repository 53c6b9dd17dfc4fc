"""Matrices of small worlds, and what it means for two of them to be the same."""

from datetime import timedelta

import numpy as np
import pandas as pd

from features.labels import Horizons
from features.matrix import matrix
from features.online.rows import Rows
from features.recipe import FeatureSettings, Recipe, recipe_for
from features.tables import scoring_cohort, training_cohort

HORIZONS = Horizons(pursue_days=14, convert_days=30, delay=timedelta(days=2))


def computed(world, engine, cohort=None, recipe=None, as_of=None):
    """Recipe, cohort and matrix of a world, as pandas."""
    tables = world.tables(engine)
    recipe = recipe or recipe_for(tables, FeatureSettings(), HORIZONS)
    cohort = training_cohort(tables, HORIZONS.delay) if as_of is None else scoring_cohort(tables, as_of)
    return recipe, cohort.to_pyarrow().to_pandas(), matrix(tables, cohort, recipe).to_pandas()


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, recipe: Recipe) -> None:
    assert list(found.columns) == list(expected.columns)
    assert found["lead_id"].tolist() == expected["lead_id"].tolist()
    for column in recipe.columns:
        if column.kind == "category":
            ours, theirs = (
                each[column.name].astype(object).where(each[column.name].notna(), None).tolist()
                for each in (found, expected)
            )
            assert ours == theirs, column.name
        else:
            ours, theirs = (each[column.name].astype("float64").to_numpy() for each in (found, expected))
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=column.name
            )


def framed(rows: Rows, recipe: Recipe) -> pd.DataFrame:
    """Rows at hand as ``features.matrix.frame`` frames a matrix."""
    found = pd.DataFrame(dict(rows.columns)).astype({"lead_id": "str", "account_id": "str"})
    for column in recipe.columns:
        if column.kind == "category":
            values = found[column.name]
            levels = pd.Index(sorted(values.dropna().unique()), dtype="str")
            found[column.name] = pd.Categorical(values, categories=levels)
    return found
