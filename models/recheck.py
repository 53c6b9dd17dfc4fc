"""Is the filter's promise kept? After launch, customers below the cut are seen only where their leads passed through."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # which loads its parts when they are used: a process that only scores is spared 40 MB of statistics

from models.arms import FORCED, PASS_THROUGH
from models.bootstrap import number
from models.certificate import lost_share_bound

MOST_WINS = 1_000_000


@dataclass(frozen=True)
class Recheck:
    """What the filter loses, measured after launch.

    Attributes
    ----------
    wins, held_wins : int
        Customers as counted, and those of them below the cut, who are seen only because they passed through.
    estimate, bound : float
        Share of customers that the filter loses: the most likely, and the most that it can be with ``confidence``.
    kept : bool or None
        Whether the promise is kept; None where that cannot be told yet.
    wins_missing : int or None
        How many more customers, with the same share below the cut, would certify the promise; None where no number would.
    max_lost_share, confidence : float
        The promise.
    """

    wins: int
    held_wins: int
    estimate: float
    bound: float
    kept: bool | None
    wins_missing: int | None
    max_lost_share: float
    confidence: float

    def words(self) -> str:
        """One sentence for the report."""
        seen = f"customers counted since launch: {self.wins:,}, of them below the cut and passed through: {self.held_wins:,}"
        # An upper bound is rounded up: 5.006 % is not 5.0 %.
        lost = f"the filter loses at most {np.ceil(1000 * self.bound) / 10:.1f} % of customers with {100 * self.confidence:g} % confidence"
        if np.isfinite(self.estimate):
            lost += f" (most likely {100 * self.estimate:.1f} %)"
        if self.kept:
            verdict = "is kept"
        elif self.kept is False:
            verdict = "is broken: lower the cut, or train anew"
        elif self.wins_missing is None and not self.held_wins:
            verdict = "cannot be confirmed: no lead below the cut has passed through, so a customer among them would not be seen"
        elif self.wins_missing is None:
            verdict = "cannot be confirmed, and more customers at this share would not change that"
        elif not self.wins:
            verdict = f"needs {self.wins_missing:,} customers, none of them below the cut, to be confirmed"
        else:
            verdict = f"needs {self.wins_missing:,} more customer{'s' * (self.wins_missing != 1)} at this share to be confirmed"
        return f"{seen}; {lost}; the promise of {100 * self.max_lost_share:g} % {verdict}"

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it; what cannot be had is null."""
        return {
            "wins": self.wins,
            "held_wins": self.held_wins,
            "estimate": number(self.estimate),
            "bound": self.bound,
            "kept": self.kept,
            "wins_missing": self.wins_missing,
            "max_lost_share": self.max_lost_share,
            "confidence": self.confidence,
            "why": self.words(),
        }


def promise_recheck(
    *,
    score: np.ndarray,
    cut: float | np.ndarray,
    arm: np.ndarray,
    won: np.ndarray,
    pass_through: float,
    max_lost_share: float,
    confidence: float,
    forced: float = 0.0,
) -> Recheck:
    """Is the filter's promise kept, as far as the leads that passed through can tell?

    The promise is about customers that reps would win deciding as usual. So forced leads count nowhere: they are worked harder, which
    below the cut makes more customers than reps as usual would. Of the others, a customer below the cut is counted if it passed through,
    a customer at or above it in either arm; a held lead that bought all the same was not lost and is not counted. Then, with e the
    probability of passing through among leads not forced, the customers below the cut are binomial among those counted, with
    ``q = e * lost / (1 - (1 - e) * lost)``, and the bound on q is turned back into one on the lost share. It takes customers to be
    independent: where one account buys several times, give one of its wins.

    Parameters
    ----------
    score : array of float, shape (n,)
        At the time of the decision, of every lead decided under the policy whose whole horizon has passed; NaN counts as handed off.
    cut : float or array of float, shape (n,)
        The cut in force.
    arm : array, shape (n,)
        From :mod:`models.arms`.
    won : array of bool, shape (n,)
        Within the horizon.
    pass_through, forced : float
        Rates of the arms; where one has changed meanwhile, the smallest errs on the safe side.
    max_lost_share, confidence : float
        The promise.

    References
    ----------
    Clopper, Pearson (1934), for the binomial bound.
    """
    arm, won = np.asarray(arm), np.asarray(won, bool)
    below = np.asarray(score, float) < cut
    held_wins = int(np.sum(won & below & (arm == PASS_THROUGH)))
    wins = held_wins + int(np.sum(won & ~below & (arm != FORCED)))
    seen = pass_through / (1 - forced) if forced < 1 else 0.0

    def bound(held: int, total: int) -> float:
        return lost_share_bound(held_wins=held, wins=total, pass_through=seen, confidence=confidence)

    estimate = _lost_share(held_wins / wins, seen) if wins and seen else np.nan
    most = bound(held_wins, wins)
    least = _lost_share(scipy.stats.beta.ppf(1 - confidence, held_wins, wins - held_wins + 1), seen) if held_wins else 0.0
    kept = True if most <= max_lost_share else False if least > max_lost_share else None
    return Recheck(
        wins=wins,
        held_wins=held_wins,
        estimate=float(estimate),
        bound=float(most),
        kept=kept,
        wins_missing=_wins_missing(bound, held_wins, wins, max_lost_share),
        max_lost_share=max_lost_share,
        confidence=confidence,
    )


def _lost_share(q: float, seen: float) -> float:
    """The share of all customers that are below the cut, from their share ``q`` among those counted."""
    return q / (q + seen * (1 - q))


def _wins_missing(bound: Callable[[int, int], float], held_wins: int, wins: int, max_lost_share: float) -> int | None:
    """Fewest further wins that certify the promise if the share below the cut stays as it is; None beyond a million."""

    def certified(total: int) -> bool:
        held = -(-held_wins * total // wins) if wins else 0
        return bound(held, total) <= max_lost_share

    enough = max(wins, 1)
    while not certified(enough):
        enough *= 2
        if enough > MOST_WINS:
            return None
    return bisect_left(range(enough), True, lo=wins, key=certified) - wins
