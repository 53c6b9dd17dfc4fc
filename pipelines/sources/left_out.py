"""Rows that a mapping asks to leave out, each kind counted and named, and outcomes of days compared by day."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from features.contracts import closed_before_accepted, counted, negative_delays, unknown_leads
from features.keys import bare, likeness
from features.tables import Tables
from pipelines.sources.reading.columns import TIME, word

FIRST = 1_000
YEAR = timedelta(days=365)
MOST_AHEAD = 0.95  # of the leads are created by a time that no mistyped year decides
FEW_WINS = 20  # up to which a lack of acceptances may be chance
NUMBER, RANK = "leadsieve number", "leadsieve rank"
OUTCOME_KEY = ["lead_id", "stage", "occurred_at", "recorded_at"]


class LeftOut:
    """Leaves rows out and keeps a warning for each reason. ``section`` is the one that says where outcomes
    are.
    """

    def __init__(self, *, section: str) -> None:
        self.section = section
        self.warnings: list[str] = []

    def without(self, table: ir.Table, gone: ir.Table | None) -> ir.Table:
        """Without the rows of leads that were left out on request."""
        return table if gone is None else table.anti_join(gone, "lead_id")

    def complete(self, role: str, table: ir.Table, columns: tuple[str, ...], *, drop: bool) -> ir.Table:
        if not drop:
            return table
        lacking = ibis.or_(*[table[column].isnull() for column in columns])
        self.dropped(
            table.aggregate(n=lacking.sum()).to_pyarrow()["n"][0].as_py(),
            role,
            "incomplete",
            "drop_incomplete",
        )
        return table.filter(~lacking)

    def alike(self, role: str, table: ir.Table, leads: ir.Table, gone: ir.Table | None) -> ir.Table:
        """Rows whose ids differ from those of the leads only in how they are written, given the leads' ids;
        without those of leads that were left out on request.
        """
        ids = leads.select("lead_id")
        ids = ids if gone is None else ids.union(gone)
        # Ids that are written otherwise are so from the first rows on; to look all up would take as long as the
        # whole pull.
        strange = unknown_leads(table.limit(FIRST), ids).count().to_pyarrow().as_py()
        found = likeness(unknown_leads(table, ids), table, ids) if strange else None
        if found and not found.clash:
            spelled = ids.select(spelled=ids.lead_id, bare=bare(ids.lead_id, found.steps)).distinct()
            rows = table.mutate(bare=bare(table.lead_id, found.steps)).left_join(spelled, "bare")
            example = rows.filter(rows.spelled != rows.lead_id).lead_id.min().to_pyarrow().as_py()
            self.warnings.append(
                f"{role}: {counted(found.rows, 'joins its lead', 'join their leads')} without {found.without}, one to "
                f"one, such as '{example}'"
            )
            table = rows.mutate(lead_id=rows.spelled.coalesce(rows.lead_id)).select(*table.columns)
        return self.without(table, gone)

    def continued(self, raw: ir.Table, lead_id: str, created_at: str) -> ir.Table:
        """A file's leads without the rows below a lead that have neither id nor time, and few cells at all."""
        lacking = word(raw[lead_id]).isnull() & word(raw[created_at]).isnull()
        # An export that continues leads below does so from the first rows on, as with ids above.
        if not raw.select(lacking=lacking).limit(FIRST)["lacking"].any().to_pyarrow().as_py():
            return raw
        others = [column for column in raw.columns if column not in (lead_id, created_at)]
        filled = sum((word(raw[column]).notnull().cast("int64") for column in others), ibis.literal(0))
        numbered = raw.mutate(
            **{NUMBER: ibis.row_number(), RANK: lacking & (filled > 0) & (2 * filled <= len(raw.columns))}
        )
        rows = numbered.filter(numbered[RANK] & (numbered[NUMBER] > 0))
        if not (count := rows.count().to_pyarrow().as_py()):
            return raw
        first = rows.order_by(NUMBER).limit(1).to_pyarrow().to_pylist()[0]
        column, value = next((each, first[each]) for each in others if first[each] and first[each].strip())
        self.warnings.append(
            f"leads: {counted(count, 'has', 'have')} neither id nor time and few cells at all, such as '{value}' in "
            f"'{column}': taken for lines that continue the lead above, which keeps what its own row says"
        )
        return (
            numbered.filter(~(numbered[RANK] & (numbered[NUMBER] > 0))).order_by(NUMBER).select(*raw.columns)
        )

    def once(self, leads: ir.Table) -> ir.Table:
        """Each lead once: its newest row, and of rows of one time the last; where most repeat, nothing is done."""
        seen = leads.aggregate(rows=leads.lead_id.count(), ids=leads.lead_id.nunique())
        rows, ids = seen.to_pyarrow().to_pylist()[0].values()
        if rows == ids or 2 * (rows - ids) > rows:
            return leads
        numbered = leads.mutate(**{NUMBER: ibis.row_number()})
        newest = ibis.row_number().over(
            group_by="lead_id", order_by=[numbered.created_at.desc(), numbered[NUMBER].desc()]
        )
        ranked = numbered.mutate(**{RANK: newest})
        # Rows without an id or a time are for the contract to name.
        broken = ranked.lead_id.isnull() | ranked.created_at.isnull()
        kept = ranked.filter((ranked[RANK] == 0) | broken).order_by(NUMBER)
        twice = leads.filter(leads.lead_id.notnull()).group_by("lead_id").having(ibis._.count() > 1)
        often = twice.aggregate(times=ibis._.count())
        which = often.aggregate(leads=often.count(), example=often.lead_id.min())
        several, example = which.to_pyarrow().to_pylist()[0].values()
        self.warnings.append(
            f"leads: {several:,} {'lead comes' if several == 1 else 'leads come'} more than once, such as "
            f"'{example}': the newest row of each counts, the last of those of one time"
        )
        return kept.select(*leads.columns)

    def known(self, role: str, table: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return table
        self.dropped(
            unknown_leads(table, leads).count().to_pyarrow().as_py(),
            role,
            "of unknown leads",
            "drop_unknown_leads",
        )
        return table.filter(table.lead_id.isnull()).union(table.semi_join(leads, "lead_id"))

    def consistent(self, outcomes: ir.Table, leads: ir.Table, *, drop: bool) -> ir.Table:
        if not drop:
            return outcomes
        early = negative_delays(outcomes, leads).select(*outcomes.columns)
        self.dropped(
            early.count().to_pyarrow().as_py(),
            "outcomes",
            "dated before their lead was created",
            "drop_inconsistent",
        )
        outcomes = outcomes.anti_join(early, OUTCOME_KEY)
        closed = closed_before_accepted(outcomes).select(*outcomes.columns)
        self.dropped(
            closed.count().to_pyarrow().as_py(),
            "outcomes",
            "closed before their lead was accepted",
            "drop_inconsistent",
        )
        return outcomes.anti_join(closed, OUTCOME_KEY)

    def dropped(self, rows: int | None, role: str, which: str, setting: str) -> None:
        """Nothing is left out in silence."""
        if rows:
            section = self.section if role == "outcomes" else role
            self.warnings.append(
                f"{role}: {counted(rows, which + ' was', which + ' were')} left out ([source.{section}] {setting})"
            )


def plausible_end(leads: ir.Table) -> datetime | None:
    """The time up to which leads are created but for a few whose year is mistyped; None where there are none.

    Those few lie more than a year, and more than the span of all others, behind these.
    """
    created = leads.created_at
    ends = leads.aggregate(first=created.min(), most=created.quantile(MOST_AHEAD), last=created.max())
    first, most, last = ends.to_pyarrow().to_pylist()[0].values()
    if last is None or last - most <= max(YEAR, most - first):
        return None
    return most + max(YEAR, most - first)


def far_ahead(leads: ir.Table, end: datetime) -> str:
    """What is to be said of leads that are created after that time."""
    late = leads.filter(leads.created_at > ibis.literal(end)).order_by("lead_id")
    rows = late.select("lead_id", "created_at").to_pyarrow().to_pylist()
    which = "1 lead is" if len(rows) == 1 else f"{len(rows):,} leads are"
    example = f"'{rows[0]['lead_id']}' on {rows[0]['created_at']:%Y-%m-%d}"
    return (
        f"leads: {which} created more than a year after all others, such as {example}: left out, with all that "
        "belongs to them; mend the times at the source"
    )


def compared_by_day(outcomes: ir.Table, leads: ir.Table) -> ir.Table:
    """Outcomes that are days, not times: one of the very day of its lead's creation, or a closing of the day
    of the acceptance, came no earlier than that.
    """
    created = leads.group_by("lead_id").aggregate(created=leads.created_at.min()).rename(created_of="lead_id")
    taken = outcomes.filter(outcomes.stage == "accepted")
    taken = taken.group_by("lead_id").aggregate(taken=taken.recorded_at.min()).rename(taken_of="lead_id")
    rows = outcomes.left_join(created, outcomes.lead_id == created.created_of)
    rows = rows.left_join(taken, rows.lead_id == taken.taken_of)

    def no_earlier(time: ir.TimestampColumn, than: ir.TimestampColumn) -> ir.TimestampColumn:
        same_day = (time == time.truncate("D")) & (than.truncate("D") == time)
        return ibis.ifelse(same_day.fill_null(False), than, time)

    first = no_earlier(rows.taken, rows.created)
    closed = rows.stage.isin(("won", "lost"))
    moved = {}
    for name in ("occurred_at", "recorded_at"):
        time = no_earlier(rows[name], rows.created)
        same_day = (rows[name] == rows[name].truncate("D")) & (first.truncate("D") == rows[name])
        moved[name] = ibis.ifelse((closed & same_day & (time < first)).fill_null(False), first, time).cast(
            TIME
        )
    return rows.mutate(**moved).select(*outcomes.columns)


def accepted_on_record(tables: Tables) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The stages that the source can tell, and what is to be said of them.

    Where most wins have no acceptance, closings overwrote it: a loss without one is no "never taken up".
    """
    outcomes, stages = tables.outcomes, tables.stages
    if outcomes is None or "accepted" not in stages or "won" not in stages:
        return stages, ()
    accepted = outcomes.filter(outcomes.stage == "accepted")
    won = outcomes.filter(outcomes.stage == "won").select("lead_id").distinct()
    wins, lacking = (
        query.count().to_pyarrow().as_py() for query in (won, won.anti_join(accepted, "lead_id"))
    )
    if not lacking:
        return stages, ()
    if wins >= FEW_WINS and lacking > wins / 2:
        text = (
            f"{lacking:,} of {wins:,} won leads were never accepted on record: won and lost imply accepted, but "
            "when is not known, so that only becoming a customer is learned, of all leads"
        )
        return tuple(stage for stage in stages if stage in ("won", "lost")), (text,)
    who = "1 lead was" if lacking == 1 else f"{lacking:,} leads were"
    return stages, (f"{who} won and never accepted on record: that counts as accepted when won",)
