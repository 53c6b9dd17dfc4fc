"""What a suspicious column gives away, in a few rows that a person can look at: how often the outcome comes
with each of its values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.dataset import LearningSet
from models.leakage.detectors import levels_of, value_strength
from models.leakage.samples import Drawn, as_of_times

TEXTS = 7
PARTS = 6
EMPTY, OTHERS = "(empty)", "(others)"


@dataclass(frozen=True)
class Profile:
    """Of one column, beside one outcome.

    Attributes
    ----------
    column : str
    outcome : str
        "convert", "pursue" or "closed": the one it tells best.
    base_rate : float
        Of all leads looked at.
    groups : tuple of (str, int, float)
        What the column says, how many leads say it, and the share of them with the outcome. Emptiness comes
        last.
    """

    column: str
    outcome: str
    base_rate: float
    groups: tuple[tuple[str, int, float], ...]


def profile(learning: LearningSet, raw: pd.DataFrame, drawn: Drawn, column: str) -> Profile | None:
    """The outcome's share by the column's values; None where no outcome has been looked at.

    Parameters
    ----------
    raw : DataFrame
        The leads table of the leads drawn, with ``lead_id``.
    """
    if not drawn.outcomes:
        return None
    by_lead = raw.set_index("lead_id")[column]
    told = []
    for name, sample in drawn.outcomes.items():
        values = by_lead.reindex(learning.frame["lead_id"].iloc[sample.rows])
        strength = value_strength(levels_of(values, as_of_times(learning)[sample.rows]), sample)
        told.append((strength.auc, name, values, as_of_times(learning)[sample.rows], sample.outcome))
    _, name, values, as_of, outcome = max(told, key=lambda each: each[0])
    said, order = _said(values, as_of)
    groups = (
        pd.DataFrame({"said": said.to_numpy(), "outcome": outcome})
        .groupby("said")["outcome"]
        .agg(["size", "mean"])
    )
    rows = tuple(
        (words, int(groups["size"][words]), float(groups["mean"][words]))
        for words in [*order, EMPTY]
        if words in groups.index
    )
    return Profile(column, name, float(np.mean(outcome)), rows)


def _said(values: pd.Series, as_of: np.ndarray) -> tuple[pd.Series, list[str]]:
    """Each entry as one of a few texts, and these in order: the commonest texts, or parts of equal size of
    numbers and dates.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return _parts(pd.Series((values.to_numpy("datetime64[us]") - as_of) / np.timedelta64(1, "D")), _days)
    if pd.api.types.is_numeric_dtype(values):
        return _parts(
            values.astype(float),
            lambda low, high: f"{low:,.6g}" if low == high else f"{low:,.6g} – {high:,.6g}",
        )
    common = values.value_counts().index[:TEXTS]
    said = values.where(values.isin(common) | values.isna(), OTHERS).fillna(EMPTY).astype(str)
    return said, [*map(str, common), OTHERS]


def _parts(numbers: pd.Series, words: Callable[[float, float], str]) -> tuple[pd.Series, list[str]]:
    """Numbers as the part they are in, in words; a part for each number where there are few."""
    parts = pd.qcut(numbers, PARTS, duplicates="drop") if numbers.nunique() > PARTS else numbers
    ends = numbers.groupby(parts, observed=True).agg(["min", "max"])
    names = {part: words(*ends.loc[part]) for part in ends.index}
    return parts.astype(object).map(names).fillna(EMPTY), list(dict.fromkeys(names.values()))


def _days(low: float, high: float) -> str:
    """From when to when a date lies, counted from the moment at which the lead was to be scored."""
    before, after = (f"{abs(end):,.1f}".removesuffix(".0") for end in (low, high))
    if low < 0 < high:
        return f"{before} before – {after} days after"
    first, last = (before, after) if low >= 0 else (after, before)
    days = first if first == last else f"{first} – {last}"
    return f"{days} days {'after' if low >= 0 else 'before'}"
