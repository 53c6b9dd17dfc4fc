"""Rules above the model: who is never handed off, always, or graded at most so well, with a reason and a last day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as validated

from features.errors import UsageError
from features.online.rows import Rows
from models.scoring.grades import GRADES

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


def matching(
    rule: Rule, leads: pd.DataFrame | Rows, said: pd.DataFrame | Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """Which leads a rule means, whenever.

    Raises
    ------
    UsageError
        If its column is known of no lead; nothing is decided then.
    """
    for table in (leads, said):
        if table is not None and rule.column in table:
            values = np.asarray(table[rule.column], dtype=object).tolist()
            return np.array([str(value) in rule.values for value in values], dtype=bool)
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

    def capped(self, grade: np.ndarray) -> np.ndarray:
        """The grades, none better than is allowed."""
        place = np.searchsorted(GRADES, grade.astype(str))
        return np.array(GRADES, object)[np.maximum(place, self.grades)]


def ruled(
    rules: Sequence[Rule],
    leads: pd.DataFrame | Rows,
    said: pd.DataFrame | Mapping[str, np.ndarray] | None = None,
    *,
    at: np.ndarray | None = None,
) -> Ruled:
    """What the rules say; of several that mean a lead the first decides. With ``at``, a moment for each lead,
    only those that are in force.
    """
    score, by = np.full(len(leads), np.nan), np.full(len(leads), None, dtype=object)
    grades = np.zeros(len(leads), int)
    for rule in rules:
        meant = matching(rule, leads, said)
        if at is not None and rule.until is not None:
            meant &= at < np.datetime64(rule.until)
        if rule.at_most is not None:
            grades[meant] = np.maximum(grades[meant], GRADES.index(rule.at_most))
            continue
        meant &= np.isnan(score)
        score[meant] = NEVER if rule.handed_off == "never" else ALWAYS
        by[meant] = BY + rule.reason
    return Ruled(score, by, grades)


def rule_of(cut_by: str | None) -> str | None:
    """The reason of the rule that decided a lead, None where none did."""
    return cut_by.removeprefix(BY) if isinstance(cut_by, str) and cut_by.startswith(BY) else None


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
    share : dict or None
        Of a rule that hands nobody off: the customers that it costs, as a share of all that were counted, with the exact
        95 % interval; None without a customer.
    hours : float or None
        Of a rule that hands everybody off: the hours of the leads that the cut would have held; None where nobody says what
        a lead takes.
    """

    reason: str
    does: str
    until: str | None
    leads: int
    customers: int
    changed: int
    share: dict[str, float] | None = None
    hours: float | None = None


def costs(
    rules: Sequence[Rule],
    leads: pd.DataFrame,
    won: np.ndarray,
    score: np.ndarray,
    cut: float | None,
    *,
    hours_per_lead: float | None = None,
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
        share = share_of(int(lost.sum()), int(won.sum())) if rule.handed_off == "never" else None
        spends = rule.handed_off == "always" and hours_per_lead is not None
        hours = float(changed.sum() * hours_per_lead) if spends else None
        counts = int(meant.sum()), int(lost.sum()), int(changed.sum())
        found.append(RuleCost(rule.reason, does, until, *counts, share, hours))
    return tuple(found)


def share_of(count: int, of: int) -> dict[str, float] | None:
    """A share with its exact 95 % interval (Clopper and Pearson); None of nothing."""
    from scipy.stats import binomtest  # memory and a second that the desk does without

    if not of:
        return None
    interval = binomtest(count, of).proportion_ci(method="exact")
    return {"value": count / of, "low": float(interval.low), "high": float(interval.high)}


@dataclass(frozen=True)
class RuleToll:
    """What became of the leads that one rule decided.

    Attributes
    ----------
    reason : str
    held, handed_off : int
        Leads that it decided, by what it did to them.
    lost : int
        Customers among those that it held, as far as they are seen.
    expected : dict or None
        How many customers the version foretold among those that it held, with a 95 % interval of chance: what nobody works
        shows no outcome. None where it held nobody.
    taken_up, won : int
        Of those that it handed off.
    hours : float or None
        That those that it handed off take, as far as they were taken up.
    """

    reason: str
    held: int
    handed_off: int
    lost: int
    expected: dict[str, float] | None
    taken_up: int
    won: int
    hours: float | None


def tolls(
    decided: pd.DataFrame, won: np.ndarray, taken_up: np.ndarray, *, hours_per_lead: float | None
) -> tuple[RuleToll, ...]:
    """What became of the leads that rules decided, rule by rule.

    Parameters
    ----------
    decided : DataFrame
        ``cut_by``, ``action`` and ``p_both`` as ``decide_all`` gives them.
    won, taken_up : array of bool
        Row by row.
    """
    reasons = decided["cut_by"].map(rule_of).to_numpy(object)
    held = (decided["action"] == "hold").to_numpy()
    chance = np.nan_to_num(decided["p_both"].to_numpy(float))
    found = []
    for reason in dict.fromkeys(each for each in reasons if isinstance(each, str)):
        its = reasons == reason
        kept, passed = its & held, its & ~held
        mean, spread = chance[kept].sum(), 1.96 * np.sqrt((chance[kept] * (1 - chance[kept])).sum())
        expected = {"value": mean, "low": max(0.0, mean - spread), "high": mean + spread}
        worked = int((passed & taken_up).sum())
        found.append(
            RuleToll(
                reason,
                held=int(kept.sum()),
                handed_off=int(passed.sum()),
                lost=int((kept & won).sum()),
                expected={name: float(each) for name, each in expected.items()} if kept.any() else None,
                taken_up=worked,
                won=int((passed & won).sum()),
                hours=None if hours_per_lead is None or not passed.any() else worked * hours_per_lead,
            )
        )
    return tuple(found)
