"""What handing leads off by a policy is worth per lead, from leads that were handed off whatever their score.

A lead that passed through was handed off by lot, and reps then decided as usual: so the pass-through arm
shows the value of *handing off*, and with it of any policy that chooses whom to hand off. Forced leads were
worked by lot: the forced arm shows the value of *working*, p1 with nothing of the reps' choice in it. The two
are different questions and are never pooled. Without a randomised arm only leads whose outcome somebody's
choice let us see remain; such figures say so.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from models.evaluation.metrics import ratio
from models.evaluation.uncertainty import Estimate, account_weights
from models.policy.arms import PASS_THROUGH, POLICY

FEWEST = 20
RANDOMISED, UNCONFOUNDED = "randomised", "unconfounded only"

Basis = Literal["randomised", "unconfounded only"]


@dataclass(frozen=True)
class PolicyValue:
    """Value per lead, in the unit of the reward.

    Attributes
    ----------
    basis : str
        "randomised", or "unconfounded only": right only if nobody chose by anything that the model does not
        see.
    arm : str or None
        The randomised arm it rests on.
    leads, seen : int
        Leads in all, and those whose reward was used.
    chosen_share : float
        Share of leads that the policy hands off; of a difference, its change.
    snips, doubly_robust : Estimate
        Two estimates of the same: from the seen rewards alone, and with the model's expectation for all
        leads, corrected by them. They should agree; the doubly robust one is narrower where the model is
        good.
    difference : bool
        Whether this is one policy's value minus another's.
    """

    basis: Basis
    arm: str | None
    leads: int
    seen: int
    chosen_share: float
    snips: Estimate
    doubly_robust: Estimate
    difference: bool = False

    def words(self) -> str:
        """One sentence for the report."""
        what = "more per lead than the other policy" if self.difference else "per lead"
        share = f"{100 * self.chosen_share:{'+' if self.difference else ''}.1f} % of leads handed off"
        best = self.doubly_robust
        interval = (
            f"{best.low:.2f} to {best.high:.2f}"
            if np.isfinite(best.low)
            else "no interval: every reward seen is the same"
        )
        source = (
            f"{self.seen:,} leads of the {self.arm} arm"
            if self.arm
            else f"{self.seen:,} leads whose outcome was seen"
        )
        sentence = f"{best.value:.2f} ({interval}) {what}, {share}: {self.basis}, from {source}"
        if self.basis == UNCONFOUNDED:
            sentence += "; right only if nobody chose them by anything that the model does not see"
        return sentence


def policy_value(
    logged: pd.DataFrame,
    chosen: np.ndarray,
    *,
    expected: np.ndarray,
    rival: np.ndarray | None = None,
    held: np.ndarray | float = 0.0,
    arm: str = PASS_THROUGH,
    resamples: int = 200,
    seed: int = 0,
) -> PolicyValue:
    """The value per lead of a policy that would hand off the leads in ``chosen``, or what it is worth more
    than a rival.

    With w one over the propensity in the randomised arm and 0 elsewhere, π the choice and r the reward:
    SNIPS ``Σ w π r / Σ w``, and doubly robust ``mean(π μ) + Σ w π (r − μ) / Σ w``. Both divide by the weights
    themselves, so that an arm that came out a little large or small moves neither. Intervals by bootstrap
    over accounts, by which the arms are drawn.

    Parameters
    ----------
    logged : DataFrame
        Every lead of a span whose whole horizon has passed, won or not: leads that are in it because they
        were won early would make every policy look good. Columns ``account_id``, ``arm``, ``propensity``
        (probability of that arm) and ``reward`` if handed off, such as the margin of a customer minus the
        cost of a lead; NaN where it was not seen.
    chosen : array of bool, shape (n,)
        What the policy would hand off; probabilities for one that draws lots.
    expected : array of float, shape (n,)
        The model's expected reward if handed off, from a model not fitted on these leads.
    rival : array of bool, shape (n,), optional
        What another policy would hand off. Both are seen through the same draws, and leads that both treat
        alike cancel.
    held : array of float, shape (n,), or float
        Expected reward of a held lead, such as ``p0 · margin``; 0 where unknown.
    arm : str
        ``PASS_THROUGH`` for the value of handing off, ``FORCED`` for that of working.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    PolicyValue
        Where nobody is in the arm, from the leads that followed the logged policy and whose reward was seen:
        "unconfounded only".

    Raises
    ------
    ValueError
        Where an array does not fit the leads or an expectation is missing.
    TooLittleDataError
        With fewer than 20 rewards to go by; nothing is valued.

    References
    ----------
    Swaminathan, Joachims (2015), The self-normalized estimator; Dudík, Langford, Li (2011), Doubly robust
    policy evaluation.
    """
    count = len(logged)
    choice = np.asarray(chosen, float) - (0.0 if rival is None else np.asarray(rival, float))
    held, expected = np.broadcast_to(np.asarray(held, float), count), np.asarray(expected, float)
    if (
        choice.shape != (count,)
        or expected.shape != (count,)
        or not np.isfinite(choice + expected + held).all()
    ):
        raise ValueError(f"chosen, expected and held must give a number for each of the {count} leads")
    reward, drawn = logged["reward"].to_numpy(float), (logged["arm"] == arm).to_numpy()
    randomised = bool(drawn.any())
    asked = drawn if randomised else (logged["arm"] == POLICY).to_numpy()
    seen = asked & np.isfinite(reward)
    if seen.sum() < FEWEST:
        raise TooLittleDataError(
            f"{seen.sum()} settled leads of the {arm if randomised else POLICY} arm have a known reward; {FEWEST} are needed. "
            "No policy was valued."
        )
    weight = np.zeros(count)
    weight[seen] = 1 / logged["propensity"].to_numpy(float)[seen] if randomised else 1.0
    surplus = choice * (expected - held)
    seen_surplus = np.where(seen, choice * (reward - held), 0.0)
    base = held if rival is None else np.zeros(count)
    account, names = pd.factorize(logged["account_id"])
    draws = account_weights(len(names), resamples=resamples, seed=seed)
    rewards_differ = np.ptp(reward[seen]) > 0

    def figure(everywhere: np.ndarray, where_seen: np.ndarray) -> Estimate:
        """The mean of one column plus the weighted mean of another, each account's pull on it, and so its
        interval.
        """
        shares = weight / weight.sum()
        mean, correction = everywhere.mean(), shares @ where_seen
        pulls = np.bincount(
            account,
            weights=(everywhere - mean) / count + shares * (where_seen - correction),
            minlength=len(names),
        )
        value = float(mean + correction)
        return studentised(value, pulls, draws) if rewards_differ else Estimate(value)

    return PolicyValue(
        basis=RANDOMISED if randomised else UNCONFOUNDED,
        arm=arm if randomised else None,
        leads=count,
        seen=int(seen.sum()),
        chosen_share=float(choice.mean()),
        snips=figure(base, seen_surplus),
        doubly_robust=figure(base + surplus, seen_surplus - surplus),
        difference=rival is not None,
    )


def studentised(value: float, pulls: np.ndarray, draws: np.ndarray) -> Estimate:
    """A figure with its 95 % bootstrap-t interval.

    Rewards are few and large. A resample with fewer of them has a smaller figure and a smaller spread, which
    plain percentiles do not notice: with twenty to forty customers in the arm they covered differences in 80
    to 87 % of runs where these cover in 85 to 96 %.

    Parameters
    ----------
    value : float
    pulls : array of float, shape (accounts,)
        How far each account moves the figure to first order (its influence); they sum to 0.
    draws : array, shape (accounts, resamples)
        From :func:`models.evaluation.uncertainty.account_weights`.

    References
    ----------
    Efron, Tibshirani (1993), An introduction to the bootstrap, chapter 12.5.
    """
    draws = draws.astype(float)
    moved = pulls @ draws
    spread = np.sqrt(np.maximum(pulls**2 @ draws - moved**2 / draws.sum(axis=0), 0.0))
    low, high = np.quantile(ratio(moved, spread, empty=0.0), [0.025, 0.975]) * np.sqrt(pulls @ pulls)
    return Estimate(value, float(value - high), float(value - low))
