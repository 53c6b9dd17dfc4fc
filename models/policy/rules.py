"""Rules above the model: who is never handed off, always, or graded at most so well, with a reason and a last day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as validated

from features.errors import UsageError

GRADES = ("A", "B", "C", "D")
NEVER, ALWAYS = (
    -1.0,
    2.0,
)  # what stands for the score of a lead that a rule decides: below and above all scores
BY = "rule: "  # begins the name of whose cut it is


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """One [[policy.rules]]: leads that have one of some values in a column.

    Attributes
    ----------
    column, values
        An attribute that the model reads, the channel or the owner; and which of its values are meant.
    handed_off : "never" or "always", optional
        Whatever the score and the arm.
    at_most : grade, optional
        The best grade that these leads get.
    reason : str
        Shown where the rule decides.
    until : date, optional
        The day from which on it holds no longer.
    """

    column: str
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1, max_length=80)]
    handed_off: Literal["never", "always"] | None = None
    at_most: Literal["B", "C", "D"] | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.handed_off is None) == (self.at_most is None):
            raise ValueError(
                f'the rule "{self.reason}" says either handed_off = "never" or "always", or at_most = "C"'
            )
        return self

    def in_force(self, at: datetime) -> bool:
        """Whether it holds at a moment."""
        return self.until is None or at.date() < self.until

    def to_dict(self) -> dict[str, Any]:
        """As it is kept; ``from_dict`` reads it."""
        return {**asdict(self), "until": self.until and self.until.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Rule":
        """The rule that ``to_dict`` wrote."""
        until = values["until"]
        return cls(**{**values, "until": until and date.fromisoformat(until)})


def matching(rule: Rule, leads: pd.DataFrame, said: pd.DataFrame | None = None) -> np.ndarray:
    """Which leads a rule means, whenever.

    Raises
    ------
    UsageError
        If its column is known of no lead; nothing is decided then.
    """
    for table in (leads, said):
        if table is not None and rule.column in table.columns:
            return table[rule.column].astype(object).map(str).isin(rule.values).to_numpy(copy=True)
    raise UsageError(
        f"the rule '{rule.reason}' asks for the column '{rule.column}', which the version does not read; "
        "nothing was decided. Name an attribute that it learns from, such as 'country', or 'channel' or 'owner'."
    )


@dataclass(frozen=True)
class Ruled:
    """What rules say of some leads, row by row.

    Attributes
    ----------
    score : array of float
        ``NEVER`` or ``ALWAYS`` where a rule decides, else NaN.
    by : array of str
        Which one.
    grades : array of int
        The best grade that is allowed, as a place in ``GRADES``.
    """

    score: np.ndarray
    by: np.ndarray
    grades: np.ndarray

    @property
    def decides(self) -> np.ndarray:
        """Where a rule decides."""
        return np.isfinite(self.score)

    def capped(self, grade: pd.Series) -> pd.Series:
        """The grades, none better than is allowed."""
        if not self.grades.any():
            return grade
        place = grade.map(GRADES.index).to_numpy()
        return pd.Series(np.array(GRADES, object)[np.maximum(place, self.grades)], index=grade.index)


def ruled(
    rules: Sequence[Rule],
    leads: pd.DataFrame,
    said: pd.DataFrame | None = None,
    *,
    at: pd.Series | None = None,
) -> Ruled:
    """What the rules say; of several that mean a lead the first decides. With ``at``, a moment for each lead,
    only those that are in force.
    """
    score, by = np.full(len(leads), np.nan), np.full(len(leads), None, dtype=object)
    grades = np.zeros(len(leads), int)
    for rule in rules:
        meant = matching(rule, leads, said)
        if at is not None and rule.until is not None:
            meant &= (at < pd.Timestamp(rule.until)).to_numpy()
        if rule.at_most is not None:
            grades[meant] = np.maximum(grades[meant], GRADES.index(rule.at_most))
            continue
        meant &= np.isnan(score)
        score[meant] = NEVER if rule.handed_off == "never" else ALWAYS
        by[meant] = BY + rule.reason
    return Ruled(score, by, grades)


def after_rules(
    rules: Sequence[Rule], leads: pd.DataFrame, chance: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """Scores of rows as a cut meets them once the rules have spoken: so what is certified counts what they
    lose.
    """
    if not rules:
        return chance

    def told(rows: np.ndarray) -> np.ndarray:
        said = ruled(rules, leads.iloc[rows])
        return np.where(said.decides, said.score, chance(rows))

    return told


@dataclass(frozen=True)
class RuleCost:
    """What one rule does to the leads that were learned from.

    Attributes
    ----------
    reason, does : str
    until : str or None
    leads, customers : int
        Leads that it means, and those of them that became customers.
    changed : int
        Leads that would be decided otherwise without it.
    """

    reason: str
    does: str
    until: str | None
    leads: int
    customers: int
    changed: int


def costs(
    rules: Sequence[Rule], leads: pd.DataFrame, won: np.ndarray, score: np.ndarray, cut: float | None
) -> tuple[RuleCost, ...]:
    """What each rule costs: of a rule that hands nobody off, the customers among those whom the cut would have
    let through; of one that hands everybody off, the leads that the cut would have held.

    Parameters
    ----------
    won : array of bool
    score : array of float
        The model's own.
    """
    below = np.zeros(len(score), bool) if cut is None else score < cut
    found = []
    for rule in rules:
        meant = matching(rule, leads)
        changed = {"never": meant & ~below, "always": meant & below}.get(rule.handed_off or "", meant & False)
        does = f"{rule.handed_off} handed off" if rule.handed_off else f"graded {rule.at_most} at most"
        lost = (changed if rule.handed_off == "never" else meant) & won
        until = rule.until.isoformat() if rule.until else None
        found.append(
            RuleCost(rule.reason, does, until, int(meant.sum()), int(lost.sum()), int(changed.sum()))
        )
    return tuple(found)
