"""The registry for real: an SQLite store, a registered scorer, MLflow's own loader and server in processes of
their own.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError, UnreachableError, UsageError
from features.labels import Horizons, Labels
from features.recipe import Attribute, Recipe
from features.register import Column
from models.registry.place import reach, shown
from models.registry.pyfunc import ServedScorer
from models.registry.registry import Registry, Version
from models.scoring.scorer import Scorer, Target, fit_scorer, load_scorer
from models.survival.hazard import HazardParameters

ROOT = Path(__file__).resolve().parent.parent


def column(name: str, kind: str) -> Column:
    return Column(
        name=name,
        kind=kind,
        group=name,
        unit="",
        empty="not known",
        words=f"{name} is {{value}}",
        feature="attribute",
        arguments=(),
    )


def tiny_scorer(seed: int = 0) -> tuple[Scorer, pd.DataFrame]:
    random = np.random.default_rng(seed)
    rows = 400
    frame = pd.DataFrame(
        {
            "employees": random.normal(50, 20, rows),
            "channel": pd.Categorical(random.choice(["paid", "organic"], rows)),
            "page_view_7d": 1.0 * random.poisson(2, rows),
        }
    )
    frame.loc[::7, "employees"] = np.nan
    won = random.random(rows) < 0.2 + 0.5 * (frame["channel"] == "organic")
    labels = Labels(
        at_risk=np.ones(rows, dtype=bool),
        start=np.full(rows, np.datetime64("2024-01-01", "us")),
        age=np.full(rows, np.inf),
        delay=np.where(won, 0.0, np.nan),
        open=np.zeros(rows, bool),
        outcome=won.astype(float),
        mature=np.ones(rows, dtype=bool),
    )
    recipe = Recipe(
        attributes=(Attribute("employees", "number"), Attribute("channel", "category")),
        event_kinds=("page_view",),
        event_channels=(),
        event_value=False,
        windows_days=(7.0,),
        rate_keys=(),
        has_accounts=False,
        acceptance=False,
        horizons=Horizons(),
        columns=(
            column("employees", "number"),
            column("channel", "category"),
            column("page_view_7d", "number"),
        ),
        dropped=(),
    )
    fitted = fit_scorer(
        frame,
        pursue=None,
        convert=Target(labels),
        recipe=recipe,
        parameters=HazardParameters(rounds=10, seed=seed),
    )
    return fitted, frame


@pytest.fixture(scope="module")
def scorer_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny_scorer()[0].save(folder)
    (folder / "policy.json").write_text('{"cut": 0.1}')
    return folder


def register(registry: Registry, folder: Path, **changed) -> str:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    given = {
        "params": {"rounds": 10},
        "metrics": {
            "convert_auc": 0.7,
            "convert_auc_by_block": [0.6, None, 0.8],
            "empty": None,
            "nan": float("nan"),
        },
        "tags": {"data": "abc123"},
        "figures": {"calibration": figure},
        "tables": {"report": {"verdict": "ready"}},
    }
    return registry.register(folder, **{**given, **changed})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home") / "mlflow.db"


@pytest.fixture(scope="module")
def registry(store, scorer_folder) -> Registry:
    """Version 1 is the champion's predecessor, 2 the champion, 3 the challenger."""
    made = Registry(f"sqlite:///{store}")
    assert [register(made, scorer_folder) for _ in range(2)] == ["1", "2"]
    made.promote("1", why="the first", who="ann", at=datetime(2026, 1, 1))
    made.promote("2", why="better", who="bob", at=datetime(2026, 2, 1))
    assert register(made, scorer_folder) == "3"
    return made


def environment(store: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{store}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PYTHONPATH": str(ROOT),  # what the editable install does
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # what activating the environment does
    }


def test_a_registered_version_keeps_all_that_is_to_be_known_about_it(registry, store):
    from mlflow import MlflowClient

    version = registry.versions()[0]
    assert version == Version(number="3", aliases=("challenger",), run=version.run, tags={"data": "abc123"})
    client = MlflowClient(registry.tracking_uri)
    assert client.get_run(version.run).info.run_name == "version 3"
    run = client.get_run(version.run).data
    assert run.params["rounds"] == "10"
    assert run.metrics == {"convert_auc": 0.7, "convert_auc_by_block": 0.8}
    assert [
        (point.step, point.value) for point in client.get_metric_history(version.run, "convert_auc_by_block")
    ] == [(0, 0.6), (2, 0.8)]
    assert run.tags["data"] == "abc123"
    assert run.tags["features"] == tiny_scorer()[0].recipe.fingerprint
    assert {entry.path for entry in client.list_artifacts(version.run)} >= {
        "calibration.png",
        "report.json",
        "features.json",
    }


def test_the_store_is_one_file_with_the_artifacts_beside_it_and_holds_no_code_and_no_pickle(registry, store):
    assert {entry.name for entry in store.parent.iterdir()} == {
        "mlflow.db",
        "artifacts",
        "champion.lock",
        "champion",
        "champion.json",
    }
    suffixes = {entry.suffix for entry in (store.parent / "artifacts").rglob("*") if entry.is_file()}
    assert suffixes & {".txt", ".json"} == {".txt", ".json"}
    assert not suffixes & {".py", ".pkl", ".pickle", ".joblib", ".skops"}


def test_a_version_is_downloaded_as_it_was_saved(registry, scorer_folder):
    folder = registry.download("champion")
    assert {entry.name for entry in folder.iterdir()} == {entry.name for entry in scorer_folder.iterdir()}
    scorer, frame = tiny_scorer()
    pd.testing.assert_frame_equal(load_scorer(folder).score(frame), scorer.score(frame))


@pytest.mark.parametrize(("name", "number"), [("champion", "2"), ("challenger", "3"), ("1", "1")])
def test_a_version_is_named_by_its_role_or_its_number(registry, name, number):
    assert registry.resolve(name) == number


def test_an_unknown_version_is_refused_with_the_known_ones(registry):
    with pytest.raises(UsageError, match=r"no version '7'\. Known: 1, 2, 3, "):
        registry.resolve("7")


def test_a_promotion_keeps_who_when_and_why(registry):
    champion = registry.versions()[1]
    assert champion.aliases == ("champion",)
    assert {
        name: champion.tags[name] for name in ("promoted_by", "promoted_at", "promoted_why", "replaced")
    } == {
        "promoted_by": "bob",
        "promoted_at": "2026-02-01T00:00:00",
        "promoted_why": "better",
        "replaced": "1",
    }


def test_promoting_the_champion_again_changes_nothing(registry):
    before = registry.versions()
    assert registry.promote("champion", why="again") is None
    assert registry.versions() == before


def test_versions_are_promoted_and_rolled_back_and_there_is_one_champion_at_every_step(
    tmp_path, store, registry
):
    shutil.copytree(store.parent, tmp_path / "home")  # so that the other tests keep their champion
    copy = Registry(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")

    def roles() -> dict[str, str]:
        return {alias: version.number for version in copy.versions() for alias in version.aliases}

    assert roles() == {"champion": "2", "challenger": "3"}
    assert copy.promote("challenger") == "2"
    assert roles() == {"champion": "3"}
    assert copy.previous() == "2"
    assert copy.promote("2", why="rollback") == "3"
    assert roles() == {"champion": "2"}
    with pytest.raises(UsageError, match="no challenger"):
        copy.resolve("challenger")


def test_an_empty_registry_says_what_to_do(tmp_path):
    empty = Registry(f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}")
    assert empty.versions() == ()
    with pytest.raises(UsageError, match="Train one first"):
        empty.resolve("champion")


def test_a_folder_without_a_scorer_is_not_registered(registry, tmp_path):
    with pytest.raises(ContractError):
        register(registry, tmp_path)
    assert registry.resolve("challenger") == "3"


@pytest.mark.slow
def test_mlflow_loads_the_champion_in_a_process_of_its_own_and_scores_a_table_with_gaps(registry, store):
    code = """
import mlflow, numpy as np, pandas as pd
loaded = mlflow.pyfunc.load_model("models:/leadsieve@champion")
table = pd.DataFrame({"employees": [50.0, np.nan], "channel": ["organic", None], "page_view_7d": [3, 0], "surplus": ["a", "b"]})
print(loaded.predict(table).to_json(orient="records"))
print(loaded.predict(table[["channel"]].astype("category")).to_json(orient="records"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(store),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    whole, alone = (json.loads(line) for line in done.stdout.splitlines())
    scorer, _ = tiny_scorer()
    table = pd.DataFrame(
        {
            "employees": [50.0, np.nan],
            "channel": pd.Categorical(["organic", None]),
            "page_view_7d": [3.0, 0.0],
        }
    )
    assert [row["p_both"] for row in whole] == pytest.approx(scorer.score(table)["p_both"].tolist(), abs=1e-9)
    assert [row["grade"] for row in whole] == scorer.score(table)["grade"].tolist()
    assert len(alone) == 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_mlflow_serves_the_champion_over_http(registry, store, tmp_path):
    port = free_port()
    command = [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/leadsieve@champion",
        "--env-manager",
        "local",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-w",
        "1",
    ]
    rows = {
        "dataframe_records": [{"employees": 50, "channel": "organic", "page_view_7d": 3}, {"channel": None}]
    }
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command], env=environment(store), stdout=log, stderr=log, start_new_session=True
        )
        try:
            answer = post(f"http://127.0.0.1:{port}/invocations", rows, patience=60)
        finally:
            os.killpg(server.pid, 15)
            server.wait(timeout=30)
    scored = answer["predictions"]
    assert list(scored[0]) == [
        *("p_pursue", "p_convert", "p_both", "score", "grade", "p_worked", "low", "high"),
    ]
    assert scored[0]["p_pursue"] is None  # this scorer has no pursue model
    assert scored[0]["p_both"] > scored[1]["p_both"] > 0


def post(url: str, rows: dict, *, patience: float) -> dict:
    request = urllib.request.Request(url, json.dumps(rows).encode(), {"Content-Type": "application/json"})
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error}: {error.read().decode()}")
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)


def test_a_server_that_is_down_is_out_of_reach_at_once_and_its_password_stays_secret():
    port = free_port()
    began = time.monotonic()
    for scheme in ("http", "postgresql"):
        with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}") as caught:
            Registry(f"{scheme}://ann:hunter2@127.0.0.1:{port}/x?password=hunter2").versions()
        assert "hunter2" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_an_address_is_shown_without_secrets_and_files_need_no_knocking():
    assert (
        shown("https://ann:hunter2@models.example.com:8443/mlflow?token=x")
        == "https://models.example.com:8443/mlflow"
    )
    assert shown("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"
    reach("sqlite:////nowhere/mlflow.db")


def test_a_text_in_a_number_column_is_refused_with_its_name():
    with pytest.raises(ContractError, match="'employees' must hold numbers"):
        ServedScorer(tiny_scorer()[0]).predict(pd.DataFrame({"employees": ["many"]}))
