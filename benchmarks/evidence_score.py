"""Which chance should be the score: twelve months with the filter in force, trained anew each month, in made-up
markets whose truth is known.

Every week sales takes the best that it is given, by its own liking, as many as without a filter. In the second year
a segment is new whose leads are good and which sales has never liked. What is held is not seen by the next model,
save for the accounts that pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from benchmarks.evidence_selection import NODE_WEIGHTS, NODES, visible_columns
from models.policy.risk_control import certified_cut, wins_needed
from pipelines.simulation.market import SimulatorSettings, simulate
from pipelines.simulation.outcomes import (
    ACCEPTED_SHARE,
    LENIENCY,
    WHIM,
    apart_from,
    standardised,
    weekly_best,
)

CELLS = (
    (0.9, True),
    (0.9, False),
    (0.0, True),
)  # how well reps choose, and whether they see what no column shows
SCORES = ("p_both", "p_convert", "the truth if worked")
MONTH, SETTLED = 365.25 / 12, 111.0  # days
FIRST, MONTHS = 12, 24
PASSING, LOST, CONFIDENCE, CERTIFY = 0.05, 0.05, 0.95, 400
NEW_SHARE, NEW_EFFECT, NEW_DISLIKE = 0.08, 1.0, -2.0  # of the leads of the second year; logits


@dataclass(frozen=True)
class Market:
    """Leads in the order of creation, with what would become of each."""

    created: np.ndarray
    account: np.ndarray
    columns: csr_array
    liking: np.ndarray  # by which sales takes leads up
    p1: np.ndarray  # chance to win if worked, given what can be seen
    wins: np.ndarray  # if worked
    margin: np.ndarray
    new: np.ndarray
    passes: np.ndarray


def score_grid(seeds: Sequence[int] = (1, 2, 3, 4, 5, 6), *, leads: int = 24_000) -> pd.DataFrame:
    """What comes of each score in a year.

    Returns
    -------
    DataFrame
        One row per ``rho``, ``unseen`` and ``score``: ``held``, the share of leads; ``lost``, the share of the
        customers of sales as usual that lie below the cut, and ``years above``, the share of markets in which
        that is more than was promised; ``customers`` and ``margin`` won, against sales without a filter, with the
        standard error ``se`` of the first over markets; ``new held``, the share of the new segment that is held in
        the last quarter.
    """
    rows = []
    for rho, unseen in CELLS:
        for score in SCORES:
            years = pd.DataFrame([_year(seed, rho, float(unseen), score, leads) for seed in seeds])
            figures = years.mean().to_dict() | {
                "years above": (years["lost"] > LOST).mean(),
                "se": years["customers"].sem(),
            }
            rows.append({"rho": rho, "unseen": unseen, "score": score, **figures})
    order = ["rho", "unseen", "score", "held", "lost", "years above", "customers", "se", "margin", "new held"]
    return pd.DataFrame(rows)[order]


def _year(seed: int, rho: float, unseen: float, score: str, leads: int) -> dict[str, float]:
    market = _market(seed, rho, unseen, leads)
    week = (market.created // 7).astype(int)
    usual = weekly_best(market.liking, week=week, share=ACCEPTED_SHARE)
    taken, held, filtered = usual.copy(), np.zeros(leads, bool), np.zeros(leads, bool)
    below, late = np.zeros(leads, bool), market.created >= (MONTHS - 3) * MONTH
    rng = np.random.default_rng([seed, 5])
    for month in range(FIRST, MONTHS):
        start = month * MONTH
        now = (market.created >= start) & (market.created < start + MONTH)
        known = market.created < start - SETTLED
        scores, certifying = _scored(
            market, score, known=known, taken=taken, held=held, filtered=filtered, rng=rng
        )
        cut = -np.inf
        if len(certifying) >= wins_needed(LOST, CONFIDENCE):
            cut = certified_cut(scores[certifying], max_lost_share=LOST, confidence=CONFIDENCE)
        below[now] = scores[now] < cut
        held |= now & below & ~market.passes
        filtered |= now
        left = weekly_best(np.where(held, -np.inf, market.liking), week=week, share=ACCEPTED_SHARE)
        taken[now] = left[now] & ~held[now]
    year = market.created >= FIRST * MONTH
    customers, as_usual = taken & market.wins & year, usual & market.wins & year
    return {
        "held": held[year].mean(),
        "lost": below[as_usual].mean(),
        "customers": customers.sum() / as_usual.sum(),
        "margin": market.margin[customers].sum() / market.margin[as_usual].sum(),
        "new held": held[market.new & late].mean(),
    }


def _scored(
    market: Market,
    score: str,
    *,
    known: np.ndarray,
    taken: np.ndarray,
    held: np.ndarray,
    filtered: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Every lead's score by a model of what is known, and the wins that it has not learned from."""
    won = np.flatnonzero(known & taken & market.wins & (~filtered | market.passes))
    number = min(CERTIFY, len(won) // 4)
    newest = won[-2 * number :]
    accounts = rng.permutation(np.unique(market.account[newest]))
    withheld = np.isin(market.account, accounts[: len(accounts) * number // len(newest)])
    certifying = newest[withheld[newest]]
    if score == "the truth if worked":
        return market.p1, certifying

    def fitted(rows: np.ndarray, outcome: np.ndarray) -> np.ndarray:
        model = LogisticRegression(C=0.5, max_iter=150).fit(market.columns[rows], outcome[rows])
        return model.predict_proba(market.columns)[:, 1]

    p_convert = fitted(known & ~withheld & taken, market.wins)
    if score == "p_convert":
        return p_convert, certifying
    return fitted(known & ~withheld & ~held, taken) * p_convert, certifying


def _market(seed: int, rho: float, unseen: float, leads: int) -> Market:
    settings = SimulatorSettings(leads=leads, seed=seed, gamma=unseen, delta=unseen, rho=rho)
    world, rng = simulate(settings), np.random.default_rng([seed, 4])
    truth, shown = world.truth.to_pandas(), world.leads.to_pandas()
    created = (shown["created_at"] - pd.Timestamp(settings.start)).dt.total_seconds().to_numpy() / 86400
    new = (rng.random(leads) < NEW_SHARE) & (created >= FIRST * MONTH)
    visible, factor = truth["visible_logit"].to_numpy(), truth["u"].to_numpy()
    taste = sum(_drawn(rng, shown[column]) for column in ("channel", "country"))
    liking = rho * standardised(visible) + np.sqrt(1 - rho**2) * apart_from(taste, visible)
    leniency = _drawn(rng, shown["owner"])
    visible = visible + NEW_EFFECT * new
    accounts, names = pd.factorize(shown["account_id"])
    return Market(
        created=created,
        account=accounts,
        columns=csr_array(hstack([visible_columns(world), csr_array(new.astype(float)[:, None])])),
        liking=liking
        + unseen * factor
        + LENIENCY * leniency
        + WHIM * rng.gumbel(size=leads)
        + NEW_DISLIKE * new,
        p1=expit(visible[:, None] + unseen * NODES) @ (NODE_WEIGHTS / NODE_WEIGHTS.sum()),
        wins=rng.random(leads) < expit(visible + unseen * factor),
        margin=truth["margin"].to_numpy(),
        new=new,
        passes=(rng.random(len(names)) < PASSING)[accounts],
    )


def _drawn(rng: np.random.Generator, words: pd.Series) -> np.ndarray:
    """A normal draw for each word of a column."""
    codes, names = pd.factorize(words, use_na_sentinel=False)
    return rng.standard_normal(len(names))[codes]
