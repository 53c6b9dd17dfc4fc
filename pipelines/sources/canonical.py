"""From a source's own tables to the canonical ones, as Ibis expressions on the source's engine.

Rows that are left out because the mapping asks for it are counted and named, never dropped in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
from ibis.expr.datatypes import DataType

from features.contracts import Breach, closed_before_accepted, counted, negative_delays, unknown_leads
from features.tables import FIRST_ROW, LEAD_KEYS, STAGES, Clock
from pipelines.sources.columns import TIME, Columns, Profile, md5, word
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.resolve import Resolved, attribute_columns

NO_DATES = "no dates: random split, figures are optimistic"
ROW = "leadsieve row"
FLAT = "leadsieve outcome "
OUTCOME_KEY = ["lead_id", "stage", "occurred_at", "recorded_at"]


@dataclass(frozen=True)
class Reading:
    """Canonical tables as expressions, not yet computed, with what was met on the way."""

    leads: ir.Table
    events: ir.Table | None
    outcomes: ir.Table | None
    clock: Clock
    outcome_times: bool
    stages: tuple[str, ...]
    has_accounts: bool
    breaches: tuple[Breach, ...]
    warnings: tuple[str, ...]

    @property
    def tables(self) -> dict[str, ir.Table]:
        found = {"leads": self.leads, "events": self.events, "outcomes": self.outcomes}
        return {name: table for name, table in found.items() if table is not None}


class Canonical:
    """Turns the raw tables of one resolved mapping into canonical ones.

    Parameters
    ----------
    resolved : Resolved
        The raw tables and a mapping with nothing left to guess.
    convert_days : float
        After how long an outcome without a time of its own counts as known.
    parses : bool
        Whether the engine reads times from text (DuckDB does; elsewhere a view has to cast them).
    types : mapping of str to data type, optional
        What attributes have to be; by default their values decide.
    """

    def __init__(
        self,
        resolved: Resolved,
        *,
        convert_days: float,
        parses: bool = True,
        types: Mapping[str, DataType] | None = None,
    ) -> None:
        self.settings: SourceSettings = resolved.settings
        self.raws = resolved.raws
        self.convert = timedelta(days=convert_days)
        self.columns = Columns(self.settings, self.raws, parses=parses, types=types or {})
        self.left_out = LeftOut(flat=self.settings.outcome is not None)
        self.left_out.warnings.extend(resolved.warnings)

    def read(self) -> Reading:
        """Every table; one profile query for each table of text."""
        leads, gone = self._leads()
        events = None if self.settings.events is None else self._events(leads, gone)
        outcomes, stages = self._outcomes(leads, gone)
        clock = {"rows": "rows", "none": "none", None: "time"}[self.settings.leads.order]
        if clock == "none":
            self.left_out.warnings.insert(0, NO_DATES)
        flat = self.settings.outcome
        return Reading(
            leads=leads.drop([column for column in leads.columns if column.startswith(FLAT)]),
            events=events,
            outcomes=outcomes,
            clock=clock,
            outcome_times=flat is None or flat.occurred_at is not None,
            stages=stages,
            has_accounts=self.settings.leads.account_id is not None,
            breaches=tuple(self.columns.breaches),
            warnings=tuple(self.left_out.warnings),
        )

    # ── leads ──

    def _leads(self) -> tuple[ir.Table, ir.Table | None]:
        """The leads, with the columns of a flat outcome beside them, and the ids of those left out."""
        mapping, raw = self.settings.leads, self.raws["leads"]
        attributes = self._free_names(attribute_columns(self.settings, raw))
        times = [] if mapping.order else [mapping.created_at]
        flat = self.settings.outcome
        numbers = [] if flat is None else [column for column in (flat.amount, flat.margin) if column]
        times += [flat.occurred_at] if flat is not None and flat.occurred_at else []
        seen = self.columns.profiles("leads", raw, [*attributes, *times, *numbers])

        columns = {"lead_id": None if mapping.lead_id is None else word(raw[mapping.lead_id], mapping.empty)}
        columns["account_id"] = (
            columns["lead_id"] if mapping.account_id is None else word(raw[mapping.account_id], mapping.empty)
        )
        if mapping.order is None:
            columns["created_at"] = self.columns.time("leads", "created_at", raw, mapping.created_at, seen)
        for name in ("channel", "campaign", "owner"):
            if column := getattr(mapping, name):
                columns[name] = self.columns.spelled(word(raw[column], mapping.empty))
        for column in attributes:
            columns[column] = self.columns.attribute(raw, column, seen)
        columns |= self._flat_columns(raw, seen)
        leads = self._ordered(raw, columns)
        if mapping.account_id is not None:
            leads = leads.mutate(account_id=leads.account_id.coalesce(leads.lead_id))
        return self._kept_leads(leads)

    def _free_names(self, columns: list[str]) -> list[str]:
        """Attributes whose names do not collide with those of canonical columns."""
        named = {name for name in ("channel", "campaign", "owner") if getattr(self.settings.leads, name)}
        free = []
        for column in columns:
            if column.lower() in LEAD_KEYS or column.lower() in named or column.startswith(FLAT):
                self.left_out.warnings.append(
                    f"column '{column}' of {self.settings.leads.table} was left out: a canonical column has that name"
                )
            else:
                free.append(column)
        return free

    def _ordered(self, raw: ir.Table, columns: dict[str, ir.Column | None]) -> ir.Table:
        """The columns, with made-up times and ids where rows have none of their own."""
        mapping = self.settings.leads
        if mapping.order is None:
            return raw.select(**columns)
        given = {name: column for name, column in columns.items() if column is not None}
        if mapping.order == "rows":
            leads = raw.select(**{ROW: ibis.row_number()}, **given)
        else:
            by_hash = [md5(columns["lead_id"]), columns["lead_id"]]
            leads = raw.select(**{ROW: ibis.row_number().over(order_by=by_hash)}, **given)
        made = {"created_at": (ibis.literal(FIRST_ROW) + leads[ROW].as_interval("s")).cast(TIME)}
        if columns["lead_id"] is None:
            made["lead_id"] = ibis.literal("row ") + (leads[ROW] + 1).cast("string")
            made["account_id"] = made["lead_id"] if columns["account_id"] is None else leads.account_id
        leads = leads.mutate(**made)
        return leads.select(*LEAD_KEYS, *[name for name in given if name not in LEAD_KEYS])

    def _kept_leads(self, leads: ir.Table) -> tuple[ir.Table, ir.Table | None]:
        """Without incomplete leads and those before ``since``, as far as asked for, saying how many went."""
        mapping = self.settings.leads
        incomplete = leads.lead_id.isnull() | leads.created_at.isnull()
        asked = []
        if mapping.drop_incomplete:
            asked.append((incomplete, "incomplete", "drop_incomplete"))
        if mapping.since is not None:
            start = ibis.literal(datetime.combine(mapping.since, datetime.min.time()))
            asked.append(
                ((leads.created_at < start).fill_null(False), f"created before {mapping.since}", "since")
            )
        if not asked:
            return leads, None
        counts = (
            leads.aggregate(**{setting: rows.sum() for rows, _, setting in asked}).to_pyarrow().to_pylist()[0]
        )
        for _, which, setting in asked:
            self.left_out.dropped(counts[setting], "leads", which, setting)
        out = ibis.or_(*[rows for rows, _, _ in asked])
        return leads.filter(~out), leads.filter(out & leads.lead_id.notnull()).select("lead_id").distinct()

    # ── events ──

    def _events(self, leads: ir.Table, gone: ir.Table | None) -> ir.Table:
        mapping, raw = self.settings.events, self.raws["events"]
        outcomes = self.settings.outcomes
        if outcomes is not None and outcomes.table == mapping.table and outcomes.stage == mapping.kind:
            told = [each for words in outcomes.stages.values() for each in words if each not in mapping.keep]
            raw = (
                raw.filter(raw[mapping.kind].cast("string").notin(told) | raw[mapping.kind].isnull())
                if told
                else raw
            )
        seen = self.columns.profiles("events", raw, [mapping.occurred_at, mapping.recorded_at, mapping.value])
        columns = {
            "lead_id": word(raw[mapping.lead_id], mapping.empty),
            "kind": word(raw[mapping.kind], mapping.empty),
        }
        columns |= self.columns.two_times("events", raw, mapping.occurred_at, mapping.recorded_at, seen)
        if mapping.channel:
            columns["channel"] = word(raw[mapping.channel], mapping.empty)
        if mapping.value:
            columns["value"] = self.columns.number("events", "value", raw, mapping.value, seen)
        events = self.left_out.without(raw.select(**columns), gone)
        events = self.left_out.complete(
            "events", events, ("lead_id", "kind", "occurred_at", "recorded_at"), drop=mapping.drop_incomplete
        )
        return self.left_out.known("events", events, leads, drop=mapping.drop_unknown_leads)

    # ── outcomes ──

    def _outcomes(self, leads: ir.Table, gone: ir.Table | None) -> tuple[ir.Table | None, tuple[str, ...]]:
        if self.settings.outcome is not None:
            return self._flat_outcomes(leads)
        if self.settings.outcomes is None:
            return None, ()
        mapping, raw = self.settings.outcomes, self.raws["outcomes"]
        stages: dict[str, str] = {each: stage for stage, words in mapping.stages.items() for each in words}
        if stages:
            raw = self._named_stages(raw, stages)
        seen = self.columns.profiles(
            "outcomes", raw, [mapping.occurred_at, mapping.recorded_at, mapping.amount, mapping.margin]
        )
        stage = (
            ibis.literal(mapping.stage_is) if mapping.stage_is else word(raw[mapping.stage], mapping.empty)
        )
        if stages:
            stage = stage.cases(*stages.items(), else_=ibis.null("string"))
        columns = {"lead_id": word(raw[mapping.lead_id], mapping.empty), "stage": stage}
        columns |= self.columns.two_times("outcomes", raw, mapping.occurred_at, mapping.recorded_at, seen)
        for name in ("amount", "margin"):
            if column := getattr(mapping, name):
                columns[name] = self.columns.number("outcomes", name, raw, column, seen)
        for name in ("reason", "rep"):
            if column := getattr(mapping, name):
                columns[name] = word(raw[column], mapping.empty)
        outcomes = self.left_out.without(raw.select(**columns), gone)
        outcomes = self.left_out.complete(
            "outcomes",
            outcomes,
            ("lead_id", "stage", "occurred_at", "recorded_at"),
            drop=mapping.drop_incomplete,
        )
        outcomes = self.left_out.known("outcomes", outcomes, leads, drop=mapping.drop_unknown_leads)
        outcomes = self.left_out.consistent(outcomes, leads, drop=mapping.drop_inconsistent)
        if mapping.stage_is:
            return outcomes, (mapping.stage_is,)
        if stages:
            return outcomes, tuple(stage for stage in STAGES if stage in mapping.stages)
        there = set(outcomes.select("stage").distinct().to_pyarrow()["stage"].to_pylist())
        return outcomes, tuple(stage for stage in STAGES if stage in there)

    def _named_stages(self, raw: ir.Table, stages: dict[str, str]) -> ir.Table:
        """The rows whose word means a stage; others are told of, unless the table is that of the events too."""
        mapping, events = self.settings.outcomes, self.settings.events
        text = word(raw[mapping.stage], mapping.empty)
        if events is None or events.table != mapping.table:
            others = raw.filter(text.notin(list(stages)))
            rows, example = (
                others.aggregate(n=others.count(), word=others[mapping.stage].cast("string").min())
                .to_pyarrow()
                .to_pylist()[0]
                .values()
            )
            if rows:
                told = counted(rows, "holds a word", "hold a word")
                self.left_out.warnings.append(
                    f"outcomes: {told} that [source.outcomes.stages] does not name, such as '{example}'; left out"
                )
        return raw.filter(text.isin(list(stages)))

    def _flat_columns(self, raw: ir.Table, seen: dict[str, Profile]) -> dict[str, ir.Column]:
        """What the outcome column of the leads table says, beside each lead until its rows are made."""
        flat = self.settings.outcome
        if flat is None:
            return {}
        text = word(raw[flat.column], self.settings.leads.empty)
        stages = [(each, stage) for stage in STAGES for each in getattr(flat, stage)]
        found = {FLAT + "stage": text.cases(*stages, else_=ibis.null("string"))}
        if flat.occurred_at:
            found[FLAT + "occurred_at"] = self.columns.time(
                "outcomes", "occurred_at", raw, flat.occurred_at, seen
            )
        for name in ("amount", "margin"):
            if column := getattr(flat, name):
                found[FLAT + name] = self.columns.number("outcomes", name, raw, column, seen)
        named = [each for each, _ in stages] + list(flat.open)
        others = raw.filter(text.notin(named))
        rows, example = (
            others.aggregate(n=others.count(), word=others[flat.column].cast("string").min())
            .to_pyarrow()
            .to_pylist()[0]
            .values()
        )
        if rows:
            mend = "Name it in [source.outcome] under won, lost, accepted, rejected or open"
            told = (
                counted(rows, "holds a value", "hold a value") + f" that no list names, such as '{example}'"
            )
            self.columns.breaches.append(Breach("outcomes", flat.column, rows, example, told, mend))
        return found

    def _flat_outcomes(self, leads: ir.Table) -> tuple[ir.Table, tuple[str, ...]]:
        """One row for each lead whose outcome column tells one."""
        flat = self.settings.outcome
        told = leads.filter(leads[FLAT + "stage"].notnull())
        if flat.occurred_at:
            when = told[FLAT + "occurred_at"]
        elif self.settings.leads.order is not None:
            when = told.created_at
        else:
            # Nobody noted when: it can have been known once the horizon had passed, and no earlier is safe.
            when = told.created_at + ibis.interval(
                microseconds=round(self.convert / timedelta(microseconds=1))
            )
        columns = {
            "lead_id": told.lead_id,
            "stage": told[FLAT + "stage"],
            "occurred_at": when,
            "recorded_at": when,
        }
        columns |= {name: told[FLAT + name] for name in ("amount", "margin") if getattr(flat, name)}
        outcomes = told.select(**columns)
        if flat.occurred_at:
            outcomes = self.left_out.complete(
                "outcomes", outcomes, ("occurred_at",), drop=flat.drop_incomplete
            )
            outcomes = self.left_out.consistent(outcomes, leads, drop=flat.drop_inconsistent)
        return outcomes, tuple(stage for stage in STAGES if getattr(flat, stage))


class LeftOut:
    """Leaves rows out and keeps a warning for each reason. ``flat`` says that outcomes come from a column of
    the leads.
    """

    def __init__(self, *, flat: bool) -> None:
        self.flat = flat
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
            section = "outcome" if role == "outcomes" and self.flat else role
            self.warnings.append(
                f"{role}: {counted(rows, which + ' was', which + ' were')} left out ([source.{section}] {setting})"
            )
