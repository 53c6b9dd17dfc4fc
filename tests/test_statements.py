"""Leads at hand get the very columns that they would get as rows of the source."""

from dataclasses import replace
from datetime import timedelta

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from features.matrix import frame, matrix
from features.online.ledger import Histories
from features.online.prepared import Prepared, PreparedMatrix
from features.recipe import FeatureSettings, recipe_for
from features.tables import scoring_cohort, training_cohort
from tests.matrices import HORIZONS, framed
from tests.worlds import START, World, arrow, random_world, row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def flat_world(seed: int) -> World:
    """A world whose export tells one outcome of each lead, and not when."""
    world = random_world(seed)
    return replace(world, outcomes=world.outcomes.drop_duplicates("lead_id"), outcome_times=False)


def prepared(tables, recipe) -> PreparedMatrix:
    return PreparedMatrix(Prepared.of(tables, recipe), Histories.of(tables, recipe), {})


def at_hand(made: PreparedMatrix, world: World, wanted: pd.DataFrame) -> pd.DataFrame:
    """The frame of a world's leads at given as-of times, handed in as if from outside."""
    leads = world.leads.set_index("lead_id", drop=False).loc[wanted["lead_id"]]
    events = None if world.events is None else arrow(world.events)
    return framed(
        made.of(arrow(leads), events, pa.array(wanted["as_of"], pa.timestamp("us"))), made.prepared.recipe
    )


@pytest.mark.parametrize(
    ("world", "days"),
    [
        pytest.param(random_world(1), None, id="each soon after it came"),
        pytest.param(random_world(2), 100.5, id="all at one moment"),
        pytest.param(row_world(3), None, id="rows in order, no time"),
        pytest.param(flat_world(4), 120, id="dates, but outcomes without a time"),
        pytest.param(
            replace(random_world(5), stages=("won", "lost"), has_accounts=False),
            90,
            id="neither acceptance nor accounts told",
        ),
        pytest.param(replace(random_world(6), events=None), 100, id="no events"),
    ],
)
def test_a_lead_at_hand_gets_to_the_bit_what_it_gets_as_a_row_of_the_source(engine, world, days):
    tables = world.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    if days is None:
        expected = frame(matrix(tables, training_cohort(tables, HORIZONS.delay), recipe), recipe)
    else:
        as_of = START + timedelta(days=days)
        expected = frame(matrix(tables.until(as_of), scoring_cohort(tables, as_of), recipe), recipe)
    assert len(expected) > 30
    pd.testing.assert_frame_equal(
        at_hand(prepared(tables, recipe), world, expected), expected, check_exact=True
    )


@pytest.mark.slow
def test_a_lead_that_the_source_does_not_have_is_one_more_beside_those_it_has(engine):
    world = random_world(8)
    new = world.leads["created_at"].idxmax()
    lead_id = world.leads.loc[new, "lead_id"]
    as_of = world.leads.loc[new, "created_at"] + timedelta(days=3)
    unanswered = replace(world, outcomes=world.outcomes[world.outcomes["lead_id"] != lead_id])
    tables = unanswered.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    expected = frame(matrix(tables, scoring_cohort(tables, as_of), recipe), recipe)
    expected = expected[expected["lead_id"] == lead_id].reset_index(drop=True)

    without = replace(
        unanswered, leads=world.leads.drop(index=new), events=world.events[world.events["lead_id"] != lead_id]
    )
    found = at_hand(prepared(without.tables(engine), recipe), world, expected)
    pd.testing.assert_frame_equal(
        found.astype(object), expected.astype(object), check_exact=True
    )  # levels of categories may differ


@pytest.mark.slow
def test_a_lead_that_has_moved_is_counted_where_it_was_no_more(engine):
    world = random_world(9)
    as_of = START + timedelta(days=110)
    moved = world.leads.copy()
    row = moved["created_at"].idxmin()
    moved.loc[row, ["account_id", "created_at", "campaign"]] = ["A1", moved["created_at"].median(), "c2"]
    lead_id = moved.loc[row, "lead_id"]
    after = replace(world, leads=moved)
    tables = after.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    expected = frame(matrix(tables, scoring_cohort(tables, as_of), recipe), recipe)
    expected = expected[expected["lead_id"] == lead_id].reset_index(drop=True)

    found = at_hand(prepared(world.tables(engine), recipe), after, expected)
    pd.testing.assert_frame_equal(found.astype(object), expected.astype(object), check_exact=True)


@pytest.mark.slow
def test_many_leads_in_turn_are_as_one_after_the_other(engine):
    world = random_world(10)
    tables = world.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    made = prepared(tables, recipe)
    wanted = pd.DataFrame({"lead_id": world.leads["lead_id"], "as_of": START + timedelta(days=150)})
    together = at_hand(made, world, wanted)
    alone = pd.concat(
        [at_hand(made, world, wanted.iloc[[row]]) for row in range(len(wanted))], ignore_index=True
    )
    numbers = [column.name for column in recipe.columns if column.kind == "number"]
    pd.testing.assert_frame_equal(alone[numbers], together[numbers], check_exact=True)
