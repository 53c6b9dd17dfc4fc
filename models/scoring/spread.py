"""Between which chances the true one lies: what a model of so many outcomes may be off for a single lead.

The logit of a lead's chance is off by an error that shrinks with the outcomes that the model learned from, and by
one that does not: what lines and trees cannot follow, and what drifts. Both were measured on made-up markets, where
the chance that columns can tell is known (``tests/test_spread.py``). Where sales is seen to choose, the chance if
worked lies somewhere between two bounds already, which leaves less to be added.
"""

import numpy as np
from scipy.special import expit, ndtri

from models.scoring.calibration import bounded_logit

COVERED = 0.9
PER_EVENT = 30.0  # squared logits, divided by the outcomes learned from
ALONE, BEYOND_BOUNDS = 0.4, 0.025  # squared logits that no number of outcomes takes away


def between(low: np.ndarray, high: np.ndarray, events: int) -> tuple[np.ndarray, np.ndarray]:
    """The interval that holds the true chance of 9 leads in 10, whose chance is said to be one number, or to lie
    between two.

    Parameters
    ----------
    low, high : array of float, shape (n,)
        The same where the chance is one number; empty stays empty.
    events : int
        Outcomes that the model has learned from.
    """
    remains = np.where(low < high, BEYOND_BOUNDS, ALONE)
    far = ndtri((1 + COVERED) / 2) * np.sqrt(remains + PER_EVENT / max(events, 1))
    return expit(bounded_logit(low) - far), expit(bounded_logit(high) + far)
