"""What a lead is worth to the company that works it, the cut at which it no longer pays, and the week's
hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from models.dataset import LearningSet
from models.policy.capacity import shadow_price, week_list
from models.policy.margins import Margins, fit_margins
from models.policy.settings import PolicySettings
from models.survival.encoding import Categories

WEEKS = 8  # the last ones, in which an hour's price is found
MOST_LEADS = 100_000
MOST_WINS = 20_000
UNSAID_MARGIN = "no win has a margin or an amount, and no margin_per_customer is set: values are unknown, and the week is filled by score"
UNSAID_COST = "no cost_per_lead is set: values are before the cost of working a lead, and nobody is held for costing more than it brings"
NO_CAPACITY = "weekly_capacity is 0: no lead fits into the week's list, whatever it is worth; the cut holds whom it would hold anyway"
MOST_UNPURSUED = 0.95
FEWEST_UNPURSUED_WINS = 5


@dataclass(frozen=True)
class Economics:
    """Margin, cost and capacity.

    Attributes
    ----------
    margins : Margins or None
        What customers brought, by lead; None where ``margin_per_customer`` says it for all, or where nobody
        knows.
    margin_per_customer : float or None
    unpursued_share : float
        Share of a lead's chance that it keeps if nobody works it.
    cost : float or None
        Of working a lead; None where nobody said.
    hours, capacity, team_capacity
        Hours a lead takes; hours a week, of all and of single owners.
    price : float
        Expected value an hour that just filled the last weeks: what an hour of sales is worth. 0 where time
        was left.
    notes : tuple of str
        What a reader should know of these figures.
    """

    margins: Margins | None
    margin_per_customer: float | None
    unpursued_share: float
    cost: float | None
    hours: float
    capacity: float | None
    team_capacity: Mapping[str, float]
    price: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether sales has only so many hours."""
        return self.capacity is not None or bool(self.team_capacity)

    def margin(
        self,
        leads: pd.DataFrame,
        *,
        encoded: pd.DataFrame | None = None,
        categories: Categories | None = None,
    ) -> np.ndarray:
        """What each lead would bring as a customer; where the leads are encoded already, with these
        categories, that may be used again.
        """
        if self.margins is not None:
            return self.margins.expected(
                leads, encoded=encoded if self.margins.categories == categories else None
            )
        return np.full(len(leads), np.nan if self.margin_per_customer is None else self.margin_per_customer)

    def value(self, p: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """Expected value of working each lead."""
        return expected_value(p, margin, unpursued_share=self.unpursued_share, cost=self.cost or 0.0)

    def cut(self, margin: np.ndarray) -> np.ndarray:
        """The chance below which working a lead does not pay; infinite, which leaves the decision to others,
        where it is unknown.
        """
        if self.cost is None and not self.price:
            return np.full(len(margin), np.inf)
        cut = economic_cut(
            margin,
            unpursued_share=self.unpursued_share,
            cost=self.cost or 0.0,
            price=self.price,
            hours=self.hours,
        )
        return np.where(np.isnan(margin), np.inf, cut)

    def week(
        self, value: np.ndarray, teams: np.ndarray, *, listed: Mapping[str, int] | None = None
    ) -> np.ndarray:
        """Who fits into this week's hours, of whom ``listed`` leads by owner are taken already; everybody
        where hours have no end.
        """
        return week_list(
            value,
            hours=self.hours,
            capacity=self._left(sum((listed or {}).values()), self.capacity),
            teams=teams if self.team_capacity else None,
            team_capacity={
                team: self._left((listed or {}).get(team, 0), hours)
                for team, hours in self.team_capacity.items()
            }
            or None,
        )

    def _left(self, leads: int, capacity: float | None) -> float | None:
        return None if capacity is None else max(0.0, capacity - leads * self.hours)

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it: figures, without what they were computed by."""
        return {
            "margin": self.margin_per_customer if self.margins is None else self.margins.overall,
            "unpursued_share": self.unpursued_share,
            "cost_per_lead": self.cost,
            "hours_per_lead": self.hours,
            "weekly_capacity": self.capacity,
            "team_capacity": dict(self.team_capacity),
            "price_of_an_hour": self.price,
            "notes": list(self.notes),
        }


def fit_economics(
    learning: LearningSet,
    chance: Callable[[np.ndarray], np.ndarray],
    margins: np.ndarray,
    settings: PolicySettings,
    *,
    threads: int,
) -> Economics | None:
    """Learn what customers bring, what leads bring without sales, and what an hour of sales was worth in the
    last weeks.

    Parameters
    ----------
    chance : function
        Rows to the chance to become a customer.
    margins : array of float, shape (n,)
        What each lead brought as a customer; NaN where it is not known.

    Returns
    -------
    Economics or None
        None where nobody says what a customer brings, nor how many hours there are.
    """
    won = np.flatnonzero(learning.labels("convert").outcome == 1)[-MOST_WINS:]
    learned = None
    if settings.margin_per_customer is None:
        learned = fit_margins(
            learning.frame.iloc[won], margins[won], categories=learning.categories, threads=threads
        )
    unknown = learned is None and settings.margin_per_customer is None
    if unknown and settings.weekly_capacity is None and not settings.team_capacity:
        return None
    share, told = _unpursued(learning, chance)
    notes = [*(() if learned is None else learned.notes), *((UNSAID_MARGIN,) if unknown else (told,))]
    if settings.cost_per_lead is None and not unknown:
        notes.append(UNSAID_COST)
    if settings.weekly_capacity == 0:
        notes.append(NO_CAPACITY)
    economics = Economics(
        margins=learned,
        margin_per_customer=settings.margin_per_customer,
        unpursued_share=share,
        cost=settings.cost_per_lead,
        hours=settings.hours_per_lead,
        capacity=settings.weekly_capacity,
        team_capacity=settings.team_capacity,
        notes=tuple(notes),
    )
    return economics if unknown else replace(economics, price=_price(learning, chance, economics))


def _unpursued(learning: LearningSet, chance: Callable[[np.ndarray], np.ndarray]) -> tuple[float, str]:
    """From leads that sales turned down and whose whole horizon has passed."""
    fates = learning.fates
    since = fates["as_of"] + pd.Timedelta(days=learning.horizon("convert"))
    taken_up = fates["accepted_at"] < learning.known_until
    turned_down = (fates["rejected_at"] < learning.known_until) & ~taken_up & (since <= learning.known_until)
    rows = np.flatnonzero(turned_down)[-MOST_LEADS:]
    if not learning.outcome_times or not len(rows):
        return unpursued_share(np.array([]), np.array([]), np.array([]))
    won = (fates["won_at"].iloc[rows] <= since.iloc[rows]).to_numpy()
    return unpursued_share(chance(rows), won, np.ones(len(rows), bool))


def _price(learning: LearningSet, chance: Callable[[np.ndarray], np.ndarray], economics: Economics) -> float:
    """What the last weeks' leads would have paid for the last hour; 0 without dates, or where hours have no
    end.
    """
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    if economics.capacity is None or not learning.outcome_times:
        return 0.0
    week = ((np.datetime64(learning.known_until, "us") - as_of) // np.timedelta64(7, "D")).astype(int)
    rows = np.flatnonzero(week < WEEKS)
    value = economics.value(chance(rows), economics.margin(learning.frame.iloc[rows]))
    return shadow_price(value, economics.hours, -week[rows], capacity=economics.capacity, weeks=WEEKS)


def expected_value(
    p1: np.ndarray, margin: np.ndarray, *, unpursued_share: float, cost: float | np.ndarray
) -> np.ndarray:
    """``EV = (p1 - p0) * margin - cost`` with ``p0 = unpursued_share * p1``: what pursuing a lead adds to
    leaving it alone.

    Parameters
    ----------
    p1 : array of float, shape (n,)
        Probability of winning if pursued.
    margin : array of float, shape (n,)
        Margin of a win, in the currency of ``cost``.
    unpursued_share : float
        Share of ``p1`` that comes without sales too.
    cost : float
        Of pursuing one lead.

    Returns
    -------
    array of float, shape (n,)
        Empty where the probability or the margin is.

    Examples
    --------
    >>> expected_value(np.array([0.25]), np.array([5000.0]), unpursued_share=0.2, cost=60.0).tolist()
    [940.0]
    """
    return np.asarray(p1, dtype=float) * (1 - unpursued_share) * np.asarray(margin, dtype=float) - cost


def unpursued_share(p1: np.ndarray, won: np.ndarray, rejected: np.ndarray) -> tuple[float, str]:
    """Which share of ``p1`` comes without sales: wins among the leads that sales turned down, against what
    pursuing them promised.

    These leads are poorer than others, which ``p1`` knows as far as the columns show it; what only sales saw
    makes the share too low.

    Parameters
    ----------
    p1 : array of float, shape (n,)
        Probability of winning if pursued.
    won : array of float, shape (n,)
        1 or 0 where the horizon has passed, else empty.
    rejected : array of bool, shape (n,)
        Turned down by sales and never accepted.

    Returns
    -------
    share : float
        ``sum(won) / sum(p1)``, at most .95. 0 with fewer than 5 such wins: one or two may be slips of the
        record, and the share decides about every lead.
    sentence : str
        What it rests on.
    """
    p1, won = np.asarray(p1, dtype=float), np.asarray(won, dtype=float)
    use = np.asarray(rejected, dtype=bool) & np.isfinite(p1) & np.isfinite(won)
    leads, wins, promised = int(use.sum()), int(won[use].sum()), float(p1[use].sum())
    if not leads:
        return 0.0, "Nothing is known of leads that sales turned down, so every win counts as owed to sales."
    seen = f"Of {leads:,} leads that sales turned down {wins:,} were won all the same"
    if wins < FEWEST_UNPURSUED_WINS:
        return 0.0, f"{seen}: too few to tell what comes without sales, so every win counts as owed to sales."
    share = min(wins / promised, MOST_UNPURSUED) if promised > 0 else MOST_UNPURSUED
    return (
        share,
        f"{seen}, where {promised:,.0f} would have been if pursued: {share:.0%} of a lead's chance counts as there without sales.",
    )


def economic_cut(
    margin: np.ndarray,
    *,
    unpursued_share: float,
    cost: float | np.ndarray,
    price: float = 0.0,
    hours: float | np.ndarray = 1.0,
) -> np.ndarray:
    """The ``p1`` at which a lead is worth its cost and its hours: ``EV = price * hours``.

    Parameters
    ----------
    margin : array of float, shape (n,)
        Margin of a win.
    unpursued_share, cost
        As for ``expected_value``.
    price : float
        What an hour of sales is worth elsewhere, see ``capacity.shadow_price``.
    hours : float
        That one lead takes.

    Returns
    -------
    array of float, shape (n,)
        Hold where ``p1`` is strictly below. 0 where a lead costs nothing; infinite where no chance up to 1
        would pay and where the margin is empty. The smaller of this and a certified cut is thus the cut in
        force.

    Examples
    --------
    >>> economic_cut(np.array([5000.0, 50.0]), unpursued_share=0.2, cost=60.0).tolist()
    [0.015, inf]
    """
    margin, hours = np.asarray(margin, dtype=float), np.asarray(hours, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A lead that takes no time pays no price, not even an infinite one.
        toll = cost + np.where(hours > 0, price * hours, 0.0)
        cut = toll / ((1 - unpursued_share) * margin)
    # A comparison with an empty margin is false.
    return np.where(toll <= 0, 0.0, np.where((margin > 0) & (cut <= 1), cut, np.inf))
