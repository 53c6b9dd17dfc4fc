"""What became of a cohort, in one table, and the words for it."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.labels import Horizons, both_labels, convert_labels, pursue_labels
from features.tables import STAGES, WORTH, Tables


def stage_times(tables: Tables) -> ir.Table:
    """When each stage of each lead was first recorded before the end of the tables: one row per lead with any
    outcome.

    Returns
    -------
    table
        ``lead_id``, ``accepted_at``, ``rejected_at``, ``won_at``, ``lost_at`` (empty where there is none),
        ``amount``, ``margin`` and ``list_amount`` of the win, and ``rep``, who answered.
    """
    outcomes = tables.outcomes
    known = outcomes.filter(outcomes.recorded_at < ibis.literal(tables.end))
    times = {f"{stage}_at": known.recorded_at.min(where=known.stage == stage) for stage in STAGES}
    worth = {
        name: known[name].max(where=known.stage == "won") if name in known.columns else ibis.null("float64")
        for name in WORTH
    }
    answer = known.stage.isin(["accepted", "rejected"])
    rep = known.rep.max(where=answer) if "rep" in known.columns else ibis.null("string")
    return known.group_by("lead_id").aggregate(**times, **worth, rep=rep)


def fates(tables: Tables, cohort: ir.Table) -> ir.Table:
    """What became of each row of the cohort by the end of the tables.

    Returns
    -------
    table
        ``lead_id``, ``account_id``, ``created_at``, ``as_of``, ``accepted_at``, ``rejected_at``, ``won_at``,
        ``lost_at``, ``amount``, ``margin``, ``list_amount``, ``rep`` (the lead's owner where it has one). The times are
        recorded times. ``fetch`` orders the rows as it orders the matrix.
    """
    rows = cohort.select("lead_id", "account_id", "created_at", "as_of")
    if "owner" in tables.leads.columns:
        rows = rows.left_join(tables.leads.select("lead_id", "owner"), "lead_id").drop("lead_id_right")
    else:
        rows = rows.mutate(owner=ibis.null("string"))
    named = [f"{stage}_at" for stage in STAGES]
    if tables.outcomes is None:
        empty = {name: ibis.null("timestamp(6)") for name in named} | {
            name: ibis.null("float64") for name in WORTH
        }
        return rows.mutate(**empty).rename(rep="owner")
    times = stage_times(tables).rename(fate_of="lead_id")
    found = rows.left_join(times, rows.lead_id == times.fate_of)
    return found.mutate(rep=ibis.coalesce(found.owner, found.rep)).drop("fate_of", "owner")


def outcomes(
    fate: pd.DataFrame,
    horizons: Horizons,
    known_until: datetime,
    tables: Tables,
    *,
    margin_share: float = 1.0,
) -> pd.DataFrame:
    """What became of each lead by a moment, settled or not.

    Parameters
    ----------
    fate : DataFrame
        As ``fates`` gives it, fetched.
    known_until : datetime
        Outcomes recorded at or after this moment are not seen.
    tables : Tables
        That it came from.
    margin_share : float
        Share of the amount that stands for the margin where the source has none.

    Returns
    -------
    DataFrame
        ``fate`` and beside it ``pursued``, ``converted`` (1, 0, empty where not settled);
        ``pursued_judged``, ``converted_judged``: whether the whole horizon was seen; ``over``: both horizons
        have passed since the as-of time (always so where outcomes have no time, for they are final);
        ``customer``: 1, 0, empty where it is not over or either outcome cannot be judged, 0 for a lead that
        was never taken up. ``margin`` is what a win brought.
    """
    known = (fate, horizons, known_until, tables.stages, tables.outcome_times)
    pursue, convert = pursue_labels(*known), convert_labels(*known)
    over = (fate["as_of"] + horizons.both <= known_until) | (not tables.outcome_times)
    return fate.assign(
        pursued=pursue.outcome,
        converted=convert.outcome,
        pursued_judged=pursue.judged,
        converted_judged=convert.judged,
        over=over,
        customer=both_labels(*known).outcome,
        margin=realised_margins(fate, margin_share),
    )


def days_taken(tables: Tables, cohort: ir.Table, delay: timedelta, lead_ids: pd.Series) -> np.ndarray | None:
    """For how many days sales has had each lead of a cohort, in the order of ``lead_ids``; NaN where it has not
    taken it up before the as-of time.

    They are counted as those of an outcome to learn from: from the acceptance, or from ``delay`` after the lead
    was created if that is later. None where the source cannot tell.
    """
    first = taken_up(tables, cohort)
    if first is None:
        return None
    found = first.to_pyarrow().to_pandas().set_index("lead_id")
    times = (found[name].to_numpy() for name in ("taken_at", "created_at", "as_of"))
    return lead_ids.map(pd.Series(days_since_taken(*times, delay), found.index)).to_numpy(float)


def taken_up(tables: Tables, cohort: ir.Table) -> ir.Table | None:
    """When sales took up each lead of a cohort that it had taken up before the as-of time: ``lead_id``, ``created_at``,
    ``as_of``, ``taken_at``. None where the source cannot tell.
    """
    if tables.outcomes is None or "accepted" not in tables.stages or not tables.outcome_times:
        return None
    outcomes = tables.outcomes
    taken = outcomes.filter(outcomes.stage.isin(["accepted", "won"])).select("lead_id", "recorded_at")
    rows = cohort.select("lead_id", "created_at", "as_of").join(taken, "lead_id")
    rows = rows.filter(rows.recorded_at < rows.as_of)
    return rows.group_by("lead_id", "created_at", "as_of").aggregate(taken_at=rows.recorded_at.min())


def days_since_taken(
    taken_at: np.ndarray, created_at: np.ndarray, as_of: np.ndarray, delay: timedelta
) -> np.ndarray:
    """The days of ``days_taken`` from times; NaN where ``taken_at`` is empty."""
    start = np.maximum(taken_at, created_at + np.timedelta64(delay))
    return np.maximum(as_of - start, np.timedelta64(0)) / np.timedelta64(1, "D")


def days_waited(created_at: np.ndarray, as_of: np.ndarray, delay: timedelta) -> np.ndarray:
    """For how many days each lead had waited for sales when it was looked at: 0 for one that is looked at as early as
    those that were learned from.
    """
    return np.maximum((as_of - created_at - np.timedelta64(delay)) / np.timedelta64(1, "D"), 0.0)


def realised_margins(fate: pd.DataFrame, margin_share: float) -> np.ndarray:
    """What each win brought: its margin, or a share of its amount where no win has a margin; NaN where
    unknown.
    """
    margin = fate["margin"].to_numpy(float)
    return margin if np.isfinite(margin).any() else margin_share * fate["amount"].to_numpy(float)
