import json
from dataclasses import replace

import ibis
import pytest

from features.dictionary import dictionary
from features.recipe import FeatureSettings, Recipe, recipe_for
from features.serialization import dump, load
from tests.conftest import REPOSITORY
from tests.matrices import HORIZONS, computed
from tests.worlds import random_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


@pytest.fixture(scope="module")
def recipe(engine):
    return recipe_for(random_world(0).tables(engine), FeatureSettings(), HORIZONS)


def test_nothing_is_dropped_in_silence(engine):
    world = random_world(0, leads=120)
    world = replace(
        world, leads=world.leads.assign(comment=[f"text {i}" for i in range(120)], nothing=None, secret="x")
    )
    recipe = recipe_for(world.tables(engine), FeatureSettings(exclude=("secret", "founded")), HORIZONS)
    assert dict(recipe.dropped) == {
        "secret": "excluded by the configuration",
        "founded": "excluded by the configuration",
        "constant": "the same in every row",
        "nothing": "empty in every row",
        "comment": "120 different texts in 120 rows: an identifier or free text",
    }


def test_names_salutations_and_dates_of_birth_are_no_features_unless_they_are_named(engine):
    world = random_world(0, leads=120)
    personal = {"First Name": "Ann", "Anrede": "Frau", "Prénom": "Zoë", "date_of_birth": "1980"}
    many = {name: [value, "other"] * 60 for name, value in personal.items()}
    tables = replace(world, leads=world.leads.assign(**many)).tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    said = "about the person; [features] personal names what is used all the same"
    assert {name: why for name, why in recipe.dropped if name in personal} == dict.fromkeys(personal, said)
    recipe = recipe_for(tables, FeatureSettings(personal=("Anrede",)), HORIZONS)
    assert "Anrede" in {each.name for each in recipe.attributes}
    assert "First Name" not in {each.name for each in recipe.attributes}


def test_a_recipe_survives_json_and_its_fingerprint_tells_recipes_apart(recipe):
    again = load(Recipe, json.loads(json.dumps(dump(recipe))))
    assert again == recipe
    assert again.fingerprint == recipe.fingerprint
    assert replace(recipe, windows_days=(2.0,)).fingerprint != recipe.fingerprint


def test_names_are_fit_for_every_engine_and_unlike_each_other(recipe):
    names = [column.name for column in recipe.columns]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and name.isidentifier() and len(name) < 63 for name in names)


def test_every_column_words_its_value(recipe):
    worded = {column.name: column.words.format(value="SEVEN") for column in recipe.columns}
    assert all("SEVEN" in words for words in worded.values())
    assert "SEVEN call {in} in 7 days" in worded.values()


@pytest.mark.slow
def test_no_address_reaches_the_matrix(engine):
    _, _, found = computed(random_world(0), engine)
    texts = found.select_dtypes(exclude=["number", "datetime"])
    assert not texts.apply(lambda column: column.astype(str).str.contains("@")).any().any()


def test_the_data_dictionary_is_up_to_date():
    assert (REPOSITORY / "docs" / "features.md").read_text() == dictionary(), (
        "run: python -m features.dictionary > docs/features.md"
    )


TITLES = [
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
]


@pytest.fixture(scope="module")
def titled(engine):
    """The matrix of one lead for each title, by title."""
    world = random_world(0, leads=len(TITLES))
    world = replace(world, leads=world.leads.assign(job_title=[title for title, _, _ in TITLES]))
    _, _, found = computed(world, engine, as_of=world.end)
    return found.set_index("job_title")


@pytest.mark.parametrize(("title", "seniority", "department"), TITLES)
def test_a_title_gives_seniority_and_department(titled, title, seniority, department):
    row = titled.loc[title]
    assert (row["job_title_seniority"], row["job_title_department"]) == (seniority, department)
