"""What wins bring over the weeks of a quarter, at its end against the rest, and who brings margin rather than deals.

A description: whoever buys in the last days may be another kind of customer. Deals are matched by size, so that
it is at least not the large ones that come late.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.alignment.book import Book
from models.alignment.effort import Sums
from models.alignment.figures import beyond_chance, wide
from models.evaluation.uncertainty import Estimate, estimate

GROUPS = ("channel", "team")
WEEKS = 13  # of a quarter; days beyond belong to the last
MONTHS = 3
SIZES = 5  # classes of deals by size that are compared within themselves
FEW = 20  # wins, below which nothing is compared
FEW_OF_SIZE = 5
KNOWN = 0.9  # share of the wins of which a measure has to be known
MORE_MARGIN, MORE_DEALS, ALIKE, TOO_FEW = "more margin", "more deals", "alike", "too few to say"


@dataclass(frozen=True)
class Week:
    """The wins of one week of the quarter, over all quarters.

    Attributes
    ----------
    week : int
        1 to 13.
    wins : int
    means : dict of str to Estimate
        By measure.
    """

    week: int
    wins: int
    means: dict[str, Estimate]


@dataclass(frozen=True)
class LastDays:
    """The last days of the quarters against all others, by one measure.

    Attributes
    ----------
    last, rest : Estimate
        Means as they are.
    difference : Estimate
        Of deals of like size, weighted as sizes are in the last days; NaN with too few.
    """

    last: Estimate
    rest: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Brings:
    """What one group brings.

    Attributes
    ----------
    by, group : str
        ``channel`` or ``team``, and which one.
    wins : int
    of_wins, of_margin : float
        Its shares of all wins and of all margin.
    per_win : Estimate
    says : str
        "more margin" where a win brings more than elsewhere by three standard errors, "more deals" where less;
        "alike"; "too few to say".
    """

    by: str
    group: str
    wins: int
    of_wins: float
    of_margin: float
    per_win: Estimate
    says: str


@dataclass(frozen=True)
class Margin:
    """What wins bring, and when.

    Attributes
    ----------
    wins : int
        With a margin or an amount on record.
    days : float
        The last so many days of a quarter are its end.
    last_wins : int
    measures : tuple of str
        What is known: ``margin`` (money a win), ``margin_share`` (of the amount), ``discount`` (off the list).
    weeks : tuple of Week
    last_days : dict of str to LastDays
        By measure.
    brings : tuple of Brings
    """

    wins: int
    days: float
    last_wins: int
    measures: tuple[str, ...]
    weeks: tuple[Week, ...]
    last_days: dict[str, LastDays]
    brings: tuple[Brings, ...]


def margin(book: Book, *, quarter_starts: int, last_days: float, resamples: int, seed: int) -> Margin:
    """What the wins of a book bring.

    Parameters
    ----------
    quarter_starts : int
        A month with which a quarter begins.
    last_days : float
        So many days before the next quarter are the end of one.
    """
    leads = book.leads[book.has("won") & np.isfinite(book.leads["margin"].to_numpy(float))]
    leads = leads.reset_index(drop=True)
    sums = Sums(leads["account"].to_numpy(), resamples=resamples, seed=seed)
    values = measured(leads)
    week, to_go = when(leads["won_at"].to_numpy("datetime64[us]"), quarter_starts)
    last = to_go < last_days
    of_size = sizes(leads, values)
    return Margin(
        wins=len(leads),
        days=last_days,
        last_wins=int(last.sum()),
        measures=tuple(values),
        weeks=tuple(
            Week(
                each,
                int((week == each).sum()),
                {name: mean(sums, value, week == each) for name, value in values.items()},
            )
            for each in range(1, WEEKS + 1)
        )
        if len(leads)
        else (),
        last_days={
            name: LastDays(
                mean(sums, value, last), mean(sums, value, ~last), matched(sums, value, last, of_size)
            )
            for name, value in values.items()
        },
        brings=tuple(
            brings(sums, leads["margin"].to_numpy(float), leads[by].to_numpy() == group, by, str(group))
            for by in GROUPS
            if leads[by].nunique() > 1
            for group in leads[by].value_counts().index
        ),
    )


def measured(leads: pd.DataFrame) -> dict[str, np.ndarray]:
    """What is known of nearly all wins, by measure; NaN for those of which it is not."""
    amount, listed = (leads[name].to_numpy(float) for name in ("amount", "list_amount"))
    own, priced = leads["own_margin"].to_numpy(bool), np.where(listed > 0, listed, np.nan)
    paid = np.where(amount > 0, amount, np.nan)
    found = {
        "margin": leads["margin"].to_numpy(float),
        "margin_share": np.where(own, leads["margin"].to_numpy(float) / paid, np.nan),
        "discount": 1 - amount / priced,
    }
    return {name: value for name, value in found.items() if len(value) and np.isfinite(value).mean() >= KNOWN}


def when(won_at: np.ndarray, quarter_starts: int) -> tuple[np.ndarray, np.ndarray]:
    """The week of the quarter of each win, from 1, and the days that were left of the quarter."""
    month = won_at.astype("datetime64[M]").astype(int)  # 0 is a January
    first = month - (month - (quarter_starts - 1)) % MONTHS
    begins, ends = (each.astype("datetime64[M]") for each in (first, first + MONTHS))
    week = np.minimum((won_at - begins) // np.timedelta64(7, "D") + 1, WEEKS)
    return week, (ends - won_at) / np.timedelta64(1, "D")


def sizes(leads: pd.DataFrame, values: dict[str, np.ndarray]) -> np.ndarray:
    """Which fifth by size each deal is of: by its price on the list, else by its amount, which a discount moves."""
    size = leads["list_amount" if "discount" in values else "amount"].to_numpy(float)
    if len(size) and np.isfinite(size).mean() < KNOWN:
        size = leads["margin"].to_numpy(float)
    known = np.isfinite(size)
    if not known.any():
        return np.full(len(size), -1)
    edges = np.quantile(size[known], np.arange(1, SIZES) / SIZES)
    return np.where(known, np.searchsorted(edges, size, side="right"), -1)


def mean(sums: Sums, value: np.ndarray, rows: np.ndarray) -> Estimate:
    """The mean of a measure over some wins, of those of which it is known."""
    rows = rows & np.isfinite(value)
    return sums.ratio(np.where(rows, value, 0.0), rows.astype(float))


def matched(sums: Sums, value: np.ndarray, last: np.ndarray, of_size: np.ndarray) -> Estimate:
    """How much the last days differ from the others, deals of like size compared."""
    known = np.isfinite(value) & (of_size >= 0)
    if min((known & last).sum(), (known & ~last).sum()) < FEW:
        return Estimate(np.nan)
    total, draws, weight = 0.0, 0.0, 0
    for size in range(SIZES):
        late, other = (known & (of_size == size) & side for side in (last, ~last))
        if min(late.sum(), other.sum()) < FEW_OF_SIZE:
            continue
        count = int(late.sum())
        total += count * (value[late].mean() - value[other].mean())
        draws = draws + count * (sums.means(value, late) - sums.means(value, other))
        weight += count
    return estimate(total / weight, np.asarray(draws) / weight) if weight else Estimate(np.nan)


def brings(sums: Sums, money: np.ndarray, ours: np.ndarray, by: str, group: str) -> Brings:
    """What one group of wins brings beside the others."""
    says = TOO_FEW
    if min(ours.sum(), (~ours).sum()) >= FEW:
        apart = estimate(
            float(money[ours].mean() - money[~ours].mean()),
            sums.means(money, ours) - sums.means(money, ~ours),
        )
        says = ALIKE if not beyond_chance(wide(apart)) else MORE_MARGIN if apart.value > 0 else MORE_DEALS
    total = float(money.sum())
    return Brings(
        by=by,
        group=group,
        wins=int(ours.sum()),
        of_wins=float(ours.mean()),
        of_margin=float(money[ours].sum()) / total if total else np.nan,
        per_win=mean(sums, money, ours),
        says=says,
    )
