"""What a lead would be worth as a customer: the usual margin of wins like it, learned from wins alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.survival.encoding import BINNING, Categories, binned, categorical_columns, encode, subset
from models.survival.linear import FEW

FEWEST_FOR_TREES = 300
SHRINKAGE = 20  # wins of the whole that a segment's own must outweigh
ABSURD = 100  # times the median
FOLDS = 5
ROUNDS = 150
TREES = BINNING | {
    # The median: a few huge deals must not set what all others are expected to bring.
    "objective": "regression_l1",
    "num_leaves": 6,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.6,
    "cat_smooth": 20.0,
    "cat_l2": 10.0,
    "min_data_per_group": 50,
    "deterministic": True,
    "force_col_wise": True,
}


@dataclass(frozen=True)
class Margins:
    """The margin to expect of a lead if it is won.

    It is the median: as many customers bring more as bring less. Margins are skewed to the right, so a sum of
    medians stays below the sum that comes in.

    Attributes
    ----------
    overall : float
        Median margin of all wins.
    segment : str or None
        The column whose values have medians of their own.
    medians : dict
        Value of ``segment`` to its median, drawn towards ``overall`` the fewer wins it has.
    wins : int
        Margins it rests on.
    notes : tuple of str
        What was left out and why, in sentences.
    model : str or None
        A LightGBM booster's text that gives the logarithm of the margin, where that told wins apart better
        than ``segment``.
    categories : dict
        The columns of ``model``.
    """

    overall: float
    segment: str | None
    medians: dict[str, float]
    wins: int
    notes: tuple[str, ...] = ()
    model: str | None = None
    categories: Categories | None = None

    def expected(
        self, frame: pd.DataFrame, *, encoded: pd.DataFrame | None = None, threads: int = 2
    ) -> np.ndarray:
        """Median margin of each row of a feature matrix, shape (n,): above 0, never empty.

        ``encoded`` are the same rows as ``encoding.encode`` gives them for ``categories``, where somebody has
        encoded them already.

        Raises
        ------
        ContractError
            Where the matrix lacks a column that the margins were fitted on.
        """
        if self.model is not None:
            encoded = encode(frame, self.categories) if encoded is None else encoded
            alone = len(encoded) <= FEW
            return np.exp(self._trees.predict(encoded.to_numpy(), num_threads=1 if alone else threads))
        return _looked_up(frame, self.segment, self.medians, self.overall)

    @cached_property
    def _trees(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.model)


def fit_margins(
    frame: pd.DataFrame,
    margin: np.ndarray,
    *,
    categories: Categories,
    segment: str | None = "channel",
    threads: int = 2,
    seed: int = 0,
) -> Margins | None:
    """Learn what customers bring.

    Parameters
    ----------
    frame : data frame, n rows
        The feature matrix of won leads, in time order.
    margin : array of float, shape (n,)
        What each brought; empty where unknown. Margins that are not above 0, or more than 100 times the
        median, are left out.
    categories : dict
        The columns that trees may use, as ``encoding.categories_of`` gives them.
    segment : str or None
        A category column of the frame; where it has none of that name, or for None, there is one median for
        all.
    threads, seed
        Of LightGBM; the result does not depend on ``threads``.

    Returns
    -------
    Margins or None
        None without a single usable margin. Trees are fitted from 300 margins on, and kept only where they
        miss the margins of wins they were not fitted on by less than the segments' medians do.
    """
    margin = np.asarray(margin, dtype=float)
    usable, notes = _usable(margin)
    if not usable.any():
        return None
    frame, size = frame.loc[usable].reset_index(drop=True), np.log(margin[usable])
    segment = segment if segment in frame.columns else None
    overall, medians = _medians(frame, size, segment)
    kept = None
    if categories and len(size) >= FEWEST_FOR_TREES:
        kept = _trees_if_better(frame, size, categories, segment, {"num_threads": threads, "seed": seed})
    return Margins(
        overall=overall,
        segment=segment,
        medians=medians,
        wins=len(size),
        notes=notes,
        model=kept,
        categories=None if kept is None else dict(categories),
    )


def _usable(margin: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which margins can be learned from, and what is to be said about the others."""
    missing, positive = np.isnan(margin), margin > 0
    usual = float(np.median(margin[positive])) if positive.any() else np.nan
    # Where the median itself is infinite nothing is usable.
    usable = positive & (margin <= ABSURD * usual) & np.isfinite(margin)
    lacking, odd, huge = int(missing.sum()), int((~missing & ~positive).sum()), positive & ~usable
    notes = []
    if lacking:
        notes.append(
            f"The margin of {lacking:,} of {len(margin):,} wins ({lacking / len(margin):.0%}) is missing."
        )
    if odd:
        notes.append(f"Margins of 0 or below, left out: {odd:,} of {len(margin):,}.")
    if huge.any():
        notes.append(
            f"Margins of more than {ABSURD} times the median of {usual:,.0f}, left out: {int(huge.sum()):,} of {len(margin):,}, "
            f"such as {margin[huge][0]:,.0f}. Check their unit."
        )
    return usable, tuple(notes)


def _medians(frame: pd.DataFrame, size: np.ndarray, segment: str | None) -> tuple[float, dict[str, float]]:
    """The median of all and those of a column's values, each ``n / (n + 20)`` of its own and the rest of the
    whole, in logarithms.
    """
    overall = float(np.median(size))
    if segment is None:
        return float(np.exp(overall)), {}
    groups = pd.Series(size).groupby(frame[segment], observed=True)
    own, wins = groups.median(), groups.size()
    shrunk = np.exp((wins * own + SHRINKAGE * overall) / (wins + SHRINKAGE))
    return float(np.exp(overall)), {str(name): float(value) for name, value in shrunk.items()}


def _looked_up(
    frame: pd.DataFrame, segment: str | None, medians: Mapping[str, float], overall: float
) -> np.ndarray:
    """Each row's median; the overall one where its segment is empty or was never seen."""
    if segment is None:
        return np.full(len(frame), overall)
    position = encode(frame, {segment: tuple(medians)})[segment].fillna(len(medians)).to_numpy(dtype=int)
    return np.array([*medians.values(), overall])[position]


def _trees_if_better(
    frame: pd.DataFrame,
    size: np.ndarray,
    categories: Categories,
    segment: str | None,
    settings: dict[str, int],
) -> str | None:
    """The text of trees for the logarithm of the margin, or None where they do no better than medians on wins
    they have not seen.

    Five stretches of time, each foretold from the other four; better means a smaller mean absolute error of
    the logarithm.
    """
    encoded = encode(frame, categories)
    data = binned(encoded, categorical_columns(categories), threads=settings["num_threads"])
    data.set_label(size)

    def grown(rows: np.ndarray) -> lgb.Booster:
        return lgb.train(
            TREES | settings, subset(data, rows, threads=settings["num_threads"]), num_boost_round=ROUNDS
        )

    gain = np.empty(len(size))
    for held in np.array_split(np.arange(len(size)), FOLDS):
        rest = np.setdiff1d(np.arange(len(size)), held)
        overall, medians = _medians(frame.iloc[rest].reset_index(drop=True), size[rest], segment)
        rule = np.log(_looked_up(frame.iloc[held], segment, medians, overall))
        trees = grown(rest).predict(encoded.to_numpy()[held], num_threads=settings["num_threads"])
        gain[held] = np.abs(size[held] - rule) - np.abs(size[held] - trees)
    return grown(np.arange(len(size))).model_to_string() if gain.mean() > 0 else None
