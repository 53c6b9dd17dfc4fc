"""What tests share: where outside things are, and what to do where they are absent."""

import gc
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

# Read when the libraries are first loaded. Two test workers share two cores: threads that wait by spinning
# keep the others from working.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What takes long to make, or is a server or a browser: tests that ask for it are left to `make test`.
OUTSIDE = {
    *("postgres", "store_url", "prefect_server", "served", "browser", "shared_data", "forked", "project"),
    *("world", "default_world", "market", "trained", "audited", "arena", "ours_trained"),
}
REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need what `make check` does without."""
    for item in items:
        if OUTSIDE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.outside)


def absent(what: str) -> None:
    """Skip for want of an outside thing; fail instead where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is absent, and CI must have it")
    pytest.skip(f"{what} is absent")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        absent("the folder of real data (shared/data)")
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for every test that runs a flow; it takes ten seconds to start."""
    quiet = {
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with patch.dict(os.environ, quiet):
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL; its password is hunter2, unless another server was named."""
    from tests import postgres_server

    with postgres_server.postgres() as backend:
        yield (
            os.environ.get("LEADSIEVE_TEST_POSTGRES")
            or f"postgresql://tester:hunter2@127.0.0.1:{backend.con.info.port}/postgres"
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet, on either database: a file of its own, a schema of its
    own.
    """
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'store.db'}"
    import psycopg

    address, schema = request.getfixturevalue("postgres"), f"test_{uuid.uuid4().hex}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{address}?options=-csearch_path%3D{schema}"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market, trained on and promoted: its configuration, its home, what the commands said and
    the judged scores.
    """
    from tests.commands import QUICK, SIMULATED, leadsieve, written

    folder = written(
        tmp_path_factory.mktemp("world"), {"quick.toml": f'[source]\nurl = "{SIMULATED}"\n{QUICK}'}
    )
    home = folder / "home"
    trained = leadsieve(
        "train", "--config", folder / "quick.toml", "--scores", folder / "judged.parquet", "--json", home=home
    )
    assert trained.code == 0, trained.err
    promoted = leadsieve("promote", "--why", "it is the first", "--json", home=home)
    assert promoted.code == 0, promoted.err
    return written(
        folder, {"train.json": trained.out, "train.err": trained.err, "promote.json": promoted.out}
    )


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    """A home with a champion, a test's own."""
    return Path(shutil.copytree(world / "home", tmp_path / "home"))


def pytest_unconfigure() -> None:
    """Let go of every DuckDB that tests left open: at the end of the process its objects would complain over
    a screen.
    """
    duckdb = sys.modules.get("ibis.backends.duckdb")
    if duckdb is not None:
        from pipelines.sources.engine import let_go

        for each in gc.get_objects():
            if type(each) is duckdb.Backend:
                let_go(each)
