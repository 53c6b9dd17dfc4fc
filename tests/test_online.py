"""What is computed in memory is what an engine computes."""

from collections.abc import Callable, Mapping
from datetime import datetime

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.as_of import ROW, age_of, is_known
from features.definitions.attributes import includes
from features.definitions.attributes import values as values_of
from features.definitions.emails import company_domain, free_mailbox, is_address
from features.definitions.job_titles import DEPARTMENT, SENIORITY, first_rule
from features.online.columns import Column
from features.online.prepared import SEEN, Prepared
from features.online.program import Groups, Program
from features.recipe import FeatureSettings, recipe_for
from models.survival.linear import Linear, Term
from tests.matrices import HORIZONS
from tests.worlds import random_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name

TEXTS = [
    "Ann@Example.com",
    " bob@gmail.co.uk\t",
    "no address",
    "",
    "  ",
    "a@b",
    "x@y.z\n",
    "ÄNNE@MÜLLER.de",
    "head of sales",
    "VP Marketing & Growth",
    "İstanbul CEO",
    "Geschäftsführer",
    None,
]
EXPRESSIONS = {
    "equals": lambda t: (t.n == t.m).ifelse(1, 0),
    "differs": lambda t: (t.a != "no address").ifelse(1, 0),
    "at most, or": lambda t: ((t.n <= 2) | (t.x >= 0.5)).ifelse(1, 0),
    "and, not": lambda t: (~(t.n > 2) & (t.x < 0.5)).ifelse(t.n, t.m),
    "empty and false": lambda t: ((t.n > 2) & (t.x < 0.5)).isnull().ifelse(1, 0),
    "there": lambda t: t.x.notnull().ifelse(t.x, 7.0),
    "divided": lambda t: t.x / t.m.nullif(0).cast("float64"),
    "sums": lambda t: (t.n + t.m * 2 - 1).cast("float64") * t.x,
    "coalesced": lambda t: ibis.coalesce(t.n, t.m, 9),
    "cases": lambda t: ibis.cases((t.n > 3, 1.0), (t.x > 0, t.x), (t.m == 1, None), else_=0.5),
    "hour": lambda t: t.at.hour().cast("int32"),
    "weekday": lambda t: t.at.day_of_week.index().cast("int32"),
    "apart": lambda t: t.at.delta(t.since, unit="microsecond"),
    "address": lambda t: is_address(t.a).ifelse(1, 0),
    "company": lambda t: company_domain(t.a),
    "free": lambda t: free_mailbox(t, "a"),
    "includes": lambda t: includes(t, "a", "@", "gmail.co.uk").ifelse(1, 0),
    "values": lambda t: values_of(t, "a", "e"),
    "joined": lambda t: t.a + "|" + t.a.lower(),
    "seniority": lambda t: first_rule(t.a, SENIORITY),
    "department": lambda t: first_rule(t.a, DEPARTMENT),
}
AGGREGATES = {
    "rows": lambda t: t.count(),
    "rows where": lambda t: t.count(where=(t.a == "a@b") & (t.n < 3)),
    "least": lambda t: t.n.min(),
    "most where": lambda t: t.x.max(where=t.n > 1),
    "sum": lambda t: t.x.sum(where=t.m == 1),
    "whole sum": lambda t: t.n.sum(),
    "kinds": lambda t: t.a.nunique(),
    "kinds where": lambda t: t.a.nunique(where=t.x > 0),
    "of aggregates": lambda t: ibis.ifelse(t.count(where=t.n > 2) > 1, t.x.max() - t.x.min(), None),
}


def table(seed: int, rows: int = 300) -> pa.Table:
    """Rows in which everything is empty now and then."""
    draw = np.random.default_rng(seed)

    def column(values, kind):
        return pa.array(values, kind, mask=draw.random(rows) < 0.2)

    times = draw.integers(-(10**15), 2 * 10**15, (2, rows))
    return pa.table(
        {
            ROW: pa.array(draw.integers(0, 40, rows), pa.int32()),
            "n": column(draw.integers(0, 6, rows), pa.int64()),
            "m": column(draw.integers(0, 3, rows), pa.int32()),
            "x": column(draw.normal(size=rows), pa.float64()),
            "a": column([TEXTS[place] or "" for place in draw.integers(0, len(TEXTS), rows)], pa.string()),
            "at": column(times[0], pa.int64()).cast(pa.timestamp("us")),
            "since": column(times[1], pa.int64()).cast(pa.timestamp("us")),
        }
    )


def by_duckdb(expression: ibis.Table, **tables: pa.Table) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, rows in tables.items():
            connection.register(name, rows)
        return connection.sql(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table().to_pandas()


def plain(values) -> list:
    """Numbers as floats, texts as they are, and None where there is nothing."""
    return [
        None if value is None or value != value else value if isinstance(value, str) else float(value)
        for value in values
    ]


def given(rows: pa.Table) -> ir.Table:
    return ibis.table(ibis.Schema.from_pyarrow(rows.schema), name="given")


def followed(
    expressions: Mapping[str, Callable[[ir.Table], ir.Value]], rows: pa.Table, groups: Groups | None = None
) -> tuple[dict[str, ir.Value], dict[str, Column]]:
    """Expressions over some rows, and what the program of all of them gives."""
    over = given(rows)
    values = {name: make(over) for name, make in expressions.items()}
    program, left = Program.of(values, over)
    assert left == []
    return values, program.run({name: Column.of(rows[name]) for name in rows.column_names}, groups)


def at_hand(column: Column, rows: int) -> list:
    return plain(column.texts(rows).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_expressions_in_memory_are_to_the_bit_what_duckdb_computes(seed):
    rows = table(seed)
    _, found = followed(EXPRESSIONS, rows)
    numbered = rows.append_column("place", pa.array(range(len(rows)), pa.int32()))
    over = given(numbered)
    asked = over.select("place", **{name: make(over) for name, make in EXPRESSIONS.items()})
    expected = by_duckdb(asked, given=numbered).sort_values("place")
    for name in EXPRESSIONS:
        assert at_hand(found[name], len(rows)) == plain(expected[name].tolist()), name


@pytest.mark.parametrize("seed", range(3))
def test_aggregates_in_memory_are_what_duckdb_computes(seed):
    rows = table(seed)
    groups = Groups(rows[ROW].to_numpy(), 40)
    values, found = followed(AGGREGATES, rows, groups)
    expected = (
        by_duckdb(given(rows).group_by(ROW).aggregate(**values), given=rows).set_index(ROW).reindex(range(40))
    )
    there = groups.rows() > 0
    for name in AGGREGATES:
        ours = [
            value if known else None for value, known in zip(at_hand(found[name], 40), there, strict=True)
        ]
        theirs = plain(expected[name].tolist())
        assert [value is None for value in ours] == [value is None for value in theirs], name
        kept = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if mine is not None]
        assert [mine for mine, _ in kept] == pytest.approx([other for _, other in kept], rel=1e-12), name


def test_an_operation_that_is_not_known_is_left_to_the_engine_with_all_that_needs_it():
    over = ibis.table({"a": "string", "n": "int64"}, name="given")
    values = {"known": over.n + 1, "unknown": over.a.length(), "rests on it": over.a.length() + over.n}
    program, left = Program.of(values, over)
    assert (list(program.results), left) == (["known"], ["unknown", "rests on it"])


def test_no_feature_of_the_program_needs_an_engine():
    tables = random_world(1).tables(ibis.duckdb.connect())
    prepared = Prepared.of(tables, recipe_for(tables, FeatureSettings(), HORIZONS))
    assert [statement.columns for _, statement in prepared.others] == []


def test_what_is_known_of_an_event_and_how_old_it_is_needs_no_engine():
    seen = ibis.table(ibis.Schema.from_pyarrow(SEEN), name="seen")
    program, left = Program.of({"known": is_known(seen), "age": age_of(seen)}, seen)
    at = [datetime(2026, 1, 2), datetime(2026, 1, 2)]
    rows = pa.table({"as_of": at, "occurred_at": [at[0], datetime(2026, 2, 1)], "recorded_at": [datetime(2026, 1, 1), at[1]]}, SEEN)  # fmt: skip
    found = program.run({name: Column.of(rows[name]) for name in rows.column_names})
    assert left == []
    assert found["known"].true().tolist() == [True, False]
    assert found["age"].values.tolist() == [0, 0]


def test_the_lines_of_a_few_leads_are_to_the_bit_those_of_many():
    draw = np.random.default_rng(4)
    knots = np.sort(draw.normal(size=23))
    terms = {
        0: Term(knots, draw.normal(size=23), 0.3),
        1: Term(np.array([0.0, 2.0, 5.0]), draw.normal(size=3), -0.2, 0.7),
        2: Term(np.array([1.0]), np.array([0.4]), 0.1),
        4: Term(np.zeros(0), np.zeros(0), 0.25, -0.5),
    }
    block = draw.normal(scale=2, size=(400, 5)).astype(np.float32)
    block[:, [1, 4]] = draw.integers(0, 8, (400, 2))
    block[draw.random(block.shape) < 0.2] = np.nan
    block[0, :] = np.inf
    block[1, :] = [knots[0], 5, 1, 0, 0]
    block[2, :] = [knots[-1], 6, 2, 0, 7]
    block[0, [1, 4]] = np.nan
    linear, many = Linear(terms), pd.DataFrame(block)
    few = [many.iloc[start : start + 20] for start in range(0, 400, 20)]
    np.testing.assert_array_equal(np.concatenate([linear.raw(each) for each in few]), linear.raw(many))
    shares = np.concatenate([linear.contributions(each) for each in few])
    np.testing.assert_array_equal(shares, linear.contributions(many))
