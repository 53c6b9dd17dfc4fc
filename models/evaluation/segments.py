"""Where a model is poor, and whom it treats otherwise: its figures by channel, country, owner or any column.

Groups are many and most of them small, so a group is called poor only where chance would call none of them
poor in 19 runs of 20. For columns that the model does not see, the widest gaps between their groups are told:
the two groups that lie furthest apart were picked for it, and figures are several, so an interval holds for
all pairs of a column's groups and all figures at once: where no group is treated otherwise, 19 audits in 20
call no gap real.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from models.evaluation.performance import precision_within
from models.evaluation.uncertainty import Estimate, auc, error_of, jackknife_ratio, log_error, share

Poor = Literal[
    "promises too much", "promises too little", "ranks no better than chance", "misses more of its customers"
]

FEWEST_LEADS = 100
FEWEST_OF_EACH = 10
MOST_GROUPS = 30
LOOKS = 3  # at each group: its level, its held customers, its ranking
FALSE_ALARMS = 0.05
CALIBRATED = 1.25  # predicted against real, either way, that is still good enough
EMPTY = "(empty)"
FIGURES = ("held", "held_wins", "ratio", "auc")


@dataclass(frozen=True)
class Segment:
    """One group of judged leads.

    Attributes
    ----------
    column, group : str
    leads, wins : int
        Those that could be judged.
    base_rate : Estimate
        The share that came true.
    predicted : float
        Their mean prediction.
    ratio : Estimate
        Mean prediction over the share that came true.
    auc : Estimate
    average_precision : Estimate
        Without an interval.
    held : Estimate
        Of all its leads, judged or not, the share that is held. NaN where nobody is.
    held_wins : Estimate
        Of those that came true, the share that is held: customers that the filter would have missed.
    audited : bool
        The column is none that the model sees.
    poor : str or None
        What is wrong with it beyond chance.
    """

    column: str
    group: str
    leads: int
    wins: int
    base_rate: Estimate
    predicted: float
    ratio: Estimate
    auc: Estimate
    average_precision: Estimate
    held: Estimate
    held_wins: Estimate
    audited: bool
    poor: Poor | None = None


def segment_figures(
    judged: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    below: np.ndarray | None,
    audited: tuple[str, ...] = (),
) -> tuple[Segment, ...]:
    """A model's figures in every group that is large enough.

    Parameters
    ----------
    judged : DataFrame, n rows
        As ``judging.judge`` takes it: ``account_id``, ``block``, ``outcome`` (0 or 1; NaN where the lead
        cannot be judged), ``p``.
    groups : DataFrame, n rows
        Beside it, the columns to look at, as texts or ordered categories; empty ones are a group of their
        own. Past 30 groups of a column the rest is passed over, as is every group of fewer than 100 leads or
        10 of either outcome.
    below : array of bool, shape (n,), optional
        Whether the lead would have been held.
    audited : tuple of str
        Columns of ``groups`` that the model does not see.

    Returns
    -------
    tuple of Segment
        By column, the largest group first, or in the order of its categories.
    """
    account = pd.factorize(judged["account_id"])[0]
    found = [
        _segment(judged, column, group, column in audited, below, account, chosen)
        for column, group, chosen in _groups(judged, groups)
    ]
    columns = [segment.column for segment in found]
    found = [segment for segment in found if columns.count(segment.column) > 1]
    strict = float(norm.isf(FALSE_ALARMS / 2 / max(1, LOOKS * len(found))))
    whole = _segment(judged, "", "", False, below, account, np.ones(len(judged), bool)) if found else None
    return tuple(replace(segment, poor=_poor(segment, strict, whole)) for segment in found)


def _groups(judged: pd.DataFrame, groups: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    outcome = judged["outcome"].to_numpy(float)
    for column in groups:
        for group, chosen in _members(groups[column]):
            wins, leads = int(np.nansum(outcome[chosen])), int(np.isfinite(outcome[chosen]).sum())
            if leads >= FEWEST_LEADS and min(wins, leads - wins) >= FEWEST_OF_EACH:
                yield column, group, chosen


def _members(values: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """A column's commonest groups, and who is in each."""
    texts = values.astype(object).where(values.notna(), EMPTY).astype(str)
    names = [str(name) for name in texts.value_counts().index[:MOST_GROUPS]]
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        order = [str(each) for each in values.dtype.categories]
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
    for name in names:
        yield name, (texts == name).to_numpy()


def _segment(
    judged: pd.DataFrame,
    column: str,
    group: str,
    audited: bool,
    below: np.ndarray | None,
    account: np.ndarray,
    chosen: np.ndarray,
) -> Segment:
    outcome, p, block = (judged[name].to_numpy(float) for name in ("outcome", "p", "block"))
    told, won = chosen & np.isfinite(outcome), chosen & (outcome == 1)
    nobody = Estimate(np.nan)
    return Segment(
        column=column,
        group=group,
        leads=int(told.sum()),
        wins=int(won.sum()),
        base_rate=share(won[told], account[told]),
        predicted=float(p[told].mean()),
        ratio=jackknife_ratio(p[told], outcome[told], account[told]),
        auc=auc(p[told], outcome[told], block[told], account[told]),
        average_precision=Estimate(precision_within(p[told], outcome[told], block[told])),
        held=nobody if below is None else share(below[chosen], account[chosen]),
        held_wins=nobody if below is None else share(below[won], account[won]),
        audited=audited,
    )


def _poor(segment: Segment, strict: float, whole: Segment) -> Poor | None:
    """What is wrong with a group, the gravest first: beyond what is good enough, and ``strict`` standard
    errors beyond.

    Where all leads together are promised too much or too little, a group is to be that much worse than they
    are.
    """
    too_much, together = np.log(segment.ratio.value), np.log(whole.ratio.value)
    usual = together if abs(together) > np.log(CALIBRATED) and together * too_much > 0 else 0.0
    if (too_much - usual) * np.sign(too_much) > max(np.log(CALIBRATED), strict * log_error(segment.ratio)):
        return "promises too much" if too_much > 0 else "promises too little"
    usual = whole.held_wins.value
    if segment.held_wins.value - usual > strict * max(
        error_of(segment.held_wins), np.sqrt(usual * (1 - usual) / segment.wins)
    ):
        return "misses more of its customers"
    if segment.auc.low < 0.5 and whole.auc.value - segment.auc.value > strict * error_of(segment.auc):
        return "ranks no better than chance"
    return None


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
        Their difference and its simultaneous 95 % interval; of ``ratio``, by how many times the one is
        larger.
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
