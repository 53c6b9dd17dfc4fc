import ibis
import ibis.expr.types as ir

from features.labels import WORTH
from features.tables import STAGES, Tables


def stage_times(tables: Tables) -> ir.Table:
    """When each stage of each lead was first recorded before the end of the tables: one row per lead with any
    outcome.

    Returns
    -------
    table
        ``lead_id``, ``accepted_at``, ``rejected_at``, ``won_at``, ``lost_at`` (empty where there is none),
        ``amount`` and ``margin`` of the win, and ``rep``, who answered.
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
        ``lost_at``, ``amount``, ``margin``, ``rep`` (the lead's owner where it has one). The times are
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
