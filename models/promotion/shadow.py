"""The record of a challenger in shadow: what it said of leads as they came, against what became of them.

Here nothing has to be made honest: both versions spoke before anything was known. But the champion chose who was tried.
So what became of a lead is known where it was handed off, the champion's harder part, and of those that the champion would
hold only where its arm let them pass.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.evaluation.performance import ranking
from models.evaluation.uncertainty import (
    Estimate,
    account_weights,
    estimate,
    ratio_of_sums,
)


@dataclass(frozen=True)
class Side:
    """One version on the settled leads: ranking, mean chance, and that over the share it came true for."""

    auc: Estimate
    mean_chance: float
    calibration_ratio: Estimate


@dataclass(frozen=True)
class Otherwise:
    """Leads on which the two cuts disagree; what became of those that were tried and are settled."""

    leads: int
    settled: int
    wins: int


@dataclass(frozen=True)
class ShadowRecord:
    """Both versions on the leads that came while one was champion and the other in shadow.

    Attributes
    ----------
    leads : int
        That both scored.
    settled, wins : int
        Of them tried, with both horizons over; and those that became customers.
    champion, challenger : Side
        On the settled ones.
    ahead : Estimate
        The challenger's AUC less the champion's, paired.
    held_otherwise, let_go_otherwise : Otherwise
        By cuts alone: what the challenger would hold and the champion's cut does not, and the reverse.
    """

    leads: int
    settled: int
    wins: int
    champion: Side
    challenger: Side
    ahead: Estimate
    held_otherwise: Otherwise
    let_go_otherwise: Otherwise


def shadow_record(pairs: pd.DataFrame, *, resamples: int, seed: int) -> ShadowRecord:
    """What the two are worth so far.

    Parameters
    ----------
    pairs : DataFrame
        One row per lead: ``account_id``; ``champion`` and ``challenger``, the chances of one outcome; ``came``, that
        outcome, 0 or 1, empty where it is no question; ``won``; ``settled``, whether both are known and the lead was tried; ``held`` and
        ``would_hold``, by either's cut. Of the latter four booleans.
    resamples, seed : int
        Of the accounts drawn again.
    """
    known = pairs[pairs["settled"] & pairs[["champion", "challenger", "came"]].notna().all(axis=1)]
    came = known["came"].to_numpy(float)
    account, accounts = pd.factorize(known["account_id"])
    weights = account_weights(len(accounts), resamples=resamples, seed=seed)
    sides, draws = [], []
    for name in ("champion", "challenger"):
        chance = known[name].to_numpy(float)
        ranks = ranking(chance, came, np.zeros(len(came)), account, weights)
        true = (
            ratio_of_sums(chance, came, account=account, weights=weights)
            if came.sum() > 0
            else Estimate(np.nan)
        )
        sides.append(Side(ranks.auc, chance.mean() if len(chance) else np.nan, true))
        draws.append(ranks.auc_draws)
    held, would = pairs["held"], pairs["would_hold"]
    return ShadowRecord(
        leads=len(pairs),
        settled=len(known),
        wins=int(known["won"].sum()),
        champion=sides[0],
        challenger=sides[1],
        ahead=estimate(sides[1].auc.value - sides[0].auc.value, draws[1] - draws[0]),
        held_otherwise=_otherwise(pairs[would & ~held]),
        let_go_otherwise=_otherwise(pairs[held & ~would]),
    )


def _otherwise(those: pd.DataFrame) -> Otherwise:
    tried = those[those["settled"]]
    return Otherwise(len(those), len(tried), int(tried["won"].sum()))
