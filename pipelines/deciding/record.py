"""Where scores become decisions on record: for a scoring run as for leads that a program hands in."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.online.rows import Rows
from models.policy.decisions import decide_all, fits_week
from models.policy.rules import Rule
from pipelines.store.database import Store
from pipelines.store.decision_queries import week_of
from pipelines.version_files import Champion


def propose(
    champion: Champion,
    leads: pd.DataFrame | Rows,
    said: pd.DataFrame,
    *,
    with_reasons: int,
    taken_days: np.ndarray | None = None,
    rules: tuple[Rule, ...] = (),
) -> pd.DataFrame:
    """What the champion would decide of each lead; nothing is on record.

    Parameters
    ----------
    champion : Champion
    leads : DataFrame or Rows
        As ``features.matrix.frame`` gives it.
    said : DataFrame
        ``channel`` and ``owner``, row by row beside ``leads``.
    with_reasons : int
        How many of the best leads get reasons.
    taken_days : array of float, optional
        For how many days sales has had each lead, NaN where it has not taken it up.
    rules : tuple of Rule
        Those of the configuration of today, which stand above the ones the version was made with.

    Returns
    -------
    DataFrame
        As ``models.policy.decisions.decide_all`` gives it, with ``said``.
    """
    decided = decide_all(
        champion.scorer,
        replace(champion.policy, rules=rules),
        leads,
        version=champion.version,
        with_reasons=with_reasons,
        taken_days=taken_days,
        said=said,
    )
    return decided.assign(**said)


def put_on_record(champion: Champion, store: Store, proposed: pd.DataFrame, connection: Any) -> pd.DataFrame:
    """Record what was proposed, but of leads that were decided before, and who of the others fits into the
    week.

    Inside a transaction, which no other writer can be in: however many runs and programs decide at once, none
    of them gives away the same hour of the week.

    Parameters
    ----------
    champion : Champion
        Who proposed it.
    store : Store
    proposed : DataFrame
        As ``propose`` gives it.
    connection
        What ``store.writing()`` gave.

    Returns
    -------
    DataFrame
        What was recorded, with ``this_week`` and ``batch``.
    """
    economics = champion.policy.economics
    listed = {}
    if economics is not None and economics.limited and len(proposed):
        # whoever was decided before must take no room
        proposed = proposed[~proposed["lead_id"].isin(store.decided(proposed["lead_id"]))]
        proposed = proposed.drop_duplicates("lead_id")
        listed = store.listed(since=week_of(proposed["as_of"].max())) if len(proposed) else {}
    this_week = fits_week(champion.policy, proposed, listed)
    return store.add(connection, proposed.assign(this_week=this_week))
