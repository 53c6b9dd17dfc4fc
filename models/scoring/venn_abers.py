"""How sure a probability is: the Venn–Abers interval [p0, p1] of each lead, kept as a table of steps."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NEWEST = 20_000  # older pairs would tell of another time
MOST_EDGES = 500


@dataclass(frozen=True)
class ScoreInterval:
    """Lower and upper probability as step functions of the score; both rise with it.

    Attributes
    ----------
    edges : tuple of float, length k
        Scores at which a step begins, rising.
    low, high : tuple of float, length k + 1
        Between edges i and i + 1 the interval is ``low[i + 1]`` to ``high[i + 1]``. At an edge itself ``low``
        is already on the step to the right and ``high`` still on the one to the left, as in the definition.
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def of(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper probability of each score, both of its shape; empty stays empty."""
        probability = np.asarray(probability, dtype=float)
        step = np.searchsorted(np.array(self.edges), probability, side="right")
        low = np.array(self.low)[step]
        # At an edge the upper bound is still that of the step to the left.
        high = np.array(self.high)[step - (np.array([-np.inf, *self.edges])[step] == probability)]
        empty = np.isnan(probability)
        low[empty] = high[empty] = np.nan
        return low, high

    def moved(self, calibrate: Callable[[np.ndarray], np.ndarray]) -> "ScoreInterval":
        """The interval of scores, and of the chances they stand for, that have all gone through one
        increasing function.
        """
        return ScoreInterval(
            *(tuple(calibrate(np.array(side)).tolist()) for side in (self.edges, self.low, self.high))
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it, and as ``from_json`` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ScoreInterval":
        """The interval that ``to_json`` wrote."""
        return cls(**{name: tuple(values[name]) for name in ("edges", "low", "high")})


def fit_interval(probability: np.ndarray, outcome: np.ndarray) -> ScoreInterval | None:
    """The inductive Venn–Abers interval of every score.

    ``p0`` is what isotonic regression on the pairs would give the lead if it were added as not won, ``p1`` if
    it were added as won. One of the two is right on average, whatever the scores are like: the mean of ``p0``
    is at most the rate of wins, the mean of ``p1`` at least. That holds with few pairs and with one kind of
    outcome too; the interval is then wide. With n leads of one score and no win it is 0 to 1 / (n + 1).

    Parameters
    ----------
    probability : array of float, shape (n,)
        Scores of leads that the model was not fitted on, in time order; the newest 20,000 count.
    outcome : array of 0 and 1, shape (n,)
        A pair with an empty score or outcome is passed over.

    Returns
    -------
    ScoreInterval or None
        None without a single pair. Past 500 steps neighbours are joined, low taken from the left and high
        from the right one, so that the table never claims more than Venn–Abers does.

    References
    ----------
    Vovk, Petej, Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of validity
    (arXiv 1511.00213).

    Examples
    --------
    >>> interval = fit_interval(np.full(9, 0.1), np.zeros(9))
    >>> [side.tolist() for side in interval.of(np.array([0.1]))]
    [[0.0], [0.1]]
    """
    probability, outcome = np.asarray(probability, dtype=float), np.asarray(outcome, dtype=float)
    known = np.flatnonzero(np.isfinite(probability) & np.isfinite(outcome))[-NEWEST:]
    if not len(known):
        return None
    low, high, edges = _venn_abers(probability[known], outcome[known])
    steps = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0))
    if len(steps) > MOST_EDGES:
        steps = steps[np.linspace(0, len(steps) - 1, MOST_EDGES).round().astype(int)]
    return ScoreInterval(
        edges=tuple(edges[steps].tolist()),
        low=(float(low[0]), *low[steps + 1].tolist()),
        high=(*high[steps].tolist(), float(high[-1])),
    )


def _venn_abers(probability: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``p0`` from each distinct score to the next, ``p1`` likewise, and the scores; the first and last step
    reach beyond them.
    """
    # The library turns NumPy's complaints off for the whole process when it is imported; here they come back
    # on.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        from venn_abers.venn_abers import calc_p0p1

        # It divides nothing by nothing on its way, and passes over the result.
        warnings.filterwarnings("ignore", message="All-NaN slice", category=RuntimeWarning)
        p0, p1, scores = calc_p0p1(np.column_stack([1 - probability, probability]), outcome)
    # Adding 0 makes a zero of a minus zero.
    return p0[:, 1] + 0.0, p1[:, 1] + 0.0, scores
