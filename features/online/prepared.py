"""The matrix of a few leads that are not in any table yet: the same expressions as ``features.matrix``, followed once
and kept ready.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.as_of import ROW, age_of, is_known, known_events
from features.definitions.history import Past
from features.matrix import computed, lead_columns, lead_rows, text_columns
from features.online.columns import NOTHING, Column, listed
from features.online.ledger import Histories
from features.online.program import Groups, Program
from features.online.rows import Rows
from features.online.statements import TOGETHER, Engine, Statement
from features.outcome_rates import SUMS, key_of, keys_of, past_columns
from features.recipe import INDEX, Recipe
from features.register import REGISTER
from features.tables import Tables

TIME = pa.timestamp("us")
ASKED = pa.schema(
    {ROW: pa.int32(), "lead_id": pa.string(), "account_id": pa.string(), "created_at": TIME, "as_of": TIME}
)
SEEN = pa.schema({"as_of": TIME, "occurred_at": TIME, "recorded_at": TIME})
MOST_TEXTS = 20_000  # of different titles whose features are kept

Kind = Literal["lead", "events", "past"]


@dataclass(frozen=True)
class Prepared:
    """What a recipe asks of a lead, ready to run.

    Attributes
    ----------
    recipe : Recipe
    schemas : mapping of str to schema
        The tables that are handed in, and what stands beside each lead.
    of_seen : Program
        Which events beside an as-of time are known, and how old they are.
    of_lead, of_events, of_past : Program
        The columns of each kind, and with the lead's the values of its keys.
    of_titles : mapping of str to Program
        By attribute.
    others : tuple of (kind, Statement)
        What only an engine computes.
    """

    recipe: Recipe
    schemas: Mapping[str, pa.Schema]
    of_seen: Program
    of_lead: Program
    of_events: Program
    of_past: Program
    of_titles: Mapping[str, Program]
    others: tuple[tuple[Kind, Statement], ...]

    @classmethod
    def of(cls, tables: Tables, recipe: Recipe) -> "Prepared":
        """Follow a recipe for leads and events with the columns that these tables have."""
        schemas = {"asked": ASKED, "leads": tables.leads.schema().to_pyarrow(), "beside": _beside(recipe)}
        if tables.events is not None:
            schemas["events"] = tables.events.schema().to_pyarrow()
        given = {name: _named(name, schema) for name, schema in schemas.items()}
        fresh = Tables(
            **{**vars(tables), "leads": given["leads"], "events": given.get("events"), "outcomes": None}
        )
        of_lead, of_titles = lead_columns(recipe)
        lead = _named(
            "lead", pa.schema([*ASKED, *(each for each in schemas["leads"] if each.name not in ASKED.names)])
        )
        lead_program, left = Program.of(computed(of_lead, lead) | _keys(lead, recipe), lead)
        titles = {}
        for title, columns in of_titles.items():
            titles[title], more = Program.of(computed(columns, lead), lead)
            left += more
        joined = lead_rows(given["asked"], fresh, recipe)
        of_lead += [column for columns in of_titles.values() for column in columns]
        others = _statements("lead", joined, computed(of_lead, joined) | _keys(joined, recipe), left)
        seen = _named("seen", SEEN)
        events = past = Program()
        if columns := recipe.columns_of("events"):
            joined = known_events(fresh, given["asked"])
            known = _named("known", joined.schema().to_pyarrow())
            events, left = Program.of(computed(columns, known), known)
            others += _statements("events", joined, computed(columns, joined), left)
        if recipe.columns_of("account") or recipe.columns_of("key"):
            beside = given["beside"]
            values = past_columns(recipe, beside, partial(_past, beside, keys_of(recipe)))
            past, left = Program.of(values, beside)
            others += _statements("past", beside, values, left)
        return cls(
            recipe=recipe,
            schemas=schemas,
            of_seen=Program.of({"known": is_known(seen), "age": age_of(seen)}, seen)[0],
            of_lead=lead_program,
            of_events=events,
            of_past=past,
            of_titles=titles,
            others=tuple(others),
        )


def _named(name: str, schema: pa.Schema) -> ir.Table:
    return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def _keys(lead: ir.Table, recipe: Recipe) -> dict[str, ir.Value]:
    """What of a lead its keys are, by their names."""
    return {name: key_of(lead, key, recipe) for key, name in keys_of(recipe).items() if key is not None}


def _statements(
    kind: Kind, table: ir.Table, values: Mapping[str, ir.Value], names: Sequence[str]
) -> list[tuple[Kind, Statement]]:
    found = []
    for first in range(0, len(names), TOGETHER):
        some = {name: values[name] for name in names[first : first + TOGETHER]}
        asked = table.group_by(ROW).aggregate(**some) if kind == "events" else table.select(ROW, **some)
        found.append((kind, Statement.of(asked)))
    return found


def _past(beside: ir.Table, keys: Mapping[str | None, str], key: str) -> Past:
    usual = {name: beside[f"everyone_{name}"] for name in SUMS}
    return Past(
        **{name: beside[f"{keys[key]}_{name}"] for name in SUMS},
        usual_acceptance_rate=usual["accepted"].cast("float64") / usual["decided"].nullif(0).cast("float64"),
        usual_win_rate=usual["won"].cast("float64") / usual["settled"].nullif(0).cast("float64"),
    )


def _beside(recipe: Recipe) -> pa.Schema:
    """The columns of ``Histories.beside``."""
    columns = {ROW: pa.int32(), "as_of": TIME}
    for key, name in keys_of(recipe).items():
        columns |= {f"{name}_{total}": pa.int32() for total in SUMS}
        if key == "account_id":
            columns |= {f"{name}_leads": pa.int32(), f"{name}_previous_created_at": TIME}
    return pa.schema(columns)


class PreparedMatrix:
    """Runs what is prepared, one caller at a time.

    Parameters
    ----------
    prepared : Prepared
    histories : Histories
        Of the same recipe.
    texts : dict
        Where the features of titles are kept, shared by all.
    """

    def __init__(self, prepared: Prepared, histories: Histories, texts: dict[tuple[str, str], tuple]) -> None:
        self.prepared = prepared
        self.histories = histories
        self.texts = texts
        others = tuple(statement for _, statement in prepared.others)
        self.engine = Engine(others, prepared.schemas) if others else None
        self.none = {column.name: REGISTER[column.feature].none for column in prepared.recipe.columns}

    def close(self) -> None:
        """Let go of what is held open."""
        if self.engine is not None:
            self.engine.close()

    def of(
        self,
        leads: pa.Table,
        events: pa.Table | None,
        as_of: pa.Array,
        *,
        rows_of: Sequence[int] | None = None,
    ) -> Rows:
        """What ``features.matrix.frame`` gives, for leads at hand.

        Parameters
        ----------
        leads, events : table
            With the columns of the canonical tables that were prepared for; no lead twice.
        as_of : array of timestamp, one for each lead
        rows_of : sequence of int, optional
            Of which lead each as-of time is, where it is not one for each.
        """
        places = np.arange(len(leads)) if rows_of is None else np.array(rows_of)
        lead = {name: Column.of(leads[name]).taken(places) for name in leads.column_names} | {
            "as_of": Column.of(as_of)
        }
        if self.engine is not None:
            known = {name: leads[name].take(pa.array(places)) for name in INDEX if name != "as_of"}
            asked = pa.table({ROW: pa.array(range(len(places)), pa.int32()), **known, "as_of": as_of}, ASKED)
            self.engine.give(asked=asked, leads=leads, events=events)
        found = self._of_lead(lead, len(places))
        if any(self.prepared.recipe.columns_of(kind) for kind in ("account", "key")):
            found |= self._of_past(lead, found, len(places))
        if events is not None and self.prepared.recipe.columns_of("events"):
            found |= self._of_events(lead, events, places, repeated=rows_of is not None)
        columns = {name: lead[name].values for name in INDEX}
        for name in ("created_at", "as_of"):
            columns[name] = columns[name].view("datetime64[us]")
        for column in self.prepared.recipe.columns:
            value, none = found.get(column.name, NOTHING), self.none[column.name]
            if column.kind == "category":
                columns[column.name] = value.texts(len(places), empty=np.nan)
            else:
                columns[column.name] = value.floats(len(places), empty=np.nan if none is None else none)
        return Rows(columns)

    def _of_lead(self, lead: Mapping[str, Column], rows: int) -> dict[str, Column]:
        """The columns that are read off the lead itself, and the values of its keys."""
        recipe, found = self.prepared.recipe, self.prepared.of_lead.run(lead)
        for title, program in self.prepared.of_titles.items():
            found |= self._of_titles(title, program, lead[title].texts(rows).tolist())
        for model in recipe.texts:
            numbers = text_columns(recipe, model, lead[model.attribute].texts(rows).tolist())
            found |= {name: Column.of(values) for name, values in numbers.items()}
        return found | self._by_engine("lead", rows)

    def _of_past(
        self, lead: Mapping[str, Column], found: Mapping[str, Column], rows: int
    ) -> dict[str, Column]:
        keys = {name: found[name].texts(rows).tolist() for key, name in self.histories.keys.items() if key}
        beside = {"as_of": lead["as_of"]} | self.histories.beside(
            lead["lead_id"].values.tolist(), lead["created_at"].values, lead["as_of"].values, keys
        )
        if self.engine is not None:
            self.engine.give(beside=_as_table(beside, self.prepared.schemas["beside"], rows))
        return self.prepared.of_past.run(beside) | self._by_engine("past", rows)

    def _of_events(
        self, lead: Mapping[str, Column], events: pa.Table, places: np.ndarray, *, repeated: bool
    ) -> dict[str, Column]:
        """What is counted of each row's known events; empty for a row that has none."""
        rows = len(places)
        number = {
            lead_id: place for place, lead_id in zip(places.tolist(), lead["lead_id"].values, strict=True)
        }
        of = np.array([number.get(lead_id, -1) for lead_id in events["lead_id"].to_pylist()], dtype=int)
        event, row = np.nonzero(of[:, None] == places) if repeated else (np.flatnonzero(of >= 0), of[of >= 0])
        there = {name: Column.of(events[name]) for name in events.column_names if name != "lead_id"}
        seen = self.prepared.of_seen.run(
            {"as_of": lead["as_of"].taken(row)}
            | {name: there[name].taken(event) for name in ("occurred_at", "recorded_at")}
        )
        known = np.flatnonzero(seen["known"].true())
        columns = {name: column.taken(event[known]) for name, column in there.items()}
        groups = Groups(row[known], rows)
        found = self.prepared.of_events.run(columns | {"age": seen["age"].taken(known)}, groups)
        any_known = groups.rows() > 0
        if not any_known.all():
            found = {
                name: Column(each.values, any_known if each.there is None else each.there & any_known)
                for name, each in found.items()
            }
        return found | self._by_engine("events", rows)

    def _of_titles(self, attribute: str, program: Program, titles: list[str | None]) -> dict[str, Column]:
        """The columns that rules read off titles, each title looked at once ever."""
        fresh = sorted(
            {title for title in titles if title is not None and (attribute, title) not in self.texts}
        )
        if fresh:
            if len(self.texts) > MOST_TEXTS:
                self.texts.clear()
            ruled = program.run({attribute: Column(np.array(fresh, dtype=object))})
            columns = [column.texts(len(fresh)).tolist() for column in ruled.values()]
            for title, *values in zip(fresh, *columns, strict=True):
                self.texts[attribute, title] = tuple(values)
        empty = (None,) * len(program.results)
        known = [empty if title is None else self.texts[attribute, title] for title in titles]
        columns = zip(*known, strict=True)
        return {name: listed(values) for name, values in zip(program.results, columns, strict=True)}

    def _by_engine(self, kind: Kind, rows: int) -> dict[str, Column]:
        """The columns of a kind that only an engine computes."""
        found = {}
        for of, statement in self.prepared.others:
            if of == kind:
                found |= {name: listed(values) for name, values in self.engine.run(statement, rows).items()}
        return found


def _as_table(columns: Mapping[str, Column], schema: pa.Schema, rows: int) -> pa.Table:
    """Whole numbers and times as an engine takes them."""
    arrays = {ROW: pa.array(range(rows), pa.int32())}
    for field in schema:
        if field.name != ROW:
            column = columns[field.name]
            empty = None if column.there is None else ~column.there
            whole = pa.array(column.values, pa.int64(), mask=empty)
            arrays[field.name] = whole.cast(field.type)
    return pa.table(arrays, schema)
