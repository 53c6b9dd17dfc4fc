"""What leads of each grade have come to: the realised rate beside the letter, with its exact interval."""

from dataclasses import dataclass

import numpy as np

GRADES = ("A", "B", "C", "D")  # the best first


@dataclass(frozen=True)
class GradeFigures:
    """One grade among judged leads.

    Attributes
    ----------
    grade : str
    leads, wins : int
        Judged leads of the grade, and those that came true.
    predicted : float
        Their mean chance.
    rate, low, high : float
        The share that came true and its exact 95 % interval (Clopper and Pearson); NaN without a lead.
    """

    grade: str
    leads: int
    wins: int
    predicted: float
    rate: float
    low: float
    high: float


def grade_figures(grades: np.ndarray, chance: np.ndarray, outcome: np.ndarray) -> tuple[GradeFigures, ...]:
    """Every grade's figures, the best grade first.

    Parameters
    ----------
    grades : array of str, shape (n,)
    chance : array of float, shape (n,)
        Scores from before the outcome was known.
    outcome : array of float, shape (n,)
        1 or 0; NaN where it is not known, which is passed over.
    """
    from scipy.stats import binomtest

    known = np.isfinite(chance) & np.isfinite(outcome)
    found = []
    for grade in np.unique(grades[known].astype(str)):
        rows = known & (grades == grade)
        wins, leads = int(outcome[rows].sum()), int(rows.sum())
        interval = binomtest(wins, leads).proportion_ci(method="exact")
        found.append(
            GradeFigures(
                grade=str(grade),
                leads=leads,
                wins=wins,
                predicted=float(chance[rows].mean()),
                rate=wins / leads,
                low=float(interval.low),
                high=float(interval.high),
            )
        )
    return tuple(found)
