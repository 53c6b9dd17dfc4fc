"""A standalone cluster of two workers: the same rows and features as DuckDB's, and what is said where it does not answer."""

import gc
import socket
from contextlib import closing

import pytest

from features.errors import UnreachableError
from pipelines.sources.connections import open_source
from pipelines.sources.engine import local_engine
from tests.decided_alike import decided_alike, proposed, waiting, world_of
from tests.same_features import agree
from tests.spark_master import address, cluster, needed, on_cluster
from tests.worlds import arrow, random_world, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    needed()
    from pipelines.sources.spark.session import end

    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found
        end()
        gc.collect()


def test_two_workers_give_the_rows_the_features_and_the_decisions_of_duckdb(master, tmp_path):
    world = random_world(2, leads=40)
    source = open_source(
        on_cluster(master, written(world, tmp_path)), connection=local_engine(tmp_path / "tmp")
    )
    with source.answering(), closing(source):
        there = source.session.sparkContext._jsc.sc().getExecutorMemoryStatus()
        assert there.size() == 3  # two workers', and our own
        copied = source.table("events").to_pyarrow_batches().read_all()
        assert copied.sort_by([(name, "ascending") for name in copied.column_names]) == arrow(
            world.events.sort_values(list(world.events.columns))
        )
        agree(world, local_engine(), source.connection)
        decided_alike(proposed(waiting(world_of(4), source.connection)), 4)


def test_a_master_that_is_not_there_is_out_of_reach(tmp_path):
    needed()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = address(tmp_path, f"127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(UnreachableError, match=r"spark://127\.0\.0\.1:\d+ does not answer"):
        open_source(url)
