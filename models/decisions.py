"""From scores to decisions: one row per lead with its chances, grade, action and worded reasons."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models.policy import Policy, decide
from models.reasons import worded_reasons
from models.scorer import Scorer


def decide_all(scorer: Scorer, policy: Policy, leads: pd.DataFrame, *, version: str, with_reasons: int) -> pd.DataFrame:
    """Score leads and decide each.

    Parameters
    ----------
    leads : DataFrame
        One row per lead as ``features.matrix.frame`` gives it: ``lead_id``, ``as_of`` and the recipe's columns.
    with_reasons : int
        How many of the best leads get reasons; the others get none. Exact reasons cost more than the score itself.

    Returns
    -------
    DataFrame
        In the order of ``leads``: ``lead_id``, ``as_of``, ``p_pursue``, ``p_convert``, ``p_both``, ``grade``, ``action``, ``rank`` (1 is
        the best; ties in the order of ids), ``reasons`` (sentences), ``version``.
    """
    scores = scorer.score(leads)
    score = scores[policy.score].to_numpy()
    ranked = pa.table({"score": score, "lead_id": pa.array(leads["lead_id"], pa.string())})
    order = pc.sort_indices(ranked, [("score", "descending"), ("lead_id", "ascending")]).to_numpy()
    rank = np.empty(len(leads), dtype=np.int64)
    rank[order] = np.arange(1, len(leads) + 1)

    best = order[:with_reasons]
    reasons = [[]] * len(leads)  # one empty list for all without: a million of their own would take a second
    for row, words in zip(best.tolist(), worded_reasons(scorer, leads.iloc[best]), strict=True):
        reasons[row] = words

    decided = pd.DataFrame({"lead_id": leads["lead_id"].to_numpy(), "as_of": leads["as_of"].to_numpy()})
    for column in ("p_pursue", "p_convert", "p_both", "grade"):
        decided[column] = scores[column].to_numpy()
    return decided.assign(action=decide(scores, policy), rank=rank, reasons=reasons, version=version)
