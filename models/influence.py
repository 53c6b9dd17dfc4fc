"""How far a figure of many small groups could have come out otherwise, without drawing accounts again for each.

The infinitesimal jackknife over accounts: how much the figure moves when a lead counts a little more, added up over an account's leads.
Its error is that of resampling accounts (``models.bootstrap``) for more than a handful of them, at a hundredth of the time.
"""

import numpy as np
from scipy.stats import norm

from models.bootstrap import Estimate

TAIL = 0.025
WIDE = float(norm.isf(TAIL))


def share(part: np.ndarray, account: np.ndarray) -> Estimate:
    """The share of leads of which something is true.

    The interval is symmetric in log-odds; where it is true of all or of none, it is the exact one for leads that are independent.

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


def ratio(part: np.ndarray, whole: np.ndarray, account: np.ndarray) -> Estimate:
    """Sum of one positive column over the sum of another, with an interval that is symmetric in logarithms."""
    total, below = float(np.sum(part)), float(np.sum(whole))
    if total <= 0 or below <= 0:
        return Estimate(np.nan)
    error = _error(part / total - whole / below, account)
    return Estimate(total / below, *(total / below * np.exp(np.array([-WIDE, WIDE]) * error)).tolist())


def auc(score: np.ndarray, outcome: np.ndarray, block: np.ndarray, account: np.ndarray) -> Estimate:
    """AUC within blocks, each weighing by its pairs, as ``models.judging.ranking`` has it.

    Parameters
    ----------
    score : array of float, shape (n,)
    outcome : array of 0 and 1, shape (n,)
    block, account : array of int, shape (n,)
    """
    right, pairs = np.zeros(len(score)), np.zeros(len(score))
    for number in np.unique(block):
        yes, no = (np.flatnonzero((block == number) & (outcome == kind)) for kind in (1, 0))
        right[yes], right[no] = _beaten(score[yes], score[no]), len(yes) - _beaten(score[no], score[yes])
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


def _beaten(score: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of the others each score exceeds; equal ones count half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, score, side="left") + np.searchsorted(ordered, score, side="right")) / 2


def _error(influence: np.ndarray, account: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.bincount(account, weights=influence) ** 2)))
