"""From scores to decisions: one row per lead with its chances, worth, arm, action and worded reasons."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.online.rows import Rows
from features.outcomes import days_waited
from models.policy.arms import FORCED, POLICY
from models.policy.policy import HAND_OFF, HOLD, Policy
from models.policy.rules import NEVER, ruled
from models.policy.selective_labels import extrapolated
from models.scoring.reasons import reasons
from models.scoring.scorer import Scorer
from models.survival.encoding import encode

ECONOMIC = "economic"
CHANCES = ("p_pursue", "p_convert", "p_both", "p_worked", "low", "high", "score", "grade")
DECIDED = (  # the columns of a decision, in their order
    *(
        "lead_id",
        "account_id",
        "as_of",
        *CHANCES,
        "p_worked_by",
        "extrapolated",
        "value",
        "arm",
        "propensity",
    ),
    *("cut", "cut_by", "action", "rank", "reasons", "weights", "policy", "version"),
)


def decide_all(
    scorer: Scorer,
    policy: Policy,
    leads: pd.DataFrame | Rows,
    *,
    version: str,
    with_reasons: int,
    taken_days: np.ndarray | None = None,
    said: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score leads and decide each; who of them fits into the week, ``fits_week`` says.

    Parameters
    ----------
    leads : DataFrame
        One row per lead as ``features.matrix.frame`` gives it: ``lead_id``, ``account_id``, ``as_of`` and the
        recipe's columns.
    with_reasons : int
        How many of the best leads get reasons; the others get none. Exact reasons cost more than the score
        itself.
    taken_days : array of float, optional
        For how many days sales has had each lead, NaN where it has not taken it up.
    said : DataFrame, optional
        Columns that rules may ask for besides, row by row beside ``leads``.

    Returns
    -------
    DataFrame
        In the order of ``leads``: ``lead_id``, ``account_id``, ``as_of``, ``p_pursue``, ``p_convert``,
        ``p_both``, ``p_worked``, ``low``, ``high``, ``p_worked_by``, ``extrapolated``, ``value``, ``score``
        (what is cut), ``grade``, ``arm``, ``propensity`` (of the arm), ``cut`` and ``cut_by`` (the cut in force
        and whose it is), ``action``, ``rank`` (1 is the best, by value where it is known, else by score; ties
        in the order of ids), ``reasons`` (sentences), ``weights`` (of each, in logits), ``policy`` and
        ``version``.
    """
    return pd.DataFrame(
        decide_each(
            scorer,
            policy,
            leads,
            version=version,
            with_reasons=with_reasons,
            taken_days=taken_days,
            said=said,
        )
    )


def decide_each(
    scorer: Scorer,
    policy: Policy,
    leads: pd.DataFrame | Rows,
    *,
    version: str,
    with_reasons: int,
    taken_days: np.ndarray | None = None,
    said: pd.DataFrame | Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The columns of ``decide_all``; what is the same for all leads may stand there once. To make a data frame of them takes
    as long as all else for one lead.
    """
    encoded = encode(leads, scorer.categories)
    created_at, as_of = (np.asarray(leads[name]) for name in ("created_at", "as_of"))
    scores = scorer.chances(encoded, taken_days, days_waited(created_at, as_of, scorer.recipe.horizons.delay))
    score = scores["score"]
    value, cut, cut_by = _cuts(policy, scorer, scores, leads, encoded)
    arm, propensity = policy.arms.dealt(leads["account_id"])
    rules = ruled(policy.rules, leads, said, at=as_of) if policy.rules else None
    held = (score < cut) & (arm == POLICY)
    if (
        rules is not None
    ):  # as a cut of these leads' own, above or below all scores; never is never in any arm
        never = rules.score == NEVER
        cut = np.where(rules.decides, np.where(never, 1.0, 0.0), cut)
        cut_by = np.where(rules.decides, rules.by, cut_by)
        arm = np.where(never, POLICY, arm)
        propensity = np.where(never, 1.0, propensity)
        held = np.where(rules.decides, never, held)
        scores["grade"] = rules.capped(scores["grade"])

    order = best_first(score, value, leads["lead_id"])
    words, weights = worded(scorer, leads, order[:with_reasons], encoded=encoded)

    decided = {name: _array(leads[name]) for name in ("lead_id", "account_id", "as_of")}
    decided |= {name: scores[name] for name in CHANCES}
    return {
        **decided,
        "p_worked_by": scorer.worked_by,
        "extrapolated": extrapolated(scores["p_pursue"]),
        "value": value,
        "arm": arm,
        "propensity": propensity,
        "cut": np.where(np.isfinite(cut), cut, np.nan),
        "cut_by": cut_by,
        "action": np.where(held, HOLD, HAND_OFF).astype(object),
        "rank": ranks(order),
        "reasons": words,
        "weights": weights,
        "policy": policy.name,
        "version": version,
    }


def best_first(score: np.ndarray, value: np.ndarray, lead_ids: pd.Series | np.ndarray) -> np.ndarray:
    """The places of leads, the best first: by value where it is known, else by score; ties in the order of ids."""
    ranked = pa.table(
        {
            "score": score if np.isnan(value).all() else value,
            "lead_id": pa.array(lead_ids, pa.string()),
        }
    )
    return pc.sort_indices(ranked, [("score", "descending"), ("lead_id", "ascending")]).to_numpy()


def ranks(order: np.ndarray) -> np.ndarray:
    """Each lead's rank, of places as ``best_first`` gives them; 1 is the best."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return rank


def worded(
    scorer: Scorer,
    leads: pd.DataFrame | Rows,
    best: np.ndarray,
    *,
    encoded: pd.DataFrame | None = None,
) -> tuple[list[list[str]], list[list[float]]]:
    """Reasons and their weights, a list for each lead, empty but for the leads at some places."""
    # one empty list for all without: a million of their own would take a second
    words, weights = [[]] * len(leads), [[]] * len(leads)
    if len(best) == len(leads):  # of a few leads all, as a rule
        best = np.arange(len(leads))
    else:
        leads, encoded = leads.take(best), None if encoded is None else encoded.take(best)
    for row, told in zip(best.tolist(), reasons(scorer, leads, encoded=encoded), strict=True):
        words[row] = [reason.words for reason in told]
        weights[row] = [round(reason.logits, 3) for reason in told]
    return words, weights


def _array(column: pd.Series | np.ndarray) -> Any:
    return column.array if isinstance(column, pd.Series) else column


def _cuts(
    policy: Policy,
    scorer: Scorer,
    scores: Mapping[str, np.ndarray],
    leads: pd.DataFrame | Rows,
    encoded: pd.DataFrame,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every lead's value, and its cut in force, which is the smaller of the policy's and the economic one,
    with whose it is.
    """
    score, value = scores["score"], np.full(len(leads), np.nan)
    cut = np.full(len(leads), -np.inf if policy.cut is None else policy.cut)
    cut_by = np.full(len(leads), None if policy.cut is None else policy.basis, dtype=object)
    if policy.economics is not None:
        margin = policy.economics.margin(leads, encoded=encoded, categories=scorer.categories)
        chance = scores["p_worked"]
        for name in ("p_convert", "p_both"):
            chance = np.where(np.isnan(chance), scores[name], chance)
        value = policy.economics.value(chance, margin)
        own = policy.economics.cut(margin)
        if scorer.score_of == "p_pursue" and scorer.convert is not None:
            own = np.full(
                len(leads), -np.inf
            )  # who is won cannot be told: there is no such line on this scale
        else:  # the same line, drawn on the score's own scale
            own = own * np.divide(score, chance, out=np.ones(len(leads)), where=chance > 0)
        smaller = own < cut
        cut, cut_by = np.where(smaller, own, cut), np.where(smaller, ECONOMIC, cut_by)
    return value, cut, cut_by


def fits_week(policy: Policy, decided: pd.DataFrame, listed: Mapping[str, int]) -> np.ndarray:
    """Who of those handed off fits into the week: first whom sales is asked to work, then by value, or by
    score where it is unknown.

    Parameters
    ----------
    decided : DataFrame
        As ``decide_all`` gives it, with ``owner``: whose lead each is, for teams with a capacity of their own.
    listed : mapping
        By owner, how many leads are on this week's list already.

    Returns
    -------
    array of bool, shape (n,)
    """
    offered = (decided["action"] != HOLD).to_numpy(bool)
    if policy.economics is None or not policy.economics.limited:
        return offered
    those = decided[offered]
    worth = those["score" if decided["value"].isna().any() else "value"].to_numpy(float)
    first = (those["arm"] == FORCED).to_numpy(bool)
    worth = np.where(first, np.abs(worth) + np.max(np.abs(worth), initial=0.0) + 1.0, worth)
    fits = np.zeros(len(decided), bool)
    fits[offered] = policy.economics.week(worth, those["owner"].to_numpy(object), listed=listed)
    return fits
