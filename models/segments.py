"""Where a model is poor, and whom it treats otherwise: its figures by channel, country, owner, size of account or any other column.

Groups are many and most of them small, so a group is called poor only where chance would call none of them poor in 19 runs of 20.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from models.bootstrap import Estimate, account_weights, number, ratio_of_sums
from models.judging import ranking

Poor = Literal["promises too much", "promises too little", "ranks no better than chance", "misses more of its customers"]

FEWEST_LEADS = 100
FEWEST_OF_EACH = 10
MOST_GROUPS = 30
LOOKS = 3  # at each group: its level, its held customers, its ranking
FALSE_ALARMS = 0.05
CALIBRATED = 1.25  # predicted against real, either way, that is still good enough
EMPTY = "(empty)"


@dataclass(frozen=True)
class Segment:
    """One group of judged leads.

    Attributes
    ----------
    column, group : str
    leads, wins : int
    ratio : Estimate
        Mean prediction over the share that came true.
    auc : Estimate
    held_wins : Estimate
        Of those that came true, the share whose score is below the cut: customers that the filter would have held. NaN without a cut.
    audited : bool
        The column is none that the model sees.
    poor : str or None
        What is wrong with it beyond chance.
    """

    column: str
    group: str
    leads: int
    wins: int
    ratio: Estimate
    auc: Estimate
    held_wins: Estimate
    audited: bool
    poor: Poor | None = None

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        estimates = {name: getattr(self, name).to_json() for name in ("ratio", "auc", "held_wins")}
        return {"column": self.column, "group": self.group, "leads": self.leads, "wins": self.wins, **estimates} | {
            "audited": self.audited,
            "poor": self.poor,
        }


@dataclass(frozen=True)
class Gap:
    """How far the groups of an audited column lie apart: of those that came true, the largest held share against the smallest."""

    column: str
    most: str
    least: str
    difference: float
    error: float

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        return {**self.__dict__, "difference": number(self.difference), "error": number(self.error)}


def segment_figures(
    judged: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    below: np.ndarray | None,
    audited: tuple[str, ...] = (),
    resamples: int = 200,
    seed: int = 0,
) -> tuple[Segment, ...]:
    """A model's figures in every group that is large enough.

    Parameters
    ----------
    judged : DataFrame, n rows
        As ``judging.judge`` takes it: ``account_id``, ``block``, ``outcome`` (0 or 1), ``p``.
    groups : DataFrame, n rows
        Beside it, the columns to look at, as texts; empty ones are a group of their own. Past 30 groups of a column the rest is passed
        over, as is every group of fewer than 100 leads or 10 of either outcome.
    below : array of bool, shape (n,), optional
        Whether the score is below the cut.
    audited : tuple of str
        Columns of ``groups`` that the model does not see.

    Returns
    -------
    tuple of Segment
        By column, the largest group first.
    """
    account, names = pd.factorize(judged["account_id"])
    weights = account_weights(len(names), resamples=resamples, seed=seed)

    def figures(column: str, group: str, chosen: np.ndarray) -> tuple[Segment, dict[str, float]]:
        held = None if below is None else below[chosen]
        return _figures(judged[chosen], column, group, column in audited, held, account[chosen], weights)

    found = [figures(*each) for each in _groups(judged, groups)]
    columns = [segment.column for segment, _ in found]
    found = [each for each in found if columns.count(each[0].column) > 1]
    strict = float(norm.isf(FALSE_ALARMS / 2 / max(1, LOOKS * len(found))))
    whole = figures("", "", np.ones(len(judged), bool))[0] if found else None
    return tuple(replace(segment, poor=_poor(segment, errors, strict, whole)) for segment, errors in found)


def gaps(segments: tuple[Segment, ...]) -> tuple[Gap, ...]:
    """For each audited column, between which of its groups the filter's misses differ most."""
    found = []
    for column in dict.fromkeys(segment.column for segment in segments if segment.audited):
        own = [segment for segment in segments if segment.column == column and np.isfinite(segment.held_wins.value)]
        if len(own) > 1:
            most, least = (choose(own, key=lambda segment: segment.held_wins.value) for choose in (max, min))
            error = float(np.hypot(_error(most.held_wins), _error(least.held_wins)))
            found.append(Gap(column, most.group, least.group, most.held_wins.value - least.held_wins.value, error))
    return tuple(found)


def _groups(judged: pd.DataFrame, groups: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    outcome = judged["outcome"].to_numpy(float)
    for column in groups:
        values = groups[column].astype(object).where(groups[column].notna(), EMPTY).astype(str).to_numpy()
        for group in pd.Series(values).value_counts().index[:MOST_GROUPS]:
            chosen = values == group
            wins = int(outcome[chosen].sum())
            if chosen.sum() >= FEWEST_LEADS and min(wins, chosen.sum() - wins) >= FEWEST_OF_EACH:
                yield column, str(group), chosen


def _figures(
    judged: pd.DataFrame, column: str, group: str, audited: bool, below: np.ndarray | None, account: np.ndarray, weights: np.ndarray
) -> tuple[Segment, dict[str, float]]:
    """One group's figures, and the standard errors of its ratio's logarithm, its AUC and its held wins."""
    outcome, p = judged["outcome"].to_numpy(float), judged["p"].to_numpy(float)
    own, account = np.unique(account, return_inverse=True)
    weights = weights[own]
    ratio = ratio_of_sums(p, outcome, account=account, weights=weights)
    rank = ranking(p, outcome, judged["block"].to_numpy(int), account, weights)
    held = Estimate(np.nan)
    if below is not None:
        held = ratio_of_sums((below & (outcome == 1)).astype(float), outcome, account=account, weights=weights)
    log_ratio = Estimate(*np.log([ratio.value, ratio.low, ratio.high]))
    errors = {"ratio": _error(log_ratio), "auc": _error(rank.auc), "held_wins": _error(held)}
    return Segment(column, group, len(judged), int(outcome.sum()), ratio, rank.auc, held, audited), errors


def _error(estimate: Estimate) -> float:
    """The standard error behind a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * norm.isf(0.025))


def _poor(segment: Segment, errors: dict[str, float], strict: float, whole: Segment) -> Poor | None:
    """What is wrong with a group, the gravest first: beyond what is good enough, and ``strict`` standard errors beyond."""
    too_much = np.log(segment.ratio.value)
    if abs(too_much) > max(np.log(CALIBRATED), strict * errors["ratio"]):
        return "promises too much" if too_much > 0 else "promises too little"
    usual = whole.held_wins.value
    if segment.held_wins.value - usual > strict * max(errors["held_wins"], np.sqrt(usual * (1 - usual) / segment.wins)):
        return "misses more of its customers"
    if segment.auc.low < 0.5 and whole.auc.value - segment.auc.value > strict * errors["auc"]:
        return "ranks no better than chance"
    return None
