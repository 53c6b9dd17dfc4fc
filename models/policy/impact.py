"""What became of the leads that were decided: is the promise kept, and what was handing off worth?

After launch, customers below the cut are seen only where their leads passed through. Everything is read from
the decision log and from outcomes within the horizon; leads whose time is not over are left out, for those of
them that are known already are the quick ones.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from features.errors import TooLittleDataError
from features.serialization import plain
from models.policy.arms import FORCED, PASS_THROUGH
from models.policy.off_policy import PolicyValue, policy_value
from models.policy.risk_control import lost_share_bound
from models.policy.selective_labels import Leniency, leniency
from models.policy.settings import PolicySettings

MOST_WINS = 1_000_000
THE_FILTER, EVERYBODY = "the filter", "everybody handed off"


@dataclass(frozen=True)
class Recheck:
    """What the filter loses, measured after launch.

    Attributes
    ----------
    wins, held_wins : int
        Customers as counted, and those of them below the cut, who are seen only because they passed through.
    estimate, bound : float
        Share of customers that the filter loses: the most likely, and the most that it can be with
        ``confidence``.
    kept : bool or None
        Whether the promise is kept; None where that cannot be told yet.
    wins_missing : int or None
        How many more customers, with the same share below the cut, would certify the promise; None where no
        number would.
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
        return plain(self) | {"why": self.words()}


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

    The promise is about customers that reps would win deciding as usual. So forced leads count nowhere: they
    are worked harder, which below the cut makes more customers than reps as usual would. Of the others, a
    customer below the cut is counted if it passed through, a customer at or above it in either arm; a held
    lead that bought all the same was not lost and is not counted. Then, with e the probability of passing
    through among leads not forced, the customers below the cut are binomial among those counted, with ``q = e
    * lost / (1 - (1 - e) * lost)``, and the bound on q is turned back into one on the lost share. It takes
    customers to be independent: where one account buys several times, give one of its wins.

    Parameters
    ----------
    score : array of float, shape (n,)
        At the time of the decision, of every lead decided under the policy whose whole horizon has passed;
        NaN counts as handed off.
    cut : float or array of float, shape (n,)
        The cut in force.
    arm : array, shape (n,)
        From :mod:`models.policy.arms`.
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
    # Rates of different times may add up to more than 1.
    seen = min(pass_through / (1 - forced), 1.0) if forced < 1 else 0.0

    def bound(held: int, total: int) -> float:
        return lost_share_bound(held_wins=held, wins=total, pass_through=seen, confidence=confidence)

    estimate = _lost_share(held_wins / wins, seen) if wins and seen else np.nan
    most = bound(held_wins, wins)
    least = (
        _lost_share(scipy.stats.beta.ppf(1 - confidence, held_wins, wins - held_wins + 1), seen)
        if held_wins
        else 0.0
    )
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


def _wins_missing(
    bound: Callable[[int, int], float], held_wins: int, wins: int, max_lost_share: float
) -> int | None:
    """Fewest further wins that certify the promise if the share below the cut stays as it is; None beyond a
    million.
    """

    def certified(total: int) -> bool:
        held = -(-held_wins * total // wins) if wins else 0
        return bound(held, total) <= max_lost_share

    enough = max(wins, 1)
    while not certified(enough):
        enough *= 2
        if enough > MOST_WINS:
            return None
    return bisect_left(range(enough), True, lo=wins, key=certified) - wins


@dataclass(frozen=True)
class Aftermath:
    """Since launch.

    Attributes
    ----------
    decided, settled : int
        Leads decided, and those whose whole time is over.
    promise : Recheck
    worth : dict
        By unit ("customers", "value") and by policy, what a decided lead brought; and under "difference" what
        the filter brings more than handing off everybody. Empty where too little is known.
    leniency : Leniency or None
    notes : tuple of str
    """

    decided: int
    settled: int
    promise: Recheck
    worth: dict[str, dict[str, PolicyValue]]
    leniency: Leniency | None
    notes: tuple[str, ...]


def aftermath(
    log: pd.DataFrame, settings: PolicySettings, *, resamples: int = 200, seed: int = 0
) -> Aftermath:
    """Look back at what was decided.

    Parameters
    ----------
    log : DataFrame
        One row per decided lead: ``account_id, arm, propensity, score, cut, p_pursue, p_convert, p_both,
        value`` as logged; ``settled`` (bool), ``accepted`` and ``won`` (bool, within the horizon), ``margin``
        (NaN where unknown) and ``rep`` (empty where unknown).
    settings : PolicySettings
        What is promised, and what a lead costs.
    """
    known = log[log["settled"]].reset_index(drop=True)
    promise = promise_of(known, settings)
    handed = (known["score"] >= known["cut"].fillna(-np.inf)).to_numpy()
    worth: dict[str, dict[str, PolicyValue]] = {}
    notes = []
    won = known["won"].to_numpy(float)
    rewards = {"customers": (won, known["p_both"].to_numpy(float))}
    if known["value"].notna().any() and known.loc[known["won"], "margin"].notna().any():
        cost = (settings.cost_per_lead or 0.0) * known["accepted"].to_numpy(float)
        earned = np.where(known["won"], known["margin"].fillna(known["margin"].median()), 0.0) - cost
        rewards["value"] = (
            earned,
            (known["p_pursue"].fillna(1.0) * known["value"]).fillna(0.0).to_numpy(float),
        )
    for unit, (reward, expected) in rewards.items():
        # Only a lead that was handed off shows what handing off brings.
        seen = np.where((known["arm"] != "policy") | handed, reward, np.nan)
        logged = known[["account_id", "arm", "propensity"]].assign(reward=seen)
        options = {"expected": np.nan_to_num(expected), "resamples": resamples, "seed": seed}
        try:
            worth[unit] = {
                THE_FILTER: policy_value(logged, handed, **options),
                EVERYBODY: policy_value(logged, np.ones(len(known), bool), **options),
                "difference": policy_value(logged, handed, rival=np.ones(len(known), bool), **options),
            }
        except TooLittleDataError as error:
            notes.append(str(error))
            break
    return Aftermath(
        decided=len(log),
        settled=len(known),
        promise=promise,
        worth=worth,
        leniency=leniency_of(known),
        notes=tuple(notes),
    )


def promise_of(known: pd.DataFrame, settings: PolicySettings) -> Recheck:
    """The promise checked again on settled leads of the log, as :func:`aftermath` takes it."""
    passing = (
        settings.pass_through if known.empty else known.loc[known["arm"] == PASS_THROUGH, "propensity"].min()
    )
    forced = known.loc[known["arm"] == FORCED, "propensity"].max()
    return promise_recheck(
        score=known["score"].to_numpy(float),
        cut=known["cut"].fillna(-np.inf).to_numpy(float),
        arm=known["arm"].to_numpy(),
        won=_once_an_account(known),
        pass_through=0.0 if np.isnan(passing) else float(passing),
        forced=0.0 if np.isnan(forced) else float(forced),
        max_lost_share=settings.max_lost_share,
        confidence=settings.confidence,
    )


def _once_an_account(known: pd.DataFrame) -> np.ndarray:
    """Wins, one of each account: those of one account share a fate."""
    return (known["won"] & ~known.duplicated(["account_id", "won"])).to_numpy()


def leniency_of(known: pd.DataFrame) -> Leniency | None:
    """Whether strict reps win more than the chances say, on settled leads of the log."""
    told = known[known["rep"].notna()]
    taken = told[told["accepted"]]
    acceptance = told.groupby("rep")["accepted"].agg(["sum", "size"])
    return leniency(
        taken["won"].to_numpy(float),
        taken["p_convert"].to_numpy(float),
        taken["rep"].to_numpy(),
        {rep: (int(row["sum"]), int(row["size"])) for rep, row in acceptance.iterrows()},
    )
