"""From a source's own tables to the canonical ones, as Ibis expressions on the source's engine.

Rows that are left out because the mapping asks for it are counted and named, never dropped in silence.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
from ibis.expr.datatypes import DataType

from features.contracts import Breach, counted
from features.tables import FIRST_ROW, LEAD_KEYS, STAGES, WORTH
from pipelines.sources.left_out import LeftOut, compared_by_day
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.reading.column_reader import Columns
from pipelines.sources.reading.column_types import ReadAs
from pipelines.sources.reading.columns import TIME, Profile, md5, word
from pipelines.sources.reading.result import Reading
from pipelines.sources.resolve import Resolved, attribute_columns

NO_DATES = "no dates: random split, figures are optimistic"
ROW = "leadsieve row"
FLAT = "leadsieve outcome "
SHOWN_WORDS = 10


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
    ways : mapping of str to str, optional
        How columns of leads were read before; by default their values decide.
    before : sequence of ReadAs
        How the pull before read the same source.
    """

    def __init__(
        self,
        resolved: Resolved,
        *,
        convert_days: float,
        parses: bool = True,
        types: Mapping[str, DataType] | None = None,
        ways: Mapping[str, str] | None = None,
        before: Iterable[ReadAs] = (),
    ) -> None:
        self.settings: SourceSettings = resolved.settings
        self.raws = resolved.raws
        self.convert = timedelta(days=convert_days)
        self.columns = Columns(
            self.settings, self.raws, parses=parses, types=types or {}, ways=ways, before=before
        )
        self.left_out = LeftOut(section=self.settings.outcome_section)
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
            warnings=tuple(self.left_out.warnings + self.columns.warnings),
            columns=tuple(self.columns.read.values()),
        )

    # ── leads ──

    def _leads(self) -> tuple[ir.Table, ir.Table | None]:
        """The leads, with the columns of a flat outcome beside them, and the ids of those left out."""
        mapping, raw = self.settings.leads, self.raws["leads"]
        if mapping.lead_id is not None and mapping.order is None and self.columns.is_text_file("leads"):
            raw = self.left_out.continued(raw, mapping.lead_id, mapping.created_at)
        attributes = self._free_names(attribute_columns(self.settings, raw))
        times = [] if mapping.order else [mapping.created_at]
        flat = self.settings.outcome
        worth = mapping if mapping.stages else flat
        numbers = [] if worth is None else [column for column in (worth.amount, worth.margin) if column]
        times += [flat.occurred_at] if flat is not None and flat.occurred_at else []
        times += mapping.stages.values()
        seen = self.columns.profiles("leads", raw, [*attributes, *numbers], times=times)

        columns = {"lead_id": None if mapping.lead_id is None else self._id("leads", raw, mapping.lead_id)}
        columns["account_id"] = (
            columns["lead_id"] if mapping.account_id is None else self._id("leads", raw, mapping.account_id)
        )
        if mapping.order is None:
            columns["created_at"] = self.columns.time("leads", "created_at", raw, mapping.created_at, seen)
        for name in ("channel", "campaign", "owner"):
            if column := getattr(mapping, name):
                columns[name] = self.columns.spelled(word(raw[column], mapping.empty_in(column)))
        for column in attributes:
            columns[column] = self.columns.attribute(raw, column, seen)
        columns |= self._flat_columns(raw, seen)
        leads = self._ordered(raw, columns)
        if mapping.account_id is not None:
            leads = leads.mutate(account_id=leads.account_id.coalesce(leads.lead_id))
        return self._kept_leads(self.left_out.once(leads))

    def _id(self, role: str, raw: ir.Table, column: str) -> ir.StringColumn:
        """Ids as text; in a table that has types there may be millions."""
        empty = getattr(self.settings, role).empty_in(column)
        return word(
            raw[column], empty, mostly_plain=self.columns.parses and not self.columns.is_text_file(role)
        )

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
            told = [
                each
                for stage, words in outcomes.stages.items()
                for each in words
                if stage != "open" and each not in mapping.keep
            ]
            raw = (
                raw.filter(word(raw[mapping.kind]).notin(told) | raw[mapping.kind].isnull()) if told else raw
            )
        seen = self.columns.profiles(
            "events", raw, [mapping.value], times=[mapping.occurred_at, mapping.recorded_at]
        )
        columns = {
            "lead_id": self._id("events", raw, mapping.lead_id),
            "kind": word(raw[mapping.kind], mapping.empty_in(mapping.kind)),
        }
        columns |= self.columns.two_times("events", raw, mapping.occurred_at, mapping.recorded_at, seen)
        if mapping.channel:
            columns["channel"] = word(raw[mapping.channel], mapping.empty_in(mapping.channel))
        if mapping.value:
            columns["value"] = self.columns.number("events", "value", raw, mapping.value, seen)
        events = self.left_out.alike("events", raw.select(**columns), leads, gone)
        events = self.left_out.complete(
            "events", events, ("lead_id", "kind", "occurred_at", "recorded_at"), drop=mapping.drop_incomplete
        )
        return self.left_out.known("events", events, leads, drop=mapping.drop_unknown_leads)

    # ── outcomes ──

    def _outcomes(self, leads: ir.Table, gone: ir.Table | None) -> tuple[ir.Table | None, tuple[str, ...]]:
        if self.settings.outcome is not None:
            return self._flat_outcomes(leads)
        if self.settings.leads.stages:
            return self._dated_outcomes(leads)
        if self.settings.outcomes is None:
            return None, ()
        mapping, raw = self.settings.outcomes, self.raws["outcomes"]
        stages: dict[str, str] = {each: stage for stage, words in mapping.stages.items() for each in words}
        if stages:
            raw = self._named_stages(raw, stages)
        worth = [getattr(mapping, name) for name in WORTH]
        times = [mapping.occurred_at, mapping.recorded_at]
        seen = self.columns.profiles("outcomes", raw, worth, times=times)
        stage = (
            ibis.literal(mapping.stage_is)
            if mapping.stage_is
            else word(raw[mapping.stage], mapping.empty_in(mapping.stage))
        )
        if stages:
            named = [(each, stage) for each, stage in stages.items() if stage != "open"]
            stage = stage.cases(*named, else_=ibis.null("string"))
        columns = {"lead_id": self._id("outcomes", raw, mapping.lead_id), "stage": stage}
        columns |= self.columns.two_times("outcomes", raw, mapping.occurred_at, mapping.recorded_at, seen)
        for name in WORTH:
            if column := getattr(mapping, name):
                columns[name] = self.columns.number("outcomes", name, raw, column, seen)
        for name in ("reason", "rep"):
            if column := getattr(mapping, name):
                columns[name] = word(raw[column], mapping.empty_in(column))
        outcomes = self.left_out.alike("outcomes", raw.select(**columns), leads, gone)
        outcomes = self.left_out.complete(
            "outcomes",
            outcomes,
            ("lead_id", "stage", "occurred_at", "recorded_at"),
            drop=mapping.drop_incomplete,
        )
        outcomes = self.left_out.known("outcomes", outcomes, leads, drop=mapping.drop_unknown_leads)
        if self.columns.days(raw, mapping.occurred_at, seen):
            outcomes = compared_by_day(outcomes, leads)
        outcomes = self.left_out.consistent(outcomes, leads, drop=mapping.drop_inconsistent)
        if mapping.stage_is:
            return outcomes, (mapping.stage_is,)
        if stages:
            return outcomes, tuple(stage for stage in STAGES if stage in mapping.stages)
        there = set(outcomes.select("stage").distinct().to_pyarrow()["stage"].to_pylist())
        return outcomes, tuple(stage for stage in STAGES if stage in there)

    def _named_stages(self, raw: ir.Table, stages: dict[str, str]) -> ir.Table:
        """The rows whose word means a stage; others are a breach, unless the table is that of the events too."""
        mapping, events = self.settings.outcomes, self.settings.events
        text = word(raw[mapping.stage], mapping.empty_in(mapping.stage))
        if events is None or events.table != mapping.table:
            self._unnamed(raw, mapping.stage, text, list(stages), "[source.outcomes.stages]")
        return raw.filter(text.isin([each for each, stage in stages.items() if stage != "open"]))

    def _unnamed(
        self, raw: ir.Table, column: str, text: ir.StringColumn, named: list[str], section: str
    ) -> None:
        """Wins or losses may hide in a word that nobody named: each is counted, and nothing is read."""
        others = raw.select(word=text).filter(ibis._.word.notin(named))
        found = others.group_by("word").aggregate(rows=ibis._.count()).order_by(ibis.desc("rows"), "word")
        words = [(row["word"], row["rows"]) for row in found.to_pyarrow().to_pylist()]
        if not words:
            return
        rows = sum(count for _, count in words)
        listed = ", ".join(f"'{each}' ({count:,})" for each, count in words[:SHOWN_WORDS])
        more = f" and {len(words) - SHOWN_WORDS} more" if len(words) > SHOWN_WORDS else ""
        told = counted(rows, "holds a word", "hold a word") + f" that no list names: {listed}{more}"
        mend = f"Name each in {section} under won, lost, accepted, rejected, or open if it says nothing yet"
        self.columns.breaches.append(Breach("outcomes", column, rows, words[0][0], told, mend))

    def _flat_columns(self, raw: ir.Table, seen: dict[str, Profile]) -> dict[str, ir.Column]:
        """What the outcome column of the leads table says, beside each lead until its rows are made."""
        flat = self.settings.outcome
        if flat is None:
            return self._dated_columns(raw, seen)
        text = word(raw[flat.column], self.settings.leads.empty_in(flat.column))
        stages = [(each, stage) for stage in STAGES for each in getattr(flat, stage)]
        found = {FLAT + "stage": text.cases(*stages, else_=ibis.null("string"))}
        if flat.occurred_at:
            found[FLAT + "occurred_at"] = self.columns.time(
                "outcomes", "occurred_at", raw, flat.occurred_at, seen
            )
        for name in WORTH:
            if column := getattr(flat, name):
                found[FLAT + name] = self.columns.number("outcomes", name, raw, column, seen)
        named = [each for each, _ in stages] + list(flat.open)
        self._unnamed(raw, flat.column, text, named, "[source.outcome]")
        self._of_days = bool(flat.occurred_at) and self.columns.days(raw, flat.occurred_at, seen)
        return found

    def _dated_columns(self, raw: ir.Table, seen: dict[str, Profile]) -> dict[str, ir.Column]:
        """When each stage was reached, from a column for each, beside each lead until its rows are made."""
        mapping = self.settings.leads
        found = {
            FLAT + stage: self.columns.time("outcomes", "occurred_at", raw, column, seen)
            for stage, column in mapping.stages.items()
        }
        for name in WORTH:
            if mapping.stages and (column := getattr(mapping, name)):
                found[FLAT + name] = self.columns.number("outcomes", name, raw, column, seen)
        self._of_days = any(self.columns.days(raw, column, seen) for column in mapping.stages.values())
        return found

    def _dated_outcomes(self, leads: ir.Table) -> tuple[ir.Table, tuple[str, ...]]:
        """One row for each lead and stage with a date; what a win brought stands in the row of the win."""
        mapping = self.settings.leads
        worth = [name for name in WORTH if getattr(mapping, name)]
        parts = []
        for stage in mapping.stages:
            there = leads.filter(leads[FLAT + stage].notnull())
            when = there[FLAT + stage]
            of_win = {name: there[FLAT + name] if stage == "won" else ibis.null("float64") for name in worth}
            parts.append(
                there.select(
                    lead_id=there.lead_id,
                    stage=ibis.literal(stage),
                    occurred_at=when,
                    recorded_at=when,
                    **of_win,
                )
            )
        outcomes = ibis.union(*parts) if len(parts) > 1 else parts[0]
        if self._of_days:
            outcomes = compared_by_day(outcomes, leads)
        outcomes = self.left_out.consistent(outcomes, leads, drop=mapping.drop_inconsistent)
        return outcomes, tuple(stage for stage in STAGES if stage in mapping.stages)

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
        columns |= {name: told[FLAT + name] for name in WORTH if getattr(flat, name)}
        outcomes = told.select(**columns)
        stages = tuple(stage for stage in STAGES if getattr(flat, stage))
        if flat.occurred_at:
            outcomes = self.left_out.complete(
                "outcomes", outcomes, ("occurred_at",), drop=flat.drop_incomplete
            )
            if self._of_days:
                outcomes = compared_by_day(outcomes, leads)
            outcomes = self.left_out.consistent(outcomes, leads, drop=flat.drop_inconsistent)
        elif flat.rejected and (flat.won or flat.lost):
            # Who was won or lost had been taken up; without a clock, it does not matter when.
            closed = outcomes.filter(outcomes.stage.isin(("won", "lost")))
            worth = {name: ibis.null("float64") for name in WORTH if getattr(flat, name)}
            taken_up = closed.mutate(stage=ibis.literal("accepted"), **worth).select(*outcomes.columns)
            return outcomes.union(taken_up), tuple(
                stage for stage in STAGES if stage in stages or stage == "accepted"
            )
        if (flat.won or flat.lost) and (flat.accepted or flat.rejected):
            # A lead stands in one stage: those that were closed no longer say when they were taken up.
            self.left_out.warnings.append(
                f"outcomes: '{flat.column}' says where each lead stands now: won and lost imply accepted, but when "
                "is not known, so that only becoming a customer is learned, of all leads; to learn who is "
                "taken up, name a date for each stage in [source.leads.stages]"
            )
            stages = tuple(stage for stage in stages if stage in ("won", "lost"))
        return outcomes, stages
