"""Commands that are killed at many moments: nothing half-done counts, and run again they end as if nothing had happened."""

import csv
import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.commands import leadsieve
from tests.forks import Forks, forks

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


@pytest.fixture(scope="module")
def forked(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks")) as found:
        yield found


@pytest.fixture(scope="module")
def two(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions, the first of them the champion, and decisions that were made in autumn."""
    from pipelines.places import registry_of
    from pipelines.settings import load_settings

    home = Path(shutil.copytree(world / "home", tmp_path_factory.mktemp("two") / "home"))
    registry = registry_of(load_settings(None), home)
    registry.register(registry.download("1"), params={}, metrics={}, tags={"verdict": "ready"}, figures={}, tables={})
    assert leadsieve("score", "--config", world / "quick.toml", "--as-of", "2024-11-15", home=home).code == 0
    return home


def moments(touches: int, count: int) -> list[int]:
    """Moments spread over a run, its very last one among them."""
    return sorted({round(1 + (touches - 1) * part / (count - 1)) for part in range(count)})


def state_of(home: Path) -> dict[str, object]:
    """What outlives a run: the champion and the challenger, the decisions, the snapshots; each must be whole to be read at all."""
    from pipelines.store import Store

    listed = leadsieve("versions", "--json", home=home)
    assert listed.code == 0, listed.err
    snapshots = [folder for folder in (home / "snapshots").glob("*") if not folder.name.startswith(".")]
    for folder in snapshots:
        note = json.loads((folder / "snapshot.json").read_text())
        assert {name: pq.read_metadata(folder / f"{name}.parquet").num_rows for name in note["rows"]} == note["rows"]
    decisions = Store(f"sqlite:///{home / 'store.db'}").decisions() if (home / "store.db").exists() else pd.DataFrame()
    return {
        "champion": listed.json["champion"],
        "aliases": {each["version"]: each["alias"] for each in listed.json["versions"]},
        "decisions": decisions.astype(object).where(decisions.notna(), None).to_dict("records"),
        "snapshots": sorted(folder.name for folder in snapshots),
    }


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: row["lead_id"])


def drafts_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob(".*") if file.name.endswith(".draft")]


def test_a_scoring_run_decides_all_or_nobody_and_leaves_whole_files_whenever_it_is_killed(world, forked, tmp_path):
    words = ("score", "--config", world / "quick.toml", "--output", "{}", "--json")

    def fresh(name: str) -> tuple[Path, Path, list[object]]:
        home = Path(shutil.copytree(world / "home", tmp_path / name / "home"))
        shutil.rmtree(home / "snapshots")  # so that it has to pull
        out = home.parent / "out.csv"
        return home, out, [out if word == "{}" else word for word in words]

    home, out, told = fresh("clean")
    assert forked.run(told, home=home)[0][0] == 0
    expected, wanted = state_of(home), rows_of(out)
    for at in moments(forked.touches(), 4):
        home, out, told = fresh(f"killed at {at}")
        assert forked.run(told, home=home, kill_at=at)[0][0] == -signal.SIGKILL
        left = state_of(home)
        assert left["champion"] == "1"
        assert left["decisions"] in ([], expected["decisions"]), f"half of the leads are decided when it dies at {at}"
        assert not out.exists() or rows_of(out) == wanted
        code, said, err = forked.run(told, home=home)[0]
        assert code == 0, err
        assert json.loads(said)["scored"] + json.loads(said)["already_decided"] == len(wanted)
        assert (state_of(home), rows_of(out), drafts_in(home.parent)) == (expected, wanted, [])


def test_a_training_run_that_was_killed_left_and_right_ends_as_one_that_was_not(world, forked, tmp_path):
    home = tmp_path / "home"
    words = ("train", "--config", world / "quick.toml", "--scores", tmp_path / "judged.parquet", "--json")
    assert forked.run(words, home=tmp_path / "clean" / "home")[0][0] == 0
    (tmp_path / "judged.parquet").unlink()
    # Amid the making of the registry; then in a home that has one, for to ask for its state makes it.
    for at in (forked.touches() // 2, 1, 70):
        assert forked.run(words, home=home, kill_at=at)[0][0] == -signal.SIGKILL
        assert state_of(home)["champion"] is None
        assert not (tmp_path / "judged.parquet").exists() or whole(tmp_path, world)

    code, said, err = forked.run(words, home=home)[0]
    assert code == 0, err
    expected = json.loads((world / "train.json").read_text())
    same = {"seconds": None, "version": None}  # a version that is registered to the last but the report counts as one
    assert json.loads(said) | same == expected | same
    assert whole(tmp_path, world)
    assert state_of(home)["aliases"][json.loads(said)["version"]] == "challenger"
    assert drafts_in(tmp_path) == []


def whole(folder: Path, world: Path) -> bool:
    return (folder / "judged.parquet").read_bytes() == (world / "judged.parquet").read_bytes()


@pytest.mark.parametrize(
    "words", [("promote", "2", "--force", "--why", "to try it"), ("rollback", "1", "--why", "it was better")], ids=["promote", "rollback"]
)
def test_there_is_one_champion_whenever_a_change_of_champions_is_killed(two, forked, tmp_path, words):
    def fresh(name: str) -> Path:
        home = Path(shutil.copytree(two, tmp_path / name / "home"))
        if words[0] == "rollback":
            assert forked.run(("promote", "2", "--force", "--why", "to try it"), home=home)[0][0] == 0
        return home

    home = fresh("clean")
    before = state_of(home)
    assert forked.run(words, home=home)[0][0] == 0
    after = state_of(home)
    assert before["champion"] != after["champion"]
    for at in moments(forked.touches(), 3):
        home = fresh(f"killed at {at}")
        assert forked.run(words, home=home, kill_at=at)[0][0] == -signal.SIGKILL
        assert state_of(home)["champion"] in (before["champion"], after["champion"])
        assert forked.run(words, home=home)[0][0] == 0
        assert state_of(home) == after


@pytest.mark.parametrize("words", [("monitor",), ("backtest", "--last", "2", "--picture", "{}")], ids=["monitor", "backtest"])
def test_what_only_looks_changes_nothing_and_goes_on_when_it_is_killed(world, two, forked, tmp_path, words):
    then = ("--config", world / "quick.toml", "--as-of", "2024-12-20", "--json")

    def told(home: Path) -> list[object]:
        return [home.parent / "picture.png" if word == "{}" else word for word in (*words, *then)]

    clean = Path(shutil.copytree(two, tmp_path / "clean" / "home"))
    code, said, err = forked.run(told(clean), home=clean)[0]
    assert code in (0, 4), err
    expected = json.loads(said) | {"seconds": None, "picture": None}
    home = Path(shutil.copytree(two, tmp_path / "killed" / "home"))
    for at in moments(forked.touches(), 3)[:-1]:
        forked.run(told(home), home=home, kill_at=at)
        assert state_of(home)["decisions"] == state_of(clean)["decisions"]
    again, said, err = forked.run(told(home), home=home)[0]
    assert again == code, err
    assert json.loads(said) | {"seconds": None, "picture": None} == expected
    assert drafts_in(home.parent) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_scoring_runs_at_the_same_time_decide_no_lead_twice(world, forked, tmp_path, database, request):
    home = Path(shutil.copytree(world / "home", tmp_path / "home"))
    text = (world / "quick.toml").read_text()
    if database == "postgresql":
        import psycopg

        address = request.getfixturevalue("postgres")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS at_once CASCADE; CREATE SCHEMA at_once")
        text += f'[store]\nurl = "{address}?options=-csearch_path%3Dat_once"\n'
    (tmp_path / "c.toml").write_text(text)
    words = ("score", "--config", tmp_path / "c.toml", "--json")
    done = forked.run(words, words, words, home=home)
    assert [code for code, _, _ in done] == [0, 0, 0], done
    scored = [json.loads(said)["scored"] for _, said, _ in done]
    alone = leadsieve("score", "--config", world / "quick.toml", "--json", home=Path(shutil.copytree(world / "home", tmp_path / "alone")))
    assert sum(scored) == alone.json["scored"] > 50


def test_versions_that_are_asked_for_at_the_same_time_make_one_registry(forked, tmp_path):
    done = forked.run(*[("versions", "--json")] * 4, home=tmp_path / "home")
    assert [json.loads(said) for _, said, _ in done] == [{"champion": None, "versions": []}] * 4, done
    with closing(sqlite3.connect(tmp_path / "home" / "mlflow.db")) as made:
        assert made.execute("PRAGMA integrity_check").fetchone() == ("ok",)
