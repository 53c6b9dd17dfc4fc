"""A registry's file read without MLflow: the answers that MLflow gives itself, and MLflow stays away."""

import shutil
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from features.errors import UnreachableError
from models.registry.local_store import champion_in, folder_in, versions_in
from models.registry.registry import MODEL, Registry
from tests.test_registry import ROOT, register, tiny_scorer


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Versions 1 and 2, the champion; version 3 was deleted."""
    from mlflow import MlflowClient

    folder, file = tmp_path_factory.mktemp("saved"), tmp_path_factory.mktemp("a home") / "mlflow.db"
    tiny_scorer()[0].save(folder)
    made = Registry(f"sqlite:///{file}")
    for _ in range(3):
        register(made, folder)
    made.promote("2", why="better", who="bob", at=datetime(2026, 2, 1))
    MlflowClient(made.tracking_uri, registry_uri=made.tracking_uri).delete_model_version(MODEL, "3")
    return file


def test_versions_are_what_mlflow_says_of_them(store):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}", registry_uri=f"sqlite:///{store}")
    found = {version.number: version for version in versions_in(store, MODEL)}
    theirs = {str(version.version): version for version in client.search_model_versions(f"name='{MODEL}'")}
    assert list(found) == sorted(theirs, reverse=True) == ["2", "1"]
    for number, version in found.items():
        told = client.get_model_version(MODEL, number)
        assert (list(version.aliases), version.run, version.tags) == (told.aliases, told.run_id, told.tags)
    assert (
        champion_in(store, MODEL) == str(client.get_model_version_by_alias(MODEL, "champion").version) == "2"
    )


def test_whoever_scores_never_imports_mlflow(store):
    code = """
import sys
from pathlib import Path
from models.registry.registry import Registry
from pipelines.version_files import load_scorer
registry = Registry(sys.argv[1])
load_scorer(registry.download(registry.champion()))
print([name for name in sys.modules if name.partition(".")[0] == "mlflow"])
"""
    said = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{store}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\n"


def test_who_only_looks_makes_no_file_and_what_is_no_registry_is_out_of_reach(tmp_path):
    absent = tmp_path / "mlflow.db"
    assert (champion_in(absent, MODEL), versions_in(absent, MODEL), folder_in(absent, MODEL, "1", MODEL)) == (
        None,
        (),
        None,
    )
    assert not absent.exists()
    absent.write_text("this is no database, and long enough for nobody to take it for an empty one " * 20)
    with pytest.raises(UnreachableError, match="cannot be read: file is not a database"):
        champion_in(absent, MODEL)


def test_what_a_killed_process_left_half_written_is_undone_by_who_only_reads(store, tmp_path):
    left = Path(shutil.copytree(store.parent, tmp_path / "left")) / store.name
    before = (champion_in(left, MODEL), versions_in(left, MODEL))
    code = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
connection.execute("BEGIN")
connection.execute("UPDATE registered_model_aliases SET version = 7")
connection.execute("UPDATE model_version_tags SET value = value || zeroblob(3000)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, str(left)], check=False).returncode == -signal.SIGKILL
    assert left.with_name("mlflow.db-journal").exists()
    assert (champion_in(left, MODEL), versions_in(left, MODEL)) == before
    assert not left.with_name("mlflow.db-journal").exists()
