"""From the feature matrix to the numbers LightGBM reads: category lists fixed at the fit, one float32 block,
no second copy.
"""

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.errors import ContractError
from features.online.rows import Rows
from features.recipe import Recipe

Categories = dict[str, tuple[str, ...] | None]

MAX_CATEGORIES = 1000
# What shapes the bins must be the same for the data and every fit on it.
BINNING = {
    "max_bin": 255,
    "min_data_in_bin": 3,
    "verbose": -1,
    "feature_pre_filter": False,
    "max_cat_to_onehot": 4,
}


def categories_of(frame: pd.DataFrame, recipe: Recipe, rows: np.ndarray | None = None) -> Categories:
    """The columns of a recipe in their order, each category column with its values, commonest first.

    Parameters
    ----------
    frame : data frame
        The feature matrix the scorer is fitted on.
    recipe : Recipe
        Says which columns there are and which are categories.
    rows : array of int, optional
        The only rows to look at.

    Returns
    -------
    dict
        Column name to the tuple of known values, or to None for a number. Past ``MAX_CATEGORIES`` values the
        rest count as missing.
    """
    known: Categories = {}
    for column in recipe.columns:
        if column.kind == "number":
            known[column.name] = None
            continue
        values = frame[column.name] if rows is None else frame[column.name].iloc[rows]
        counts = values.astype("category").value_counts(sort=False)
        counts = counts[counts > 0].sort_index().sort_values(ascending=False, kind="stable")
        known[column.name] = tuple(str(value) for value in counts.index[:MAX_CATEGORIES])
    return known


def encode(frame: pd.DataFrame | Rows, categories: Categories) -> pd.DataFrame:
    """The matrix as one block of float32: numbers as they are, categories as the position in their list.

    A value that the fit never saw is missing, as is an empty one. The frame's other columns are left out.

    Raises
    ------
    ContractError
        Where columns that the scorer was fitted on are absent.
    """
    absent = [name for name in categories if name not in frame]
    if absent:
        raise ContractError(
            f"the matrix lacks {len(absent)} columns that the scorer needs; no lead was scored.\n  {', '.join(absent)}"
        )
    block = np.empty((len(frame), len(categories)), dtype=np.float32, order="F")
    for position, (name, values) in enumerate(categories.items()):
        column = block[:, position]
        if isinstance(frame, Rows):
            column[:] = frame[name] if values is None else places(frame[name], values)
        elif values is None:
            column[:] = frame[name].to_numpy(dtype=np.float32, na_value=np.nan)
        else:
            column[:] = codes(frame[name], values)
    block[np.isinf(block)] = np.nan
    index = pd.RangeIndex(len(frame)) if isinstance(frame, Rows) else frame.index
    return pd.DataFrame(block, columns=list(categories), index=index, copy=False)


def places(entries: np.ndarray, values: Sequence[str]) -> list[float]:
    """The same as ``codes`` of a few texts."""
    position = dict(zip(values, range(len(values)), strict=True))
    return [position.get(entry, np.nan) for entry in entries.tolist()]


def codes(column: pd.Series, values: Sequence[str]) -> np.ndarray:
    """Each entry's position in a list of values, NaN for what is not in it."""
    entries = (column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")).cat
    position = {value: float(index) for index, value in enumerate(values)}
    lookup = np.array(
        [position.get(str(category), np.nan) for category in entries.categories] + [np.nan], dtype=np.float32
    )
    return lookup[entries.codes.to_numpy()]


def categorical_columns(categories: Categories) -> list[int]:
    """Positions of the category columns, as LightGBM wants them."""
    return [position for position, values in enumerate(categories.values()) if values is not None]


def binned(encoded: pd.DataFrame, categorical: Sequence[int] = (), *, threads: int = 2) -> lgb.Dataset:
    """An encoded matrix as LightGBM's own data; columns are named by position, for LightGBM allows few
    characters in a name.
    """
    # LightGBM wants a label even though the objective brings its own.
    return lgb.Dataset(
        encoded.to_numpy(),
        label=np.zeros(len(encoded), dtype=np.float32),
        categorical_feature=list(categorical),
        params=BINNING | {"num_threads": threads},
        free_raw_data=True,
    ).construct()


def subset(data: lgb.Dataset, rows: np.ndarray, *, threads: int = 2) -> lgb.Dataset:
    """Some rows of binned data."""
    return data.subset(rows, params=BINNING | {"num_threads": threads})
