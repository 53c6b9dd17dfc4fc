"""What a suspicious column gives away, in a few rows that a person can look at: how often the outcome comes with each of its values."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.leak_detectors import levels_of, value_strength
from models.leak_samples import Drawn, as_of_times
from models.learning import LearningSet

TEXTS = 7
PARTS = 6


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
        What the column says, how many leads say it, and the share of them with the outcome. Emptiness comes last.
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
    found = pd.DataFrame({"said": _said(values, as_of).to_numpy(), "outcome": outcome})
    groups = found.groupby("said", sort=False, observed=True)["outcome"].agg(["size", "mean"])
    order = [said for said in groups.index if said != "(empty)"]
    order = order if pd.api.types.is_numeric_dtype(values) else sorted(order, key=lambda said: (said == "(others)", -groups["size"][said]))
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        order = sorted(order, key=lambda said: float(said.split(" ")[0].replace(",", "")))
    order += ["(empty)"] * ("(empty)" in groups.index)
    rows = tuple((str(said), int(groups["size"][said]), float(groups["mean"][said])) for said in order)
    return Profile(column, name, float(np.mean(outcome)), rows)


def _said(values: pd.Series, as_of: np.ndarray) -> pd.Series:
    """Each entry as one of a few texts: the commonest texts, or parts of equal size of the numbers; dates in days before the as-of time."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = pd.Series((as_of - values.to_numpy("datetime64[us]")) / np.timedelta64(1, "D"))
    if not pd.api.types.is_numeric_dtype(values):
        common = values.value_counts().index[:TEXTS]
        return values.where(values.isin(common) | values.isna(), "(others)").fillna("(empty)").astype(str)
    numbers = values.astype(float)
    parts = pd.qcut(numbers, PARTS, duplicates="drop") if numbers.nunique() > PARTS else numbers
    if isinstance(parts.dtype, pd.CategoricalDtype):
        lows, highs = numbers.groupby(parts, observed=True).min(), numbers.groupby(parts, observed=True).max()
        words = {part: f"{lows[part]:,.6g} – {highs[part]:,.6g}" for part in lows.index}
        return parts.astype(object).map(words).fillna("(empty)")
    return parts.map("{:,.6g}".format, na_action="ignore").astype(object).fillna("(empty)")
