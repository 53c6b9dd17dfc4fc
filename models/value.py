"""What sales gains by taking a lead up, and the chance of winning from which that pays."""

import numpy as np

MOST_UNPURSUED = 0.95
FEWEST_UNPURSUED_WINS = 5


def expected_value(p1: np.ndarray, margin: np.ndarray, *, unpursued_share: float, cost: float | np.ndarray) -> np.ndarray:
    """``EV = (p1 - p0) * margin - cost`` with ``p0 = unpursued_share * p1``: what pursuing a lead adds to leaving it alone.

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
    """Which share of ``p1`` comes without sales: wins among the leads that sales turned down, against what pursuing them promised.

    These leads are poorer than others, which ``p1`` knows as far as the columns show it; what only sales saw makes the share too low.

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
        ``sum(won) / sum(p1)``, at most .95. 0 with fewer than 5 such wins: one or two may be slips of the record, and the share decides
        about every lead.
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
    return share, f"{seen}, where {promised:,.0f} would have been if pursued: {share:.0%} of a lead's chance counts as there without sales."


def economic_cut(
    margin: np.ndarray, *, unpursued_share: float, cost: float | np.ndarray, price: float = 0.0, hours: float | np.ndarray = 1.0
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
        Hold where ``p1`` is strictly below. 0 where a lead costs nothing; infinite where no chance up to 1 would pay and where the margin
        is empty. The smaller of this and a certified cut is thus the cut in force.

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
