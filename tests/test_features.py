from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import ibis
import numpy as np
import pandas as pd
import pytest

from features.dictionary import dictionary
from features.errors import ContractError
from features.labels import Horizons
from features.matrix import fetch, frame, matrix
from features.recipe import FeatureSettings, Recipe, recipe_for
from features.register import REGISTER
from features.tables import Tables, scoring_cohort, training_cohort
from tests.conftest import REPOSITORY
from tests.twin import TWINS, twin_matrix
from tests.worlds import START, arrow, random_world, row_world

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 calls DuckDB 2 by an old name
HORIZONS = Horizons(pursue_days=14, convert_days=30, delay=timedelta(days=2))


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def computed(world, engine, cohort=None, recipe=None, as_of=None):
    """Recipe, cohort and matrix of a world, as pandas."""
    tables = world.tables(engine)
    recipe = recipe or recipe_for(tables, FeatureSettings(), HORIZONS)
    cohort = training_cohort(tables, HORIZONS.delay) if as_of is None else scoring_cohort(tables, as_of)
    return recipe, cohort.to_pyarrow().to_pandas(), fetch(matrix(tables, cohort, recipe)).to_pandas()


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, recipe: Recipe) -> None:
    assert list(found.columns) == list(expected.columns)
    assert found["lead_id"].tolist() == expected["lead_id"].tolist()
    for column in recipe.columns:
        if column.kind == "category":
            ours, theirs = (each[column.name].astype(object).where(each[column.name].notna(), None).tolist() for each in (found, expected))
            assert ours == theirs, column.name
        else:
            ours, theirs = (each[column.name].astype("float64").to_numpy() for each in (found, expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=column.name)


@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_is_what_the_slow_twin_computes(engine, seed):
    world = random_world(seed)
    recipe, cohort, found = computed(world, engine)
    assert len(found) > 50
    assert_same(found, twin_matrix(world, cohort, recipe), recipe)


def test_the_matrix_of_leads_that_are_scored_long_after_they_came_is_what_the_slow_twin_computes(engine):
    world = random_world(7)
    recipe, cohort, found = computed(world, engine, as_of=START + timedelta(days=100, hours=12))
    assert len(found) > 30
    assert_same(found, twin_matrix(world, cohort, recipe), recipe)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(row_world, id="rows in order, no time"),
        pytest.param(lambda seed: replace(random_world(seed), outcome_times=False), id="dates, but outcomes without a time"),
        pytest.param(lambda seed: replace(random_world(seed), stages=("won", "lost")), id="acceptance not told"),
    ],
)
def test_the_twin_agrees_on_sources_that_tell_less(engine, made):
    world = made(3)
    recipe, cohort, found = computed(world, engine)
    assert recipe.columns_of("key")
    assert_same(found, twin_matrix(world, cohort, recipe), recipe)


def test_every_registered_feature_has_a_twin_and_stands_in_some_random_world(engine):
    recipe, _, _ = computed(random_world(0), engine)
    assert set(TWINS) == set(REGISTER) == {column.feature for column in recipe.columns}


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
    more_events = world.events.assign(recorded_at=moment + (world.events.recorded_at - world.events.recorded_at.min()), value=1e6)
    won = pd.DataFrame({"lead_id": past.lead_id, "stage": "won", "occurred_at": early, "recorded_at": moment, "amount": 1e9})
    changed = replace(
        world,
        leads=pd.concat([past, newcomers], ignore_index=True),
        events=pd.concat([events, more_events], ignore_index=True),
        outcomes=pd.concat([outcomes, won], ignore_index=True),
    )
    return changed


def test_the_order_of_the_rows_changes_nothing(engine):
    world = random_world(4)
    recipe, _, before = computed(world, engine)
    again, _, after = computed(world.shuffled(1), engine)
    assert again == recipe
    assert_same(after, before, recipe)


def small(engine, **texts) -> Tables:
    """Canonical tables from texts such as ``lead_id created_at`` and rows; times are day and hour of March 2024, empty is ``-``."""
    tables = {}
    for name, text in texts.items():
        rows = pd.read_csv(StringIO(text), sep=r"\s+", na_values="-", dtype={"lead_id": str})
        for column in rows.columns[rows.columns.str.endswith("_at")]:
            rows[column] = pd.to_datetime("2024-03-" + rows[column], format="%Y-%m-%dT%H").astype("datetime64[us]")
        tables[name] = rows
    leads = tables["leads"]
    if "account_id" not in leads:
        leads["account_id"] = leads["lead_id"]
    if "events" in tables and "occurred_at" not in tables["events"]:
        tables["events"]["occurred_at"] = tables["events"]["recorded_at"]
    memory = {name: ibis.memtable(arrow(table)) for name, table in tables.items()}
    return Tables(
        leads=memory["leads"], events=memory.get("events"), outcomes=memory.get("outcomes"), clock="time", outcome_times=True,
        stages=("accepted", "rejected", "won", "lost"), end=datetime(2024, 5, 1), has_accounts="account_id" in texts["leads"],
    )  # fmt: skip


def value_of(tables, column, lead_id="1", as_of=datetime(2024, 3, 10), horizons=HORIZONS):
    recipe = recipe_for(tables, FeatureSettings(), horizons)
    found = fetch(matrix(tables, scoring_cohort(tables, as_of), recipe)).to_pandas().set_index("lead_id")
    value = found.loc[lead_id, column]
    return None if pd.isna(value) else value


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param("09T00", 1.0, id="recorded the day before: counts"),
        pytest.param("10T00", None, id="recorded at the very moment: not yet known"),
        pytest.param("12T00", None, id="synced two days late: invisible, though it had happened"),
    ],
)
def test_an_event_counts_from_when_it_was_recorded(engine, recorded, expected):
    tables = small(
        engine,
        leads="lead_id created_at\n1 01T00\n2 01T00",
        events=f"lead_id kind occurred_at recorded_at\n1 visit 09T00 {recorded}\n2 visit 02T00 02T00",
    )
    assert value_of(tables, "visit_days_since") == expected


def test_no_event_counts_as_zero_and_its_recency_as_empty(engine):
    tables = small(engine, leads="lead_id created_at\n1 01T00\n2 01T00", events="lead_id kind recorded_at\n2 visit 02T00")
    assert value_of(tables, "visit_7d") == 0
    assert value_of(tables, "events_ever") == 0
    assert value_of(tables, "visit_days_since") is None
    assert value_of(tables, "trend") is None


def test_a_window_is_open_at_its_far_end(engine):
    tables = small(engine, leads="lead_id created_at\n1 01T00", events="lead_id kind recorded_at\n1 visit 03T00\n1 visit 03T01")
    assert value_of(tables, "visit_7d") == 1


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param("2 accepted 02T00\n2 won 05T00", 1, id="accepted and won: settled"),
        pytest.param("2 accepted 02T00\n2 lost 05T00", 1, id="accepted and lost: settled"),
        pytest.param("2 lost 05T00", 0, id="lost without ever being accepted: no conversion outcome"),
        pytest.param("2 won 05T00", 1, id="won without an acceptance on record: accepted at the win"),
        pytest.param("2 accepted 02T00\n2 won 10T00", 0, id="won at the very moment: not yet known"),
        pytest.param("2 accepted 02T00\n2 won 09T23", 1, id="won an hour before midnight: known at midnight"),
        pytest.param("1 accepted 02T00\n1 won 05T00", 0, id="the lead's own outcome never counts"),
    ],
)
def test_a_lead_is_settled_once_its_outcome_is_known(engine, outcomes, expected):
    leads = "lead_id created_at channel\n1 01T00 ads\n2 01T00 ads\n3 01T00 event"
    tables = small(engine, leads=leads, outcomes=f"lead_id stage occurred_at\n{outcomes}".replace("occurred_at", "recorded_at"))
    assert value_of(tables, "channel_settled") == expected


def test_a_rate_is_drawn_towards_the_overall_rate(engine):
    leads = "lead_id created_at channel\n" + "\n".join(f"{i} 01T00 {'ads' if i < 3 else 'event'}" for i in range(1, 8))
    outcomes = "lead_id stage recorded_at\n2 accepted 02T00\n2 won 03T00\n" + "\n".join(
        f"{i} accepted 02T00\n{i} lost 03T00" for i in (3, 4, 5)
    )
    tables = small(engine, leads=leads, outcomes=outcomes)
    assert value_of(tables, "channel_win_rate") == pytest.approx((1 + 20 * 1 / 4) / (1 + 20))


def test_nothing_is_dropped_in_silence(engine):
    world = random_world(0, leads=120)
    world = replace(world, leads=world.leads.assign(comment=[f"text {i}" for i in range(120)], nothing=None, secret="x"))
    recipe = recipe_for(world.tables(engine), FeatureSettings(exclude=("secret", "founded")), HORIZONS)
    assert dict(recipe.dropped) == {
        "secret": "excluded by the configuration",
        "founded": "excluded by the configuration",
        "constant": "the same in every row",
        "nothing": "empty in every row",
        "comment": "120 different texts in 120 rows: an identifier or free text",
    }


def test_a_recipe_survives_json_and_its_fingerprint_tells_recipes_apart(engine):
    recipe, _, _ = computed(random_world(0), engine)
    again = Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert again.fingerprint == recipe.fingerprint
    assert replace(recipe, windows_days=(2.0,)).fingerprint != recipe.fingerprint


def test_names_are_fit_for_every_engine_and_unlike_each_other(engine):
    recipe, _, _ = computed(random_world(0), engine)
    names = [column.name for column in recipe.columns]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and name.isidentifier() and len(name) < 63 for name in names)


def test_every_column_words_its_value(engine):
    recipe, _, _ = computed(random_world(0), engine)
    worded = {column.name: column.words.format(value="SEVEN") for column in recipe.columns}
    assert all("SEVEN" in words for words in worded.values())
    assert "SEVEN call {in} in 7 days" in worded.values()


def test_unseen_kinds_and_categories_are_taken_as_they_come(engine):
    recipe, _, _ = computed(random_world(0), engine)
    strange = random_world(1)
    strange = replace(strange, leads=strange.leads.assign(channel="new"), events=strange.events.assign(kind="never seen"))
    _, _, found = computed(strange, engine, recipe=recipe)
    assert found["events_ever"].sum() > 0
    assert (found["form_30d"] == 0).all()


def test_an_absent_column_is_named_and_nothing_is_computed(engine):
    recipe, _, _ = computed(random_world(0), engine)
    poorer = random_world(0)
    poorer = replace(poorer, leads=poorer.leads.drop(columns="founded"), events=poorer.events.drop(columns="value"))
    with pytest.raises(ContractError, match=r"leads\.founded, events\.value"):
        computed(poorer, engine, recipe=recipe)


def test_the_frame_has_categories_and_numbers_and_no_texts(engine):
    world = random_world(0)
    tables = world.tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    arrow = fetch(matrix(tables, training_cohort(tables, HORIZONS.delay), recipe))
    made = frame(arrow, recipe)
    assert made["as_of"].dtype == "datetime64[us]"
    for column in recipe.columns:
        dtype = made[column.name].dtype
        assert isinstance(dtype, pd.CategoricalDtype) if column.kind == "category" else dtype == "float32", column.name
    channels = made["channel"].astype(object).where(made["channel"].notna(), None)
    assert channels.tolist() == arrow["channel"].to_pylist()


@pytest.mark.parametrize(
    ("title", "seniority", "department"),
    [
        ("CEO", "chief", "general management"),
        ("Chief Marketing Officer", "chief", "marketing"),
        ("VP Sales", "vice president", "sales"),
        ("Senior Vice President, Finance", "vice president", "finance"),
        ("Head of Marketing", "head", "marketing"),
        ("Vertriebsleiter", "head", "sales"),
        ("Leiter Einkauf", "head", "operations"),
        ("Geschäftsführer", "owner", "general management"),
        ("Directeur financier", "director", "finance"),
        ("Dirctor of IT", "director", "technology"),
        ("Sales Manger", "manager", "sales"),
        ("HR Manager", "manager", "people"),
        ("Data Engineer", "specialist", "technology"),
        ("Praktikantin Marketing", "student", "marketing"),
        ("Executive Assistant to the CEO", "assistant", "general management"),
        ("Co-Founder & CTO", "chief", "technology"),
        ("Product Owner", "manager", "product"),
        ("Baker", "other", "other"),
    ],
)
def test_a_title_gives_seniority_and_department(engine, title, seniority, department):
    world = random_world(0)
    world = replace(world, leads=world.leads.assign(job_title=[title, *world.leads["job_title"][1:]]))
    lead_id = world.leads["lead_id"][0]
    _, _, found = computed(world, engine)
    row = found.set_index("lead_id").loc[lead_id]
    assert (row["job_title_seniority"], row["job_title_department"]) == (seniority, department)


def test_no_address_reaches_the_matrix(engine):
    _, _, found = computed(random_world(0), engine)
    texts = found.select_dtypes(exclude=["number", "datetime"])
    assert not texts.apply(lambda column: column.astype(str).str.contains("@")).any().any()


def test_the_data_dictionary_is_up_to_date():
    assert (REPOSITORY / "docs" / "features.md").read_text() == dictionary(), "run: python -m features.dictionary > docs/features.md"
