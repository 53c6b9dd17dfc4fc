"""The matrix of a few leads that are not in any table yet: the same expressions as ``features.matrix``,
compiled once and kept ready.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.as_of import ROW, known_events
from features.definitions.history import Past
from features.matrix import computed, lead_columns, lead_rows, text_columns
from features.outcome_ledger import Histories
from features.outcome_rates import SUMS, key_of, keys_of, past_columns
from features.recipe import INDEX, Recipe
from features.register import REGISTER, Column
from features.tables import Tables

TIME = pa.timestamp("us")
ASKED = pa.schema(
    {ROW: pa.int32(), "lead_id": pa.string(), "account_id": pa.string(), "created_at": TIME, "as_of": TIME}
)
TOGETHER = 15  # aggregates of one query
MOST_TEXTS = 20_000  # of different titles whose features are kept


@dataclass(frozen=True)
class Statement:
    """One query over named tables that are handed in anew each time it runs."""

    sql: str
    columns: tuple[str, ...]
    types: Mapping[str, pa.DataType]

    @classmethod
    def of(cls, table: ir.Table) -> "Statement":
        schema = table.schema().to_pyarrow()
        return cls(
            ibis.to_sql(table, dialect="duckdb"),
            tuple(schema.names),
            {field.name: field.type for field in schema},
        )


@dataclass(frozen=True)
class Statements:
    """What a recipe asks of a lead, compiled.

    Attributes
    ----------
    recipe : Recipe
    schemas : mapping of str to schema
        The tables that the statements read.
    of_lead : Statement
    of_events : tuple of Statement
        Each gives some of the columns: to set up a query takes time that grows with the square of its
        aggregates.
    of_past : Statement or None
        None where the recipe has no such column.
    of_titles : mapping of str to Statement
        By attribute; each reads a table of different titles.
    """

    recipe: Recipe
    schemas: Mapping[str, pa.Schema]
    of_lead: Statement
    of_events: tuple[Statement, ...]
    of_past: Statement | None
    of_titles: Mapping[str, Statement]

    @classmethod
    def of(cls, tables: Tables, recipe: Recipe) -> "Statements":
        """Compile a recipe for leads and events with the columns that these tables have."""
        schemas = {
            "asked": ASKED,
            "leads": tables.leads.schema().to_pyarrow(),
            "beside": _beside(recipe),
            "titles": pa.schema({"title": pa.string()}),
        }
        if tables.events is not None:
            schemas["events"] = tables.events.schema().to_pyarrow()
        given = {
            name: ibis.table(ibis.Schema.from_pyarrow(schema), name=name) for name, schema in schemas.items()
        }
        fresh = Tables(
            **{**vars(tables), "leads": given["leads"], "events": given.get("events"), "outcomes": None}
        )
        columns, of_titles = lead_columns(recipe)
        lead = lead_rows(given["asked"], fresh, recipe)
        keys = {name: key_of(lead, key, recipe) for key, name in keys_of(recipe).items() if key is not None}
        return cls(
            recipe=recipe,
            schemas=schemas,
            of_lead=Statement.of(lead.select(ROW, **computed(columns, lead), **keys)),
            of_events=_events(given["asked"], fresh, recipe) if recipe.columns_of("events") else (),
            of_past=_past(given["beside"], recipe)
            if recipe.columns_of("account") or recipe.columns_of("key")
            else None,
            of_titles={title: _of_title(given["titles"], title, some) for title, some in of_titles.items()},
        )


def _of_title(titles: ir.Table, attribute: str, columns: list[Column]) -> Statement:
    titles = titles.select(**{attribute: "title"})
    return Statement.of(titles.select(__title=attribute, **computed(columns, titles)))


def _events(asked: ir.Table, tables: Tables, recipe: Recipe) -> tuple[Statement, ...]:
    known, columns = known_events(tables, asked), recipe.columns_of("events")
    parts = [columns[first : first + TOGETHER] for first in range(0, len(columns), TOGETHER)]
    return tuple(Statement.of(known.group_by(ROW).aggregate(**computed(part, known))) for part in parts)


def _past(beside: ir.Table, recipe: Recipe) -> Statement:
    keys = keys_of(recipe)
    usual = {name: beside[f"everyone_{name}"] for name in SUMS}

    def past(key: str) -> Past:
        return Past(
            **{name: beside[f"{keys[key]}_{name}"] for name in SUMS},
            usual_acceptance_rate=usual["accepted"].cast("float64")
            / usual["decided"].nullif(0).cast("float64"),
            usual_win_rate=usual["won"].cast("float64") / usual["settled"].nullif(0).cast("float64"),
        )

    return Statement.of(beside.select(ROW, **past_columns(recipe, beside, past)))


def _beside(recipe: Recipe) -> pa.Schema:
    """The columns of ``Histories.beside``."""
    columns = {ROW: pa.int32(), "as_of": TIME}
    for key, name in keys_of(recipe).items():
        columns |= {f"{name}_{total}": pa.int32() for total in SUMS}
        if key == "account_id":
            columns |= {f"{name}_leads": pa.int32(), f"{name}_previous_created_at": TIME}
    return pa.schema(columns)


class Given:
    """A table that a connection knows by name while what it holds changes: DuckDB asks for it anew each time
    a statement runs.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.table = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class PreparedMatrix:
    """Runs a recipe's statements on a connection of its own, one caller at a time.

    Planning a query of so many columns takes longer than running it on one lead, so each is planned once. For
    so few rows the optimizer costs more than it saves, and threads only wait for each other.

    Parameters
    ----------
    statements : Statements
    histories : Histories
        Of the same recipe.
    texts : dict
        Where the features of titles are kept, shared by all.
    """

    def __init__(
        self, statements: Statements, histories: Histories, texts: dict[tuple[str, str], tuple]
    ) -> None:
        self.statements = statements
        self.histories = histories
        self.texts = texts
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        optimizers = ",".join(
            name for (name,) in self.connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        )
        self.connection.execute(f"SET TimeZone = 'UTC'; SET disabled_optimizers = '{optimizers}'")
        self.given = {name: Given(schema) for name, schema in statements.schemas.items()}
        for name, table in self.given.items():
            self.connection.register(name, table)
        self.names: dict[str, str] = {}
        self.none = {column.name: REGISTER[column.feature].none for column in statements.recipe.columns}
        for number, statement in enumerate(self._all()):
            self.names[statement.sql] = f"statement_{number}"
            self.connection.execute(f"PREPARE statement_{number} AS {statement.sql}")

    def _all(self) -> Iterator[Statement]:
        of = self.statements
        yield from (
            each
            for each in (of.of_lead, *of.of_events, of.of_past, *of.of_titles.values())
            if each is not None
        )

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()

    def of(
        self,
        leads: pa.Table,
        events: pa.Table | None,
        as_of: pa.Array,
        *,
        rows_of: Sequence[int] | None = None,
    ) -> pa.Table:
        """What ``features.matrix.matrix`` gives, for leads at hand.

        Parameters
        ----------
        leads, events : table
            With the columns of the canonical tables that the statements were compiled for; no lead twice.
        as_of : array of timestamp, one for each lead
        rows_of : sequence of int, optional
            Of which lead each as-of time is, where it is not one for each.

        Returns
        -------
        table
            ``lead_id``, ``account_id``, ``created_at``, ``as_of``, then the recipe's columns, in the order of ``as_of``.
        """
        self.given["leads"].table = leads
        leads = leads if rows_of is None else leads.take(pa.array(rows_of, pa.int32()))
        rows = range(len(leads))
        known = {name: leads[name] for name in ("lead_id", "account_id", "created_at")}
        asked = pa.table({ROW: pa.array(rows, pa.int32()), **known, "as_of": as_of})
        self.given["asked"].table = asked
        found = self._run(self.statements.of_lead, rows)
        for title, statement in self.statements.of_titles.items():
            found |= self._of_titles(title, statement, leads[title].to_pylist())
        for model in self.statements.recipe.texts:
            columns = text_columns(self.statements.recipe, model, leads[model.attribute].to_pylist())
            found |= {name: values.to_pylist() for name, values in columns.items()}
        if self.statements.of_past is not None:
            keys = {
                name: pa.array(found.pop(name), pa.string())
                for key, name in self.histories.keys.items()
                if key is not None
            }
            self.given["beside"].table = self.histories.beside(
                pa.table({**dict(zip(asked.column_names, asked.columns, strict=True)), **keys})
            )
            found |= self._run(self.statements.of_past, rows)
        for statement in self.statements.of_events:
            self.given["events"].table = events
            found |= self._run(statement, rows)
        columns = {name: asked[name] for name in INDEX}
        for column in self.statements.recipe.columns:
            none = self.none[column.name]
            values = (
                found[column.name]
                if none is None
                else [none if value is None else value for value in found[column.name]]
            )
            columns[column.name] = pa.array(
                values, pa.string() if column.kind == "category" else pa.float64()
            )
        return pa.table(columns)

    def _run(self, statement: Statement, rows: range) -> dict[str, list[Any]]:
        """A statement's columns, a value for each row, empty for rows that it does not give."""
        at = statement.columns.index(ROW)
        given = {
            values[at]: values
            for values in self.connection.execute(f"EXECUTE {self.names[statement.sql]}").fetchall()
        }
        empty = (None,) * len(statement.columns)
        columns = zip(*(given.get(row, empty) for row in rows), strict=True)
        return {
            name: list(values) for name, values in zip(statement.columns, columns, strict=True) if name != ROW
        }

    def _of_titles(
        self, attribute: str, statement: Statement, titles: list[str | None]
    ) -> dict[str, list[Any]]:
        """The columns that rules read off titles, each title looked at once ever."""
        fresh = {title for title in titles if title is not None and (attribute, title) not in self.texts}
        if fresh:
            if len(self.texts) > MOST_TEXTS:
                self.texts.clear()
            self.given["titles"].table = pa.table({"title": pa.array(sorted(fresh), pa.string())})
            for title, *values in self.connection.execute(f"EXECUTE {self.names[statement.sql]}").fetchall():
                self.texts[attribute, title] = tuple(values)
        empty = (None,) * (len(statement.columns) - 1)
        known = [empty if title is None else self.texts[attribute, title] for title in titles]
        return {
            name: list(values)
            for name, values in zip(statement.columns[1:], zip(*known, strict=True), strict=True)
        }
