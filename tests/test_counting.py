from dataclasses import replace
from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features import outcome_rates
from features.matrix import MOST, sharing_sums
from tests.matrices import assert_same, computed
from tests.twin import twin_matrix
from tests.worlds import random_world, row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def counts_of(table):
    """Counts of two kinds in four windows, of all kinds, of all rows, and one inside another expression."""
    values = {
        f"{kind}_{days}": table.count(where=(table.kind == kind) & (table.age < days))
        for kind in "ab"
        for days in (1, 2, 3, 4)
    }
    month = table.count(where=table.age < 3)
    return values | {
        "all_3": month,
        "ever": table.count(),
        "share": month / table.count(),
        "newest": table.age.min(),
    }


def test_counts_that_share_a_sum_are_the_counts(engine):
    events = {
        "row": [1, 1, 1, 1, 2, 2, 3, 4],
        "kind": ["a", "a", "b", "a", "b", None, "c", "a"],
        "age": [0.5, 1.5, 2.5, 9.0, 3.5, 0.5, None, None],
    }
    table = engine.create_table("events", pa.table(events), temp=True)
    values = counts_of(table)
    plain, shared = (
        table.group_by("row").aggregate(**each).order_by("row").to_pyarrow()
        for each in (values, sharing_sums(values))
    )
    assert shared.to_pydict() == plain.to_pydict()
    assert plain["a_4"].to_pylist() == [2, 0, 0, 0]


def test_counts_share_sums_to_the_last_digit(engine):
    table = ibis.range(MOST).unnest().name("i").as_table()
    values = {f"below_{cut}": table.count(where=table.i < cut) for cut in (1, MOST - 1, MOST)}
    [found] = engine.to_pyarrow(table.aggregate(**sharing_sums(values))).to_pylist()
    assert found == {f"below_{cut}": cut for cut in (1, MOST - 1, MOST)}


@pytest.mark.slow
def test_a_lead_with_more_events_than_a_shared_sum_can_count_has_them_all_counted(engine):
    world = random_world(0)
    lead = world.leads.iloc[0]
    then = lead.created_at - timedelta(days=2)
    many = pd.DataFrame(
        {"lead_id": [lead.lead_id] * (MOST + 3), "kind": "form", "occurred_at": then, "recorded_at": then}
    )
    _, _, found = computed(replace(world, events=pd.concat([world.events, many], ignore_index=True)), engine)
    found = found.set_index("lead_id").loc[lead.lead_id]
    assert found["form_1d"] <= MOST < found["form_7d"] <= found["form_30d"] <= found["events_ever"]


def midnight_world(seed):
    """A world in which all leads come, and all is recorded, at midnight: outcomes often in the very moment of
    an as-of time.
    """
    world = random_world(seed)
    leads = world.leads.assign(created_at=world.leads.created_at.dt.floor("D"))
    return replace(
        world,
        leads=leads,
        outcomes=world.outcomes.assign(recorded_at=world.outcomes.recorded_at.dt.floor("D")),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(random_world, id="dates"),
        pytest.param(midnight_world, id="all at midnight"),
        pytest.param(row_world, id="rows in order, no time"),
    ],
)
@pytest.mark.parametrize("few", [pytest.param(0, id="put in order"), pytest.param(10**9, id="paired")])
def test_accounts_of_many_leads_and_of_few_are_counted_in_their_own_ways_and_alike(
    engine, monkeypatch, made, few
):
    monkeypatch.setattr(outcome_rates, "FEW", few)
    world = made(6)
    recipe, cohort, found = computed(world, engine)
    assert_same(found, twin_matrix(world, cohort, recipe), recipe)
    assert made is row_world or found["account_won"].max() > 0


@pytest.mark.parametrize(
    ("accounts", "asked", "small"),
    [
        pytest.param([3, 5], [1, 1], True, id="few leads each"),
        pytest.param([900, 3], [1, 99], True, id="one is large, and hardly a row has it"),
        pytest.param([900, 3], [50, 50], False, id="one is large, and half of the rows have it"),
        pytest.param([900, 3], [0, 0], True, id="nobody asks"),
    ],
)
def test_accounts_are_paired_only_while_rows_have_few_leads_beside_them(engine, accounts, asked, small):
    marks, rows = (pa.table({"key": np.repeat(["one", "other"], each)}) for each in (accounts, asked))
    marks, rows = (
        engine.create_table(name, table, temp=True, overwrite=True)
        for name, table in (("marks", marks), ("asked", rows))
    )
    assert outcome_rates.are_small(rows, marks, "key") == small
