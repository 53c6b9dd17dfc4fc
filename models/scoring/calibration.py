"""Two numbers that set a model's probabilities right: Platt scaling on the logit, held near "change nothing"."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit

from models.survival.hazard import Hazard

SHIFT_DEVIATION = 0.7
SLOPE_DEVIATION = 0.15
LEAST_SLOPE = 0.1
FLOOR = 1e-7
LONGEST = 0.9


@dataclass(frozen=True)
class Platt:
    """``logit p' = shift + slope * logit p``; as it stands it changes nothing."""

    shift: float = 0.0
    slope: float = 1.0

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities; empty stays empty, and what is certain stays certain."""
        if self == UNCHANGED:
            return np.asarray(probability, dtype=float)
        moved = expit(self.shift + self.slope * bounded_logit(probability))
        return np.where(np.asarray(probability) == 1.0, 1.0, moved)

    def then(self, other: "Platt") -> "Platt":
        """This one, and another one after it."""
        return Platt(shift=other.shift + other.slope * self.shift, slope=other.slope * self.slope)


def bounded_logit(probability: np.ndarray) -> np.ndarray:
    """Log-odds, finite also where a probability has rounded to 0 or 1."""
    return logit(np.clip(np.asarray(probability, dtype=float), FLOOR, 1 - FLOOR))


def fit_platt(probability: np.ndarray, outcome: np.ndarray, weights: np.ndarray | None = None) -> Platt:
    """The most probable shift and slope, a priori ``shift ~ N(0, .7²)`` and ``slope ~ N(1, .15²)``.

    With no row it is the prior: change nothing. The more rows, the less the prior counts; a few hundred
    outweigh it. The slope stays above 0 whatever the rows say: where a model ranked the wrong way round for a
    while, its chances are drawn together, but calibration never turns an order round.

    Parameters
    ----------
    probability : array of float, shape (n,)
        Scores of leads that the model was not fitted on, in time order before what they will be used for.
    outcome : array of 0 and 1, shape (n,)
    weights : array of float, shape (n,), optional

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """
    z = bounded_logit(probability)
    outcome = np.asarray(outcome, dtype=float)
    weights = np.ones(len(z)) if weights is None else np.asarray(weights, dtype=float)
    precision = np.array([SHIFT_DEVIATION, SLOPE_DEVIATION]) ** -2
    prior = np.array([0.0, 1.0])
    rows = max(weights.sum(), 1.0)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Per row, so that the optimiser's tolerances mean the same for ten rows and for a million."""
        eta = theta[0] + theta[1] * z
        wrong = weights * (expit(eta) - outcome)
        value = weights @ (np.logaddexp(0.0, eta) - outcome * eta) + 0.5 * precision @ (theta - prior) ** 2
        return value / rows, (np.array([wrong.sum(), wrong @ z]) + precision * (theta - prior)) / rows

    bounds = [(None, None), (LEAST_SLOPE, None)]
    found = minimize(
        loss,
        prior,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-7, "maxiter": 200},
    )
    return Platt(shift=float(found.x[0]), slope=float(found.x[1]))


UNCHANGED = Platt()


@dataclass(frozen=True)
class CalibratedHazard:
    """A hazard and what sets its probabilities right."""

    hazard: Hazard
    platt: Platt = UNCHANGED

    def probability(self, encoded: pd.DataFrame, horizon: float | np.ndarray | None = None) -> np.ndarray:
        """Calibrated probability within a horizon of days; a shorter one than the fit's keeps its share of
        the whole.
        """
        return self.of_raw(self.hazard.raw(encoded), horizon)

    def of_raw(self, raw: np.ndarray, horizon: float | np.ndarray | None = None) -> np.ndarray:
        """The same of leads whose ``hazard.raw`` is known, which is what takes the time."""
        whole = self.hazard.probability(raw)
        calibrated = self.platt.apply(whole)
        return calibrated if horizon is None else calibrated * self.hazard.probability(raw, horizon) / whole

    def from_now(self, raw: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Calibrated probability of what is left of the horizon, of leads to which nothing has happened in so many days."""
        whole = self.of_raw(raw)
        # Who has been with sales for longer than that may still be won: as in the last tenth of the time.
        gone = self.of_raw(raw, np.minimum(days, LONGEST * self.hazard.edges[-1]))
        return np.clip((whole - gone) / np.maximum(1 - gone, FLOOR), 0.0, 1.0)
