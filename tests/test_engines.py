import ibis
import pytest

from tests.postgres_server import postgres
from tests.same_features import agree
from tests.worlds import random_world, row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engines():
    with postgres() as server:
        yield ibis.duckdb.connect(threads=2), server


@pytest.mark.parametrize(
    "world",
    [random_world(0), random_world(1), row_world(0)],
    ids=["a world", "another", "rows in order, no time"],
)
def test_duckdb_and_postgresql_agree(engines, world):
    agree(world, *engines)
