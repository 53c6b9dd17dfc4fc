"""What tests share: where outside things are, and what to do where they are absent."""

import gc
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from tests.forks import Forks
    from tests.kills import Market

# Read when the libraries are first loaded. Two test workers share two cores: threads that wait by spinning
# keep the others from working.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What takes long to make, or is a server (one made up, too), a registry or a browser: tests that ask for it are left to
# `make test`.
OUTSIDE = {
    *(
        "postgres",
        "spark",
        "master",
        "store_url",
        "prefect_server",
        "served",
        "browser",
        "shared_data",
        "forked",
        "project",
    ),
    *("crm", "company", "server", "registry", "registered"),
    *("world", "default_world", "market", "trained", "audited", "arena", "ours_trained", "killed_market"),
}
# Begun first, so that no test worker is left with one of them when the others have nothing more to do.
LONGEST = (
    "test_tryton",
    "test_serve",
    "test_export_shapes",
    "test_notebooks",
    "test_readme",
    "test_kill",
    "test_selection",
    "test_evidence",
    "test_prefect_server",
    "test_worse_challengers",
    "test_leakage",
    "test_cli",
    "test_power_cut",
    "test_interrupted",
    "test_incremental",
    "test_monitor",
    "test_examples",
    "test_report",
    "test_feature_files",
    "test_features",
    "test_snapshots",
    "test_few_leads",
    "test_hostile",
    "test_desk_security",
    "test_policy_value",
)
REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; and mark the tests that need what `make check` does without."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
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


def made_once(make: Callable[[Path], None], name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the first test worker makes while the others that need it wait."""
    folder = tmp_path_factory.getbasetemp() / name
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with ExitStack() as failing:
                failing.callback(shutil.rmtree, folder, ignore_errors=True)
                make(folder)
                failing.pop_all()
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market, trained on and promoted: its configuration, its home, what the commands said and
    the judged scores.
    """
    return made_once(_make_world, "world", tmp_path_factory)


def _make_world(folder: Path) -> None:
    from tests.commands import QUICK, SIMULATED, leadsieve, written

    written(folder, {"quick.toml": f'[source]\nurl = "{SIMULATED}"\n{QUICK}'})
    home = folder / "home"
    scores = ("--scores", folder / "judged.parquet")
    trained = leadsieve(
        "train", "--config", folder / "quick.toml", *scores, "--json", home=home, pictures=True
    )
    assert trained.code == 0, trained.err
    promoted = leadsieve("promote", "--why", "it is the first", "--json", home=home)
    assert promoted.code == 0, promoted.err
    written(folder, {"train.json": trained.out, "train.err": trained.err, "promote.json": promoted.out})


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Forks"]:
    """Runs commands in processes of their own that can be ended at any moment."""
    from tests.forks import forks

    with forks(tmp_path_factory.mktemp("forks")) as found:
        yield found


@pytest.fixture(scope="session")
def killed_market(tmp_path_factory: pytest.TempPathFactory) -> "Market":
    """Homes to copy, whose runs are to be ended."""
    from tests.kills import make_market, market_in

    return market_in(made_once(make_market, "killed market", tmp_path_factory))


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
