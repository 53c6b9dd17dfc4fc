import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import ibis
import pandas as pd
import pytest

from features.definitions.free_text import text_part
from features.errors import ContractError
from features.matrix import frame, matrix
from features.recipe import INDEX, FeatureSettings, in_order, recipe_for
from features.tables import training_cohort
from tests.conftest import REPOSITORY
from tests.matrices import HORIZONS, assert_same, computed
from tests.twin import TWINS, twin_matrix
from tests.worlds import START, random_world, row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def assert_twin(found, world, cohort, recipe):
    """The columns of every feature that has a twin are what the twin computes."""
    twinned = replace(recipe, columns=tuple(each for each in recipe.columns if each.feature in TWINS))
    names = [*INDEX, *(column.name for column in twinned.columns)]
    assert_same(found[names], twin_matrix(world, cohort, twinned), twinned)


@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_is_what_the_slow_twin_computes(engine, seed):
    world = random_world(seed)
    recipe, cohort, found = computed(world, engine)
    assert len(found) > 50
    assert_twin(found, world, cohort, recipe)


@pytest.mark.slow
def test_the_matrix_of_leads_that_are_scored_long_after_they_came_is_what_the_slow_twin_computes(engine):
    world = random_world(7)
    recipe, cohort, found = computed(world, engine, as_of=START + timedelta(days=100, hours=12))
    assert len(found) > 30
    assert_twin(found, world, cohort, recipe)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(row_world, id="rows in order, no time"),
        pytest.param(
            lambda seed: replace(random_world(seed), outcome_times=False),
            id="dates, but outcomes without a time",
        ),
        pytest.param(
            lambda seed: replace(random_world(seed), stages=("won", "lost")), id="acceptance not told"
        ),
    ],
)
@pytest.mark.slow
def test_the_twin_agrees_on_sources_that_tell_less(engine, made):
    world = made(3)
    recipe, cohort, found = computed(world, engine)
    assert recipe.columns_of("key")
    assert_twin(found, world, cohort, recipe)


def test_every_feature_stands_in_some_random_world_and_every_twin_has_its_feature(engine):
    recipe, _, _ = computed(random_world(0), engine)
    # Free text wants more leads than these worlds have: tests/test_texts.py.
    every = {each.name for each in in_order()} - {text_part.__name__}
    assert {column.feature for column in recipe.columns} == every >= set(TWINS)


@pytest.mark.slow
def test_what_is_recorded_at_the_very_moment_changes_no_feature(engine):
    world, moment = random_world(6), START + timedelta(days=70)
    recipe, _, before = computed(world, engine, as_of=moment)
    _, _, after = computed(rewritten(world, moment), engine, recipe=recipe, as_of=moment)
    assert len(before) > 15
    assert_same(after, before, recipe)


@pytest.mark.parametrize("seed", range(3))
def test_rewriting_the_future_changes_nothing(engine, seed):
    world = random_world(seed)
    moment = START + timedelta(days=70)
    recipe, _, before = computed(world, engine)
    _, _, after = computed(rewritten(world, moment), engine, recipe=recipe)
    then = before["as_of"] <= moment
    assert then.sum() > 15
    ours = before[then].reset_index(drop=True)
    assert_same(after[after["as_of"] <= moment].reset_index(drop=True), ours, recipe)


def rewritten(world, moment):
    """The same past; from the moment on, other leads, events and outcomes."""
    past = world.leads[world.leads.created_at < moment]
    early = world.leads.created_at.min()
    newcomers = past.assign(lead_id="N" + past.lead_id, created_at=moment + (past.created_at - early))
    events, outcomes = (table[table.recorded_at < moment] for table in (world.events, world.outcomes))
    more_events = world.events.assign(
        recorded_at=moment + (world.events.recorded_at - world.events.recorded_at.min()), value=1e6
    )
    won = pd.DataFrame(
        {"lead_id": past.lead_id, "stage": "won", "occurred_at": early, "recorded_at": moment, "amount": 1e9}
    )
    changed = replace(
        world,
        leads=pd.concat([past, newcomers], ignore_index=True),
        events=pd.concat([events, more_events], ignore_index=True),
        outcomes=pd.concat([outcomes, won], ignore_index=True),
    )
    return changed


@pytest.mark.slow
def test_the_order_of_the_rows_changes_nothing(engine):
    world = random_world(4)
    recipe, _, before = computed(world, engine)
    again, _, after = computed(world.shuffled(1), engine)
    assert again == recipe
    assert_same(after, before, recipe)


@pytest.mark.slow
def test_unseen_kinds_and_categories_are_taken_as_they_come(engine):
    recipe, _, _ = computed(random_world(0), engine)
    strange = random_world(1)
    strange = replace(
        strange, leads=strange.leads.assign(channel="new"), events=strange.events.assign(kind="never seen")
    )
    _, _, found = computed(strange, engine, recipe=recipe)
    assert found["events_ever"].sum() > 0
    assert (found["form_30d"] == 0).all()


@pytest.mark.slow
def test_an_absent_column_is_named_and_nothing_is_computed(engine):
    recipe, _, _ = computed(random_world(0), engine)
    poorer = random_world(0)
    poorer = replace(
        poorer, leads=poorer.leads.drop(columns="founded"), events=poorer.events.drop(columns="value")
    )
    with pytest.raises(ContractError, match=r"leads\.founded, events\.value"):
        computed(poorer, engine, recipe=recipe)


def test_the_frame_has_categories_and_numbers_and_no_texts(engine):
    world = random_world(0)
    tables = world.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    arrow = matrix(tables, training_cohort(tables, HORIZONS.delay), recipe)
    made = frame(arrow, recipe)
    assert made["as_of"].dtype == "datetime64[us]"
    for column in recipe.columns:
        dtype = made[column.name].dtype
        assert isinstance(dtype, pd.CategoricalDtype) if column.kind == "category" else dtype == "float32", (
            column.name
        )
    channels = made["channel"].astype(object).where(made["channel"].notna(), None)
    assert channels.tolist() == arrow["channel"].to_pylist()


@pytest.mark.slow
def test_the_order_of_columns_does_not_hang_on_who_imported_what_first():
    program = "import {first}\nfrom features import recipe\nprint([each.name for each in recipe.in_order()])"
    orders = {
        subprocess.run(
            [sys.executable, "-c", program.format(first=first)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for first in ("features.recipe", "features.definitions.job_titles", "features.definitions.history")
    }
    assert len(orders) == 1


@pytest.mark.slow
def test_a_column_that_held_numbers_and_holds_words_now_is_refused_with_an_example(engine):
    world = random_world(1)
    recipe, _, _ = computed(world, engine)
    changed = replace(world, leads=world.leads.assign(**{"Size, people": "n.v."})).tables(engine)
    with pytest.raises(
        ContractError, match=r"leads.Size, people: held numbers, and 60 of 60 .* 'n.v.'. .* empty"
    ):
        matrix(changed, training_cohort(changed, timedelta(0)), recipe)
