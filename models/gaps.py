"""How differently a model treats the groups of a column that it does not see: the widest gaps, and whether they are beyond chance.

The two groups that lie furthest apart were picked for it, and figures are several. So an interval holds for all pairs of a column's
groups and all figures at once: where no group is treated otherwise, 19 audits in 20 call no gap real.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import norm

from models.bootstrap import number
from models.influence import error_of, log_error
from models.segments import FALSE_ALARMS, Segment

FIGURES = ("held", "held_wins", "ratio", "auc")


@dataclass(frozen=True)
class Gap:
    """Between which groups of an audited column one figure differs most.

    Attributes
    ----------
    column : str
    figure : "held", "held_wins", "ratio" or "auc"
        As in ``Segment``.
    most, least : str
        The groups with the larger and the smaller value.
    difference, low, high : float
        Their difference and its simultaneous 95 % interval; of ``ratio``, by how many times the one is larger.
    beyond_chance : bool
    """

    column: str
    figure: str
    most: str
    least: str
    difference: float
    low: float
    high: float
    beyond_chance: bool

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        return {name: number(value) if isinstance(value, float) else value for name, value in self.__dict__.items()}


def gaps(segments: Sequence[Segment]) -> tuple[Gap, ...]:
    """The widest gap of every audited column in every figure that two groups or more have.

    Parameters
    ----------
    segments : sequence of Segment
        From ``segment_figures``.
    """
    found = []
    for column in dict.fromkeys(segment.column for segment in segments if segment.audited):
        own = [segment for segment in segments if segment.column == column]
        looks = len(FIGURES) * max(1, len(own) * (len(own) - 1) // 2)
        strict = float(norm.isf(FALSE_ALARMS / 2 / looks))
        for figure in FIGURES:
            values = [(segment.group, *_value(segment, figure, own)) for segment in own]
            values = [each for each in values if np.isfinite(each[1]) and np.isfinite(each[2])]
            if len(values) > 1:
                found.append(_widest(column, figure, values, strict))
    return tuple(found)


def _widest(column: str, figure: str, values: list[tuple[str, float, float]], strict: float) -> Gap:
    """Of all pairs the one whose difference is clearest: that of most standard errors."""

    def apart(pair: tuple[tuple[str, float, float], ...]) -> tuple[float, float]:
        (_, one, error), (_, other, its_error) = pair
        error = float(np.hypot(error, its_error))
        return abs(one - other) / error if error > 0 else 0.0, abs(one - other)

    pair = max(combinations(values, 2), key=apart)
    (most, high, error), (least, low, its_error) = sorted(pair, key=lambda each: -each[1])
    difference, margin = high - low, strict * float(np.hypot(error, its_error))
    ends = np.array([difference, difference - margin, difference + margin])
    told = np.exp(ends) if figure == "ratio" else ends
    return Gap(column, figure, most, least, *told.tolist(), beyond_chance=bool(difference > margin))


def _value(segment: Segment, figure: str, own: Sequence[Segment]) -> tuple[float, float]:
    """A figure on the scale on which it is compared, and its standard error."""
    estimate = getattr(segment, figure)
    if figure == "ratio":
        return float(np.log(estimate.value)), log_error(estimate)
    error = error_of(estimate)
    if figure == "held_wins":  # that of few customers none is held says less than its own interval would
        usual = sum(each.held_wins.value * each.wins for each in own) / sum(each.wins for each in own)
        error = max(error, float(np.sqrt(usual * (1 - usual) / segment.wins)))
    return estimate.value, error
