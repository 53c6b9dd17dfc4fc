"""Leads that wait are decided alike in one piece and part by part, as they come from PostgreSQL."""

from dataclasses import replace
from unittest.mock import patch

import ibis
import pytest

from features.errors import UnreachableError
from features.joined import finished, joined
from features.matrix import fetch, matrix
from features.recipe import FeatureSettings, recipe_for
from features.tables import training_cohort
from models.monitoring.data_drift import oddities
from pipelines.deciding import parts
from pipelines.deciding.known import scored
from pipelines.sources.connections import DatabaseSource
from tests.decided_alike import champion, decided_alike, decided_once, here, proposed, waiting, world_of
from tests.matrices import HORIZONS
from tests.postgres_server import postgres
from tests.worlds import row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def server():
    with postgres() as found:
        yield found


@pytest.mark.parametrize("world", [world_of(0, 700), row_world(0)], ids=["a world", "rows in order, no time"])
def test_the_matrix_in_one_table_is_the_matrix_of_its_parts(world):
    tables = world.tables(ibis.duckdb.connect())
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    cohort = training_cohort(tables, HORIZONS.delay)
    with joined(tables, cohort, recipe) as (rows, whole):
        found = finished(fetch(whole), recipe)
        assert rows.count().to_pyarrow().as_py() == len(found)
    assert found.equals(matrix(tables, cohort, recipe))


def test_leads_that_come_seven_at_a_time_are_decided_as_in_one_piece_and_once(server, tmp_path):
    found = proposed(waiting(world_of(4), server, rows=7))
    decided_alike(found, 4)
    decided_once(found, tmp_path)


def test_where_nobody_waits_nobody_is_decided(server):
    leads = waiting(world_of(4), server)
    found = proposed(replace(leads, cohort=leads.cohort.filter(leads.cohort.lead_id == "nobody")))
    assert (len(found.decisions), found.tally.leads) == (0, 0)
    assert list(found.decisions.columns) == list(here(4).decisions.columns)


def test_what_is_odd_about_leads_is_counted_part_by_part(server):
    world = world_of(4)
    world.leads["channel"] = [f"new {at % 2}" for at in range(len(world.leads))]
    world.leads["job_title"] = None
    said = [
        oddities(champion().scorer, proposed(waiting(world, engine, rows=7)).tally, max_new=0.1)
        for engine in (ibis.duckdb.connect(), server)
    ]
    assert said[0] == said[1]
    assert {("channel", "unseen", 1.0), ("job_title", "emptied", 0.0)} <= {
        (each.column, each.what, each.share) for each in said[0]
    }


def test_a_server_that_goes_away_amid_the_leads_is_told_of(server):
    source = DatabaseSource("postgresql://there", server, is_server=True)
    leads = waiting(world_of(4), server, rows=7, answering=source.answering)

    def lost(*given):
        server.con.close()
        return scored(*given)

    with patch.object(parts, "scored", lost), pytest.raises(UnreachableError) as raised:
        proposed(leads)
    assert str(raised.value) == "postgresql://there stopped answering: the connection is closed"
