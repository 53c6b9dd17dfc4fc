"""Commands that are killed at their worst moments: nothing half-done counts, and the next run ends as if nothing had happened."""

import csv
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.commands import command, leadsieve

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

DIE = """
import importlib, os, signal
module = importlib.import_module({module!r})
owner = getattr(module, {owner!r}) if {owner!r} else module
real = getattr(owner, {name!r})
def die(*args, **kwargs):
    if {after}:
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, {name!r}, die)
"""


def killed(place: str, *words: object, home: Path, after: bool = False) -> None:
    """Run a command that is killed when it comes to a function, or right after it."""
    module, name = place.split(":")
    owner, _, name = name.rpartition(".")
    done = command(*words, home=home, before=DIE.format(module=module, owner=owner, name=name, after=after))
    assert done.returncode == -signal.SIGKILL, f"{place} was never reached: {done.stderr}"


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: row["lead_id"])


def test_a_training_run_that_was_killed_left_and_right_ends_as_one_that_was_not(world, tmp_path):
    home = tmp_path / "home"
    words = ("train", "--config", world / "quick.toml", "--scores", tmp_path / "judged.parquet", "--json")

    killed("pipelines.snapshots:_write", *words, home=home, after=True)
    assert all(folder.name.startswith(".") for folder in (home / "snapshots").iterdir()), "a half-written snapshot counts"
    killed("pipelines.train:evaluate", *words, home=home)
    assert not (tmp_path / "judged.parquet").exists()
    killed("models.registry:Registry._ensure_model", *words, home=home)
    assert leadsieve("promote", home=home).code == 2, "a half-registered version counts"

    said = leadsieve(*words, home=home)
    assert said.code == 0, said.err
    expected = json.loads((world / "train.json").read_text())
    assert said.json | {"seconds": None} == expected | {"seconds": None}
    assert (tmp_path / "judged.parquet").read_bytes() == (world / "judged.parquet").read_bytes()
    kept = [folder.name for folder in (home / "snapshots").iterdir()]
    assert kept == [folder.name for folder in (world / "home" / "snapshots").iterdir()]


def test_a_scoring_run_that_was_killed_decides_all_or_nobody_and_writes_whole_files(world, home, tmp_path):
    assert leadsieve("score", "--config", world / "quick.toml", "--output", tmp_path / "expected.csv", home=home).code == 0
    (home / "store.db").unlink()
    words = ("score", "--config", world / "quick.toml", "--output", tmp_path / "out.csv", "--json")

    killed("pipelines.store:insert_into_sqlite", *words, home=home, after=True)
    with sqlite3.connect(home / "store.db") as log:
        assert log.execute("SELECT count(*) FROM decisions").fetchone() == (0,)
    log.close()
    killed("pipelines.sinks:os.replace", *words, home=home)
    assert not (tmp_path / "out.csv").exists()

    said = leadsieve(*words, home=home)
    expected = rows_of(tmp_path / "expected.csv")
    assert (said.code, said.json["scored"], said.json["already_decided"]) == (0, 0, len(expected))
    assert rows_of(tmp_path / "out.csv") == expected
