"""Between which chances the true one lies: what a model of so many outcomes may be off for a single lead.

The logit of a lead's chance is off by an error that shrinks with the outcomes that the model learned from, and by
one that does not: what lines and trees cannot follow, and what drifts. Both were measured on made-up markets, where
the chance that columns can tell is known (``tests/test_spread.py``). Where sales is seen to choose, the chance if
worked lies somewhere between two numbers already, which leaves less to be added.
"""

import numpy as np
from scipy.special import expit, ndtri

from models.scoring.calibration import bounded_logit

COVERED = 0.9
# Squared logits that no number of outcomes takes away, and those to be divided by the outcomes learned from: where one
# number is known, where leads that sales was asked to work have set its level, where the luck of who got a lead tells
# between which it lies, and where only bounds are known.
ALONE, BY_FORCED, BY_LUCK, BEYOND_BOUNDS = (0.4, 30.0), (0.5, 30.0), (0.12, 50.0), (0.025, 30.0)


def between(
    low: np.ndarray, high: np.ndarray, events: int, by: str | None = None, *, level_error: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The interval that holds the true chance of 9 leads in 10, whose chance is said to be one number, or to lie
    between two.

    Parameters
    ----------
    low, high : array of float, shape (n,)
        The same where the chance is one number; empty stays empty.
    events : int
        Outcomes that the model has learned from.
    by : "forced", "luck", "bounds" or another
        What tells the one number, or between which two it lies.
    level_error : float
        Squared logits by which the level of one number may be off besides.
    """
    alone = BY_FORCED if by == "forced" else ALONE
    wider = {"luck": BY_LUCK, "bounds": BEYOND_BOUNDS}.get(by or "", ALONE)
    two = np.asarray(low) < np.asarray(high)
    remains, per_event = (np.where(two, of_two, of_one) for of_one, of_two in zip(alone, wider, strict=True))
    far = ndtri((1 + COVERED) / 2) * np.sqrt(remains + per_event / max(events, 1) + level_error)
    return expit(bounded_logit(low) - far), expit(bounded_logit(high) + far)
