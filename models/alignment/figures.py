"""The figures that both sides read: a share or a wait with its count and interval, accounts drawn again."""

from dataclasses import dataclass

import numpy as np

from models.evaluation.uncertainty import Estimate, error_of, share

WIDE = 1.96


@dataclass(frozen=True)
class Share:
    """How many of how many, with the interval of the share."""

    count: int
    of: int
    share: Estimate


@dataclass(frozen=True)
class Wait:
    """Days from one stage to the next.

    Attributes
    ----------
    of : int
        Leads that the figures rest on: they reached the next stage, and had all the time that it may take.
        Others would favour the quick ones.
    median, p90 : Estimate
        Days; half, and nine of ten, took no longer.
    waiting : int
        Leads that may still reach it.
    """

    of: int
    median: Estimate
    p90: Estimate
    waiting: int


def share_of(part: np.ndarray, whole: np.ndarray, account: np.ndarray) -> Share:
    """The share of leads in ``whole`` that are in ``part`` as well; both are masks over the same leads."""
    part = part[whole]
    return Share(int(part.sum()), len(part), share(part, _codes(account[whole])))


def wait(days: np.ndarray, account: np.ndarray, *, waiting: int) -> Wait:
    """Median and 90th percentile of days that were waited.

    The interval of a percentile is read off where the share of leads below it is uncertain (Woodruff 1952).
    """
    codes, ordered = _codes(account), np.sort(days)

    def percentile(level: float) -> Estimate:
        if len(ordered) == 0:
            return Estimate(np.nan)
        value = float(np.quantile(ordered, level))
        below = share(days <= value, codes)
        reach = (below.high - below.low) / 2
        low, high = np.quantile(ordered, np.clip([level - reach, level + reach], 0, 1))
        return Estimate(value, float(low), float(high))

    return Wait(len(ordered), percentile(0.5), percentile(0.9), waiting)


def change(now: Share, before: Share) -> Estimate:
    """The difference of two shares of different leads, with its interval."""
    if not now.of or not before.of:
        return Estimate(np.nan)
    value = now.share.value - before.share.value
    reach = WIDE * float(np.hypot(error_of(now.share), error_of(before.share)))
    return Estimate(value, value - reach, value + reach)


def beyond_chance(found: Estimate) -> bool:
    """Whether an interval leaves nothing out."""
    return bool(found.low > 0 or found.high < 0)


def wide(found: Estimate) -> Estimate:
    """The interval of three standard errors, for what is looked for among some dozen figures."""
    low, high = (found.value + 3 / WIDE * (end - found.value) for end in (found.low, found.high))
    return Estimate(found.value, low, high)


def _codes(account: np.ndarray) -> np.ndarray:
    """Accounts numbered anew: those of a small group are few."""
    return np.unique(account, return_inverse=True)[1]
