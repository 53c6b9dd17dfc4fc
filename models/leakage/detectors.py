"""What a column gives away: measures over plain columns, a number each, for the leak guard to judge.

A table shows its columns as they are today. What they tell of outcomes is measured among leads of the same
span of time, so that a column which only tells one period from another tells nothing here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
import scipy
from scipy.special import entr

from models.dataset import LearningSet
from models.evaluation.metrics import concordant, counts_by_score, log_losses, pairs, ratio
from models.leakage.samples import DAY, FOLDS, Sample, as_of_times

BINS = 32
SURE = 2.0
PRIOR_ROWS = 20.0
TOP = 8
ROUNDS = 40
TREES = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.15,
    "min_data_in_leaf": 30,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "verbose": -1,
}


@dataclass(frozen=True)
class Strength:
    """An AUC and its standard error."""

    auc: float
    error: float


def changed(before: pd.Series, today: pd.Series) -> np.ndarray:
    """Where a value is not what it was. To be filled in or emptied is a change; to be empty twice is none.

    Parameters
    ----------
    before, today : Series, shape (n,)
        The same leads in the same order; a number and the same number as text are the same.
    """
    was_empty, is_empty = before.isna().to_numpy(), today.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(before) != pd.api.types.is_numeric_dtype(today):
        before, today = (pd.to_numeric(column, errors="coerce") for column in (before, today))
    other = before.to_numpy(dtype=object) != today.to_numpy(dtype=object)
    return (was_empty != is_empty) | (~was_empty & other)


def levels_beside(learning: LearningSet, column: pd.Series, sample: Sample) -> np.ndarray:
    """The levels of a column in a sample; its index says which lead of the learning set an entry is of."""
    return levels_of(column.loc[sample.rows], as_of_times(learning)[sample.rows])


def levels_of(column: pd.Series, as_of: np.ndarray) -> np.ndarray:
    """Each entry's level: 0 where it is empty, the place of a number among 32 quantiles, a text's own number.

    A date counts in days before the lead's as-of time.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        column = pd.Series((as_of - column.to_numpy("datetime64[us]")) / DAY)
    if not pd.api.types.is_numeric_dtype(column):
        return pd.factorize(column)[0] + 1
    values = column.to_numpy(dtype=float, na_value=np.nan)
    filled = ~np.isnan(values)
    levels = np.zeros(len(values), dtype=int)
    if filled.any():
        # An inverted distribution function draws no line between neighbours, so that an infinite value is one
        # among others.
        edges = np.unique(np.quantile(values[filled], np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
        levels[filled] = 1 + np.searchsorted(edges, values[filled])
    return levels


def value_strength(levels: np.ndarray, sample: Sample) -> Strength:
    """How well a column's values tell the outcome, each scored by its level's rate in the other folds.

    A rate is drawn to the overall one with the weight of 20 leads.
    """
    if not sample.fewest:
        return Strength(0.5, 0.5)
    shape = (FOLDS, levels.max(initial=0) + 1)
    cells = np.ravel_multi_index((sample.folds, levels), shape)
    sizes, wins = (
        np.bincount(cells, weights=of, minlength=np.prod(shape)).reshape(shape)
        for of in (np.ones(len(cells)), sample.outcome)
    )
    sizes, wins = sizes.sum(axis=0) - sizes, wins.sum(axis=0) - wins
    rates = (wins + PRIOR_ROWS * np.mean(sample.outcome)) / (sizes + PRIOR_ROWS)
    return strength(rates[sample.folds, levels], sample)


def strength(score: np.ndarray, sample: Sample) -> Strength:
    """How well a score tells the outcome among leads of the same span of time; .5 where there is nothing to
    compare.

    References
    ----------
    Hanley, McNeil (1982), The meaning and use of the area under a ROC curve: the standard error.
    """
    right = of_all = 0.0
    for span in np.unique(sample.spans):
        inside = sample.spans == span
        counts = counts_by_score(score[inside], sample.outcome[inside])
        right += concordant(counts)[0]
        of_all += pairs(counts)[0]
    auc = float(ratio(right, of_all, empty=0.5))
    with_outcome, others = (max(side.sum(), 1) for side in (sample.outcome, ~sample.outcome))
    twice, both = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    variance = (auc * (1 - auc) + (with_outcome - 1) * twice + (others - 1) * both) / (with_outcome * others)
    return Strength(auc, float(np.sqrt(variance)))


def standing_out(aucs: Mapping[str, float]) -> dict[str, float]:
    """By how many standard deviations each AUC lies above the median of the others; the deviation is told by
    the median one, too.

    References
    ----------
    Rousseeuw, Croux (1993), Alternatives to the median absolute deviation: where half of the columns leak,
    nothing stands out any more.
    """
    found = {}
    for name, auc in aucs.items():
        others = np.array([other for each, other in aucs.items() if each != name])
        middle = np.median(others)
        found[name] = float((auc - middle) / max(1.4826 * np.median(np.abs(others - middle)), 1e-9))
    return found


def frequent_levels(levels: np.ndarray, sample: Sample, *, least: float) -> list[int]:
    """The levels, but for emptiness, that at least such a share of one side of the outcome has."""
    sides = (sample.outcome, ~sample.outcome)
    shares = [
        np.bincount(levels[side], minlength=levels.max(initial=0) + 1) / max(side.sum(), 1) for side in sides
    ]
    return [int(level) for level in np.flatnonzero(np.maximum(*shares) >= least) if level]


def chance_of_so_few(mark: np.ndarray, sample: Sample, *, times: float) -> float:
    """How probable it is that so few marked leads lack the outcome, were the mark ``times`` as common among
    leads with it.

    A tiny probability says that the mark comes with the outcome and hardly ever else, however rare it is: an
    AUC would not see that.
    """
    with_outcome, leads, marked = (
        np.bincount(sample.spans, weights=of) for of in (sample.outcome, np.ones(len(mark)), mark)
    )
    others = leads - with_outcome
    expected = np.sum(marked * ratio(others, times * with_outcome + others, empty=0.0))
    return float(scipy.stats.poisson.cdf(np.sum(mark & ~sample.outcome), expected))


def growth(fresh: tuple[np.ndarray, Sample], *others: tuple[np.ndarray, Sample]) -> Strength:
    """How much more a column tells the older from the younger leads in one pair of ages than in other pairs,
    where only time passes.

    Being filled in counts where the older leads are the fuller ones: a column that was introduced of late is
    full in young leads alone. Values are compared among leads that have one.

    Parameters
    ----------
    fresh, *others : tuple of array and Sample
        Levels and leads; the outcome is to be the older ones. All leads in one span.

    Returns
    -------
    Strength
        Of being filled in and of the values, the larger difference to the largest of the others, between 0
        and ½, and its error.
    """
    filled = [strength(levels > 0, sample) for levels, sample in (fresh, *others)]
    values = [
        value_strength(levels[levels > 0], sample.where(levels > 0)) for levels, sample in (fresh, *others)
    ]
    grown = []
    for of_fresh, *of_others in (filled, values):
        usual = max(
            of_others, key=lambda each: each.auc - SURE * each.error
        )  # few leads of a year before do not hide what others show
        grown.append(
            Strength(
                max(of_fresh.auc, 0.5) - max(usual.auc, 0.5), float(np.hypot(of_fresh.error, usual.error))
            )
        )
    return max(grown, key=lambda each: each.auc)


def costs_of_leaving_out(
    matrix: np.ndarray,
    categorical: Sequence[int],
    groups: Mapping[str, Sequence[int]],
    sample: Sample,
    *,
    least: float,
) -> dict[str, float]:
    """What a small model of all columns loses without each of the eight groups that it uses most.

    Parameters
    ----------
    matrix : array of float, shape (n, columns)
        Encoded, beside the sample's rows.
    categorical : sequence of int
        Which columns are categories.
    groups : mapping of str to sequence of int
        The columns that are left out together.
    least : float
        A model that explains less than this share of the outcome's entropy is not asked: no column of it can
        cost as much.

    Returns
    -------
    dict
        Group to the increase of the out-of-fold log-loss, as a share of the outcome's entropy.
    """
    rate = np.mean(sample.outcome)
    entropy = float(entr(rate) + entr(1 - rate))
    together = sorted(place for group in groups.values() for place in group)
    full, gains = _loss(matrix, categorical, together, sample)
    if entropy - full < least * entropy:
        return {}
    used = {name: gains[np.searchsorted(together, group)].sum() for name, group in groups.items()}
    top = sorted((name for name in used if used[name] > 0), key=used.__getitem__, reverse=True)[:TOP]
    without = {
        name: _loss(matrix, categorical, sorted(set(together) - set(groups[name])), sample)[0] for name in top
    }
    return {name: (loss - full) / entropy for name, loss in without.items()}


def strength_together(
    matrix: np.ndarray, categorical: Sequence[int], kept: Sequence[int], sample: Sample
) -> Strength:
    """How well a small model of some columns tells the outcome, out of fold."""
    return strength(_chances(matrix, categorical, sorted(kept), sample)[0], sample)


def _loss(
    matrix: np.ndarray, categorical: Sequence[int], kept: Sequence[int], sample: Sample
) -> tuple[float, np.ndarray]:
    """Out-of-fold log-loss of a model of some columns, and what each contributed."""
    p, gains = _chances(matrix, categorical, kept, sample)
    return float(np.mean(log_losses(sample.outcome, p))), gains


def _chances(
    matrix: np.ndarray, categorical: Sequence[int], kept: Sequence[int], sample: Sample
) -> tuple[np.ndarray, np.ndarray]:
    """The outcome's probability by a model of some columns, out of fold, and what each contributed."""
    block = matrix[:, kept]
    categories = [place for place, column in enumerate(kept) if column in set(categorical)]
    p, gains = np.full(len(block), np.mean(sample.outcome)), np.zeros(len(kept))
    for fold in range(FOLDS):
        asked = sample.folds == fold
        if not asked.any() or asked.all() or not kept:
            continue
        data = lgb.Dataset(
            block[~asked], sample.outcome[~asked].astype(float), categorical_feature=categories
        )
        model = lgb.train(TREES, data, ROUNDS)
        p[asked] = model.predict(block[asked], num_threads=1)
        gains += model.feature_importance("gain")
    return p, gains
