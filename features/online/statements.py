"""What of a recipe only an engine computes, such as a feature of a team's own with an operation that is not known here:
queries over named tables, compiled once and kept ready on a connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.as_of import ROW

TOGETHER = 15  # aggregates of one query: to set it up takes time that grows with the square of them


@dataclass(frozen=True)
class Statement:
    """One query over named tables that are handed in anew each time it runs."""

    sql: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, table: ir.Table) -> "Statement":
        return cls(ibis.to_sql(table, dialect="duckdb"), tuple(table.columns))


class Given:
    """A table that a connection knows by name while what it holds changes: DuckDB asks for it anew each time
    a statement runs.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.table = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Engine:
    """Runs statements on a connection of its own, one caller at a time.

    Planning a query of so many columns takes longer than running it on one lead, so each is planned once. For
    so few rows the optimizer costs more than it saves, and threads only wait for each other.
    """

    def __init__(self, statements: tuple[Statement, ...], schemas: Mapping[str, pa.Schema]) -> None:
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        optimizers = ",".join(
            name for (name,) in self.connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        )
        self.connection.execute(f"SET TimeZone = 'UTC'; SET disabled_optimizers = '{optimizers}'")
        self.given = {name: Given(schema) for name, schema in schemas.items()}
        for name, table in self.given.items():
            self.connection.register(name, table)
        self.names = {statement.sql: f"statement_{number}" for number, statement in enumerate(statements)}
        for sql, name in self.names.items():
            self.connection.execute(f"PREPARE {name} AS {sql}")

    def give(self, **tables: pa.Table | None) -> None:
        """Let the named tables hold these rows."""
        for name, table in tables.items():
            if table is not None:
                self.given[name].table = table

    def run(self, statement: Statement, rows: int) -> dict[str, list[Any]]:
        """A statement's columns, a value for each row, empty for rows that it does not give."""
        at = statement.columns.index(ROW)
        found = {
            values[at]: values
            for values in self.connection.execute(f"EXECUTE {self.names[statement.sql]}").fetchall()
        }
        empty = (None,) * len(statement.columns)
        columns = zip(*(found.get(row, empty) for row in range(rows)), strict=True)
        return {
            name: list(values) for name, values in zip(statement.columns, columns, strict=True) if name != ROW
        }

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()
