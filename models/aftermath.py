"""What became of the leads that were decided: the promise checked again, what handing off was worth, and whether reps know more.

Everything is read from the decision log and from outcomes within the horizon; leads whose time is not over are left out, for those of
them that are known already are the quick ones.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from models.arms import FORCED, PASS_THROUGH
from models.policy_settings import PolicySettings
from models.policy_value import PolicyValue, policy_value
from models.recheck import Recheck, promise_recheck
from models.selection import Leniency, leniency

THE_FILTER, EVERYBODY = "the filter", "everybody handed off"


@dataclass(frozen=True)
class Aftermath:
    """Since launch.

    Attributes
    ----------
    decided, settled : int
        Leads decided, and those whose whole time is over.
    promise : Recheck
    worth : dict
        By unit ("customers", "value") and by policy, what a decided lead brought; and under "difference" what the filter brings more
        than handing off everybody. Empty where too little is known.
    leniency : Leniency or None
    notes : tuple of str
    """

    decided: int
    settled: int
    promise: Recheck
    worth: dict[str, dict[str, PolicyValue]]
    leniency: Leniency | None
    notes: tuple[str, ...]


def aftermath(log: pd.DataFrame, settings: PolicySettings, *, resamples: int = 200, seed: int = 0) -> Aftermath:
    """Look back at what was decided.

    Parameters
    ----------
    log : DataFrame
        One row per decided lead: ``account_id, arm, propensity, score, cut, p_pursue, p_convert, p_both, value`` as logged; ``settled``
        (bool), ``accepted`` and ``won`` (bool, within the horizon), ``margin`` (NaN where unknown) and ``rep`` (empty where unknown).
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
        rewards["value"] = (earned, (known["p_pursue"].fillna(1.0) * known["value"]).fillna(0.0).to_numpy(float))
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
    return Aftermath(decided=len(log), settled=len(known), promise=promise, worth=worth, leniency=_leniency(known), notes=tuple(notes))


def promise_of(known: pd.DataFrame, settings: PolicySettings) -> Recheck:
    """The promise checked again on settled leads of the log, as :func:`aftermath` takes it."""
    passing = settings.pass_through if known.empty else known.loc[known["arm"] == PASS_THROUGH, "propensity"].min()
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


def _leniency(known: pd.DataFrame) -> Leniency | None:
    told = known[known["rep"].notna()]
    taken = told[told["accepted"]]
    acceptance = told.groupby("rep")["accepted"].agg(["sum", "size"])
    return leniency(
        taken["won"].to_numpy(float),
        taken["p_convert"].to_numpy(float),
        taken["rep"].to_numpy(),
        {rep: (int(row["sum"]), int(row["size"])) for rep, row in acceptance.iterrows()},
    )
