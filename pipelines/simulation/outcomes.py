"""What would become of each lead of a made-up market with and without sales, and what sales did.

The truth that no real data hold: both outcomes of every lead are drawn, and only one is ever seen.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from pipelines.simulation.leads import REPS

MEAN_P1 = 0.12
PAID_EFFECT, SEASON = -0.8, 0.25  # logit
VISIBLE_SPREAD = 0.92  # standard deviation of the visible logit: an AUC of about .73
ATTENUATION = 0.346  # (16·√3 / (15·π))²: how much an unseen normal factor flattens a logit
P0_SHARE = 0.08
ACCEPTED_SHARE = 0.35
LENIENCY, WHIM = 0.6, 0.7
WEIBULL_SHAPE, WEIBULL_DAYS = 1.3, 25.0
LOST_DAYS, LOST_SHARE = 40.0, 0.85  # the rest of the lost stay open for ever: nobody closes them
ACCEPT_DAYS, REJECT_DAYS, REJECT_SHARE = 3.0, 5.0, 0.6


@dataclass(frozen=True)
class Fates:
    """One entry per lead; times in days since the start, nan for what did not happen."""

    visible: np.ndarray  # logit: f(x)
    unseen: np.ndarray  # U
    p1: np.ndarray
    p0: np.ndarray
    wins_if_pursued: np.ndarray
    wins_if_not: np.ndarray
    scale: np.ndarray  # of the Weibull delay, days
    delay: np.ndarray  # from acceptance to winning, if pursued and won
    amount: np.ndarray  # if won
    margin: np.ndarray
    selected: np.ndarray
    accepted: np.ndarray
    rejected: np.ndarray
    won: np.ndarray
    lost: np.ndarray


def visible_logit(
    effect: np.ndarray, *, paid: np.ndarray, day_of_year: np.ndarray, gamma: float
) -> np.ndarray:
    """f(x) without its intercept: channel cost and season as they are, the rest scaled so that f ranks with
    an AUC of about .73.

    An unseen factor flattens what is seen, so f is spread wider by as much where ``gamma`` is not 0.
    """
    fixed = PAID_EFFECT * paid + SEASON * np.sin(2 * np.pi * day_of_year / 365.25)
    target = VISIBLE_SPREAD**2 * (1 + ATTENUATION * gamma**2)
    centred = standardised(effect)
    overlap = np.mean(centred * (fixed - fixed.mean()))
    scale = -overlap + np.sqrt(overlap**2 + max(target - fixed.var(), 0.0))
    return fixed + scale * centred


def draw_fates(
    rng: np.random.Generator,
    *,
    visible: np.ndarray,
    created: np.ndarray,
    owner: np.ndarray,
    employees: np.ndarray,
    taste: np.ndarray,
    skill: np.ndarray,
    gamma: float,
    delta: float,
    rho: float,
    slow: bool,
) -> Fates:
    """Draw both outcomes of every lead, then let sales choose.

    Sales takes up the best of each week by ``rho`` parts of what wins, its own taste, ``delta`` parts of what
    only it sees, the rep's leniency and whim. Leads that nobody takes up win on their own with ``p0``. ``skill`` is
    what the rep who gets a lead adds to the logit of winning it.
    """
    count = len(created)
    pace = 2.0 if slow else 1.0
    unseen = rng.standard_normal(count)
    visible = visible + brentq(
        lambda intercept: expit(intercept + visible + skill + gamma * unseen).mean() - MEAN_P1, -20, 20
    )
    p1 = expit(visible + skill + gamma * unseen)
    luck = rng.random(count)  # one draw for both outcomes: being pursued never costs a win
    wins_if_pursued, wins_if_not = luck < p1, luck < P0_SHARE * p1
    scale = pace * WEIBULL_DAYS * (employees / 55) ** 0.22
    delay = scale * rng.weibull(WEIBULL_SHAPE, count)
    amount = np.round(6000 * (employees / 55) ** 0.4 * np.exp(0.8 * rng.standard_normal(count)), 2)

    liking = rho * standardised(visible) + np.sqrt(1 - rho**2) * apart_from(taste, visible)
    leniency = LENIENCY * rng.standard_normal(REPS)
    rating = liking + delta * unseen + leniency[owner] + WHIM * rng.gumbel(size=count)
    selected = weekly_best(rating, week=(created // 7).astype(np.int64), share=ACCEPTED_SHARE)

    accepted = np.where(selected, created + rng.exponential(ACCEPT_DAYS, count), np.nan)
    own_pace = created + 2 * delay
    won = np.where(
        selected & wins_if_pursued, accepted + delay, np.where(~selected & wins_if_not, own_pace, np.nan)
    )
    given_up = selected & ~wins_if_pursued & (rng.random(count) < LOST_SHARE)
    lost = np.where(given_up, accepted + pace * LOST_DAYS * rng.weibull(WEIBULL_SHAPE, count), np.nan)
    rejected = np.where(
        ~selected & (rng.random(count) < REJECT_SHARE), created + rng.exponential(REJECT_DAYS, count), np.nan
    )
    rejected = np.where(won < rejected, np.nan, rejected)
    return Fates(
        visible=visible,
        unseen=unseen,
        p1=p1,
        p0=P0_SHARE * p1,
        wins_if_pursued=wins_if_pursued,
        wins_if_not=wins_if_not,
        scale=scale,
        delay=delay,
        amount=amount,
        margin=np.round(amount * rng.uniform(0.25, 0.5, count), 2),
        selected=selected,
        accepted=accepted,
        rejected=rejected,
        won=won,
        lost=lost,
    )


def weekly_best(rating: np.ndarray, *, week: np.ndarray, share: float) -> np.ndarray:
    """True for the best ``share`` of every week."""
    order = np.lexsort((-rating, week))
    sizes = np.bincount(week)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(rating)) - first[week[order]]
    best = np.empty(len(rating), dtype=bool)
    best[order] = place < np.round(share * sizes[week[order]])
    return best


def standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def apart_from(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The standardised part of ``values`` that is uncorrelated with ``other``."""
    left, right = standardised(values), standardised(other)
    return standardised(left - np.mean(left * right) * right)
