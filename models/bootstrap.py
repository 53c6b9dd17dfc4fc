"""How far a figure could have come out otherwise: accounts drawn again, with the leads of one account staying together.

Instead of drawing accounts, each is given a Poisson(1) weight per resample (the same thing for more than a handful of
accounts), so that resampling is one matrix product over counts. Figures computed with the same weights are paired: the draws of
their difference are the difference of their draws.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts when they are used: a process that only scores is spared 40 MB of statistics

from models.metrics import ratio

MANY_ACCOUNTS = 100_000
RESAMPLES_OF_MANY = 100
MOST_GROUPS = 2_000
_LEVELS = 1 << 16


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where it cannot be had."""

    value: float
    low: float = np.nan
    high: float = np.nan

    def to_json(self) -> dict[str, float | None]:
        """The interface's ``E``: NaN becomes null."""
        return {"value": number(self.value), "low": number(self.low), "high": number(self.high)}


def number(value: float) -> float | None:
    """A plain float for JSON, None where there is none."""
    return float(value) if np.isfinite(value) else None


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
    table = np.searchsorted(scipy.stats.poisson(1).cdf(np.arange(10)), (np.arange(_LEVELS) + 0.5) / _LEVELS).astype(np.float32)
    drawn = np.random.default_rng(seed).integers(0, _LEVELS, size=(accounts, resamples), dtype=np.uint16)
    return table[drawn]


def estimate(value: float, draws: np.ndarray) -> Estimate:
    """A figure with the 2.5th and 97.5th percentile of its draws; resamples in which it cannot be had are left out."""
    draws = np.asarray(draws)[np.isfinite(draws)]
    if len(draws) == 0 or not np.isfinite(value):
        return Estimate(float(value))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def ratio_of_sums(part: np.ndarray, whole: np.ndarray, *, account: np.ndarray, weights: np.ndarray) -> Estimate:
    """Sum of one column over the sum of another, such as a mean loss (the whole is then all ones) or a calibration ratio.

    Parameters
    ----------
    part, whole : array of float, shape (n,)
    account : array of int, shape (n,)
        Row of ``weights`` for each lead.
    weights : array, shape (accounts, resamples)
    """
    sums = [np.bincount(account, weights=column, minlength=len(weights)).astype(np.float32) @ weights for column in (part, whole)]
    value = ratio(np.sum(part), np.sum(whole))
    return estimate(float(value), ratio(*sums))
