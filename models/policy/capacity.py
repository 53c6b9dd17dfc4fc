"""Who fits into the hours that sales has: the week's list, what an hour is worth, and the rule for leads that
come one by one.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.errors import UsageError


def week_list(
    value: np.ndarray,
    *,
    hours: float | np.ndarray,
    capacity: float | None,
    teams: np.ndarray | None = None,
    team_capacity: Mapping[str, float] | None = None,
) -> np.ndarray:
    """The leads to work with so many hours: by value per hour, each that still fits; never more than one lead
    short of the best list.

    Parameters
    ----------
    value : array of float, shape (n,)
        Expected value of each lead. Only a positive value gets onto the list; an empty one (no margin known)
        never does.
    hours : float or array of float, shape (n,)
        That a lead takes.
    capacity : float or None
        Hours there are; None for no limit.
    teams : array, shape (n,), optional
        The team that would work each lead.
    team_capacity : mapping, optional
        Hours of single teams. These teams spend their own hours and none of ``capacity``, which all other
        leads share.

    Returns
    -------
    array of bool, shape (n,)
        Of two leads worth the same per hour the earlier comes first.

    Raises
    ------
    UsageError
        Where hours are negative or empty.

    Examples
    --------
    >>> week_list(np.array([30.0, 90.0, 50.0, -1.0]), hours=np.array([1.0, 2.0, 1.0, 1.0]),
    capacity=3).tolist() [False, True, True, False]
    """
    rate = value_per_hour(value, hours)
    hours = np.broadcast_to(np.asarray(hours, dtype=float), rate.shape)
    chosen = np.zeros(len(rate), dtype=bool)
    for rows, available in _budgets(len(rate), capacity, teams, team_capacity):
        rows = rows[rate[rows] > 0]
        chosen[_fitting(rows[np.argsort(-rate[rows], kind="stable")], hours, available)] = True
    return chosen


def shadow_price(
    value: np.ndarray, hours: float | np.ndarray, week: np.ndarray, *, capacity: float | None, weeks: int = 8
) -> float:
    """What an hour of sales had to earn: the median over the last weeks of the value per hour at which the
    list was full.

    Parameters
    ----------
    value, hours
        Of the leads of past weeks, as for ``week_list``.
    week : array of int, shape (n,)
        Number of the full week each lead came in; numbers follow on each other, and a week without leads
        counts as slack.
    capacity : float or None
        Hours in a week; None for no limit.
    weeks : int
        How many of the newest weeks to look at.

    Returns
    -------
    float
        A hair below the value per hour of the last lead that came before the list was full, so that this lead
        still pays; 0 where every lead fitted, infinite without capacity. A lead that takes more than a whole
        week's hours has no say.
    """
    if capacity is not None and capacity <= 0:
        return np.inf
    if capacity is None or not len(value):
        return 0.0
    value, week, rate = np.asarray(value, dtype=float), np.asarray(week), value_per_hour(value, hours)
    hours = np.broadcast_to(np.asarray(hours, dtype=float), rate.shape)
    contends = (rate > 0) & (hours <= capacity)
    prices = []
    for number in range(max(week.max() - weeks + 1, week.min()), week.max() + 1):
        rows = np.flatnonzero(contends & (week == number))
        worked = week_list(value[rows], hours=hours[rows], capacity=capacity)
        # Smaller leads further down the list fill what is left of the hours; they do not set the price.
        full_at = rate[rows][~worked].max(initial=0.0)
        last = rate[rows][worked & (rate[rows] >= full_at)].min(initial=np.inf)
        prices.append(np.nextafter(last, 0.0) if full_at > 0 else 0.0)
    return float(np.median(prices))


def stream(value: np.ndarray, hours: float | np.ndarray, price: float) -> np.ndarray:
    """Which leads to work when they come one by one: those worth more than their hours cost, ``value > price
    * hours``.

    Parameters
    ----------
    value, hours
        As for ``week_list``; a lead with an empty value is not worked by value.
    price : float
        Of an hour, as ``shadow_price`` gives it; infinite: nobody.

    Returns
    -------
    array of bool, shape (n,)
        The price cannot choose among leads that are worth the same per hour: it takes all of them or none.
    """
    return value_per_hour(value, hours) > price


def value_per_hour(value: np.ndarray, hours: float | np.ndarray) -> np.ndarray:
    """Value over hours, shape (n,): infinite for a lead that takes no time and is worth something, empty
    where the value is.

    Raises
    ------
    UsageError
        Where hours are negative or empty.
    """
    value, hours = np.asarray(value, dtype=float), np.asarray(hours, dtype=float)
    wrong = hours[~(hours >= 0)]
    if len(wrong):
        raise UsageError(
            f"the hours a lead takes are negative or empty {len(wrong)} times, such as {wrong[0]:g}; no list was made."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return value / hours


def _budgets(
    count: int, capacity: float | None, teams: np.ndarray | None, team_capacity: Mapping[str, float] | None
) -> list[tuple[np.ndarray, float | None]]:
    """Rows that share hours, and these hours: one group per named team, and one of all the others."""
    if teams is None or not team_capacity:
        return [(np.arange(count), capacity)]
    names = list(team_capacity)
    named = pd.Index(names).get_indexer(np.asarray(teams, dtype=object))
    budgets = [
        (np.flatnonzero(named == position), team_capacity[name]) for position, name in enumerate(names)
    ]
    return [*budgets, (np.flatnonzero(named < 0), capacity)]


def _fitting(rows: np.ndarray, hours: np.ndarray, available: float | None) -> list[int]:
    """Of rows in their order, each whose hours are still left."""
    if available is None:
        return rows.tolist()
    # Three leads of .1 hours fit into .3 hours, whatever binary fractions make of it.
    left = available * (1 + 1e-9)
    least = hours[rows].min(initial=np.inf)
    fitting = []
    for row in rows.tolist():
        if left < least:
            break
        if hours[row] <= left:
            fitting.append(row)
            left -= hours[row]
    return fitting
