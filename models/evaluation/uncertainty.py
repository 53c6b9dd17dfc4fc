"""How far a figure could have come out otherwise, with the leads of one account staying together.

By resampling, each account is given a Poisson(1) weight per resample (the same thing as drawing accounts, for
more than a handful of them), so that resampling is one matrix product over counts. Figures computed with the
same weights are paired: the draws of their difference are the difference of their draws. For figures of many
small groups, by the infinitesimal jackknife over accounts: how much the figure moves when a lead counts a
little more, added up over an account's leads. Its error is that of resampling, at a hundredth of the time.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts when they are used: who only scores is spared 40 MB of statistics
from scipy.special import ndtri

from models.evaluation.metrics import ratio

MANY_ACCOUNTS = 100_000
RESAMPLES_OF_MANY = 100
MOST_GROUPS = 2_000
_LEVELS = 1 << 16
TAIL = 0.025
WIDE = float(-ndtri(TAIL))


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where it cannot be had."""

    value: float
    low: float = np.nan
    high: float = np.nan


def account_weights(accounts: int, *, resamples: int, seed: int) -> np.ndarray:
    """How often each resample draws each account.

    Parameters
    ----------
    accounts : int
    resamples : int
        Held to 100 above 100,000 accounts, where intervals are narrow and the draws would take seconds.
    seed : int

    Returns
    -------
    array of float32, shape (accounts, resamples)
    """
    if accounts > MANY_ACCOUNTS:
        resamples = min(resamples, RESAMPLES_OF_MANY)
    # Looking 16 random bits up in the distribution is ten times as fast as drawing Poisson numbers.
    table = np.searchsorted(
        scipy.stats.poisson(1).cdf(np.arange(10)), (np.arange(_LEVELS) + 0.5) / _LEVELS
    ).astype(np.float32)
    drawn = np.random.default_rng(seed).integers(0, _LEVELS, size=(accounts, resamples), dtype=np.uint16)
    return table[drawn]


def estimate(value: float, draws: np.ndarray) -> Estimate:
    """A figure with the 2.5th and 97.5th percentile of its draws; resamples in which it cannot be had are
    left out.
    """
    draws = np.asarray(draws)[np.isfinite(draws)]
    if len(draws) == 0 or not np.isfinite(value):
        return Estimate(float(value))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def ratio_of_sums(
    part: np.ndarray, whole: np.ndarray, *, account: np.ndarray, weights: np.ndarray
) -> Estimate:
    """Sum of one column over the sum of another, such as a mean loss (the whole is then all ones) or a
    calibration ratio.

    Parameters
    ----------
    part, whole : array of float, shape (n,)
    account : array of int, shape (n,)
        Row of ``weights`` for each lead.
    weights : array, shape (accounts, resamples)
    """
    sums = [
        np.bincount(account, weights=column, minlength=len(weights)).astype(np.float32) @ weights
        for column in (part, whole)
    ]
    value = ratio(np.sum(part), np.sum(whole))
    return estimate(float(value), ratio(*sums))


def share(part: np.ndarray, account: np.ndarray) -> Estimate:
    """The share of leads of which something is true.

    The interval is symmetric in log-odds; where it is true of all or of none, it is the exact one for leads
    that are independent.

    Parameters
    ----------
    part : array of bool, shape (n,)
    account : array of int, shape (n,)
    """
    leads = len(part)
    if not leads:
        return Estimate(np.nan)
    value = float(np.mean(part))
    if value in (0.0, 1.0):
        beyond = 1 - TAIL ** (1 / leads)
        return Estimate(value, 0.0, beyond) if value == 0 else Estimate(value, 1 - beyond, 1.0)
    error = _error((part - value) / leads, account) / (value * (1 - value))
    ends = np.log(value / (1 - value)) + np.array([-WIDE, WIDE]) * error
    return Estimate(value, *(1 / (1 + np.exp(-ends))).tolist())


def jackknife_ratio(part: np.ndarray, whole: np.ndarray, account: np.ndarray) -> Estimate:
    """Sum of one positive column over the sum of another, with an interval that is symmetric in logarithms."""
    total, below = float(np.sum(part)), float(np.sum(whole))
    if total <= 0 or below <= 0:
        return Estimate(np.nan)
    error = _error(part / total - whole / below, account)
    return Estimate(total / below, *(total / below * np.exp(np.array([-WIDE, WIDE]) * error)).tolist())


def auc(score: np.ndarray, outcome: np.ndarray, block: np.ndarray, account: np.ndarray) -> Estimate:
    """AUC within blocks, each weighing by its pairs, as ``models.evaluation.performance.ranking`` has it.

    Parameters
    ----------
    score : array of float, shape (n,)
    outcome : array of 0 and 1, shape (n,)
    block, account : array of int, shape (n,)
    """
    right, pairs = np.zeros(len(score)), np.zeros(len(score))
    for number in np.unique(block):
        yes, no = (np.flatnonzero((block == number) & (outcome == kind)) for kind in (1, 0))
        right[yes], right[no] = beaten(score[yes], score[no]), len(yes) - beaten(score[no], score[yes])
        pairs[yes], pairs[no] = len(no), len(yes)
    positive = outcome == 1
    total = float(pairs[positive].sum())
    if not total:
        return Estimate(np.nan)
    value = float(right[positive].sum()) / total
    error = _error((right - value * pairs) / total, account)
    return Estimate(value, max(0.0, value - WIDE * error), min(1.0, value + WIDE * error))


def error_of(estimate: Estimate) -> float:
    """The standard error behind a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * WIDE)


def log_error(estimate: Estimate) -> float:
    """Likewise, of the logarithm."""
    return float(np.log(estimate.high / estimate.low)) / (2 * WIDE)


def beaten(score: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of the others each score exceeds; equal ones count half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, score, side="left") + np.searchsorted(ordered, score, side="right")) / 2


def _error(influence: np.ndarray, account: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.bincount(account, weights=influence) ** 2)))
