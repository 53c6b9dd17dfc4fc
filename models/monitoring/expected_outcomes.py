"""How much of a lead's chance should have come true by now: spread over time by the hazard that gave it."""

import numpy as np
import pandas as pd

from models.scoring.calibration import CalibratedHazard, bounded_logit
from models.survival.discrete_time import MAX_SCORE

GRID = np.linspace(-MAX_SCORE, MAX_SCORE, 6001)
CERTAIN = 1 - 1e-6
LATE_EDGES = (
    0.5,
    1,
    1.5,
    2,
    3,
    4,
    5,
    6,
    7,
    10,
    14,
    21,
    30,
    45,
)  # days from the moment a model learns about to the decision
PRIOR_EVENTS = 10.0


class Expectation:
    """Cumulative hazards of leads whose probability within the horizon is on record.

    The record holds the calibrated probability alone; the score behind it is found by turning calibration and
    hazard round, for both are increasing. A cumulative hazard counts outcomes: so many are expected by day t
    as that of the days up to t, or up to the outcome if it is earlier, sums up to.

    Parameters
    ----------
    model : CalibratedHazard
    probability : array of float, shape (n,)
        Within the fit's horizon, as the model gave it; no NaN.
    """

    def __init__(self, model: CalibratedHazard, probability: np.ndarray) -> None:
        hazard = model.hazard
        whole = 1 / (1 + np.exp(-(bounded_logit(probability) - model.platt.shift) / model.platt.slope))
        raw = np.interp(whole, hazard.probability(GRID), GRID)
        self.probability = np.minimum(probability, CERTAIN)
        self.edges = hazard.edges
        self.steps = np.stack([np.logaddexp(0.0, raw + alpha) for alpha in hazard.alphas])
        self.share = self.probability / np.maximum(-np.expm1(-self.steps.sum(axis=0)), 1e-12)

    def by(self, days: np.ndarray) -> np.ndarray:
        """Cumulative hazard of each lead by its own number of days, shape (n,); nothing is added past the
        horizon.
        """
        lived = np.zeros(len(days))
        left = 0.0
        for right, step in zip(self.edges, self.steps, strict=True):
            lived += np.clip((days - left) / (right - left), 0.0, 1.0) * step
            left = right
        return -np.log1p(-np.minimum(self.share * -np.expm1(-lived), CERTAIN))


def late_factors(expectation: Expectation, delay: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """What deciding late does to the outcomes that are left: real against expected, by how late.

    A model tells the chance as of the moment that it learned about. A lead that still waits for an answer
    some days later is another kind of lead: the promising ones are gone, and so are those turned down. How
    much is left is read off leads whose whole story is known.

    Parameters
    ----------
    expectation : Expectation
        Of leads with their whole horizon seen.
    delay : array of float, shape (n,)
        Days to the outcome, NaN without.
    answered : array of float, shape (n,)
        Days to the first answer of any kind, inf without.

    Returns
    -------
    array of float, shape (len(LATE_EDGES) + 1,)
        Factors for decisions that late, between those edges; 1 for those in time.
    """
    horizon = expectation.edges[-1]
    whole = expectation.by(np.fmin(delay, horizon))
    came = delay <= horizon
    usual = (came.sum() + PRIOR_EVENTS) / (whole.sum() + PRIOR_EVENTS)
    factors = [1.0]
    for low, high in zip(LATE_EDGES, (*LATE_EDGES[1:], 2 * LATE_EDGES[-1]), strict=True):
        middle = min((low + high) / 2, horizon)
        waits = answered > middle
        left = (whole - expectation.by(np.full(len(whole), middle)))[waits].sum()
        factors.append(
            float(
                ((came & (delay > middle) & waits).sum() + PRIOR_EVENTS * 0.1)
                / (usual * left + PRIOR_EVENTS * 0.1)
            )
        )
    return np.array(factors)


def lateness(days: np.ndarray) -> np.ndarray:
    """Which of the late factors belongs to each decision, made so many days after the moment that the model
    learned about.
    """
    return np.searchsorted(LATE_EDGES, days, side="right")


def exposed(start: pd.Series | np.ndarray, until: np.datetime64) -> np.ndarray:
    """Days from each start to a moment, 0 where there is no start or it lies ahead."""
    days = (until - np.asarray(start, "datetime64[us]")) / np.timedelta64(1, "D")
    return np.nan_to_num(np.maximum(days, 0.0))
