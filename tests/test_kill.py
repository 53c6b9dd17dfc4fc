"""Commands that are killed at many moments: nothing half-done counts, and run again they end as if nothing
had happened.
"""

import csv
import errno
import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.commands import FLAT, flat_leads, written
from tests.kills import (
    CONFIG,
    FORGETS,
    QUICK,
    Market,
    champions,
    drafts_in,
    moments,
    registry_in,
    state_of,
    with_names_alike,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def market(killed_market: Market) -> Market:
    return killed_market


@pytest.fixture(scope="module")
def two(killed_market: Market) -> Path:
    """A home with two versions, the first of them the champion, and decisions that were made in autumn."""
    return killed_market.two


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: row["lead_id"])


def test_a_scoring_run_decides_all_or_nobody_and_leaves_whole_files_whenever_it_is_killed(
    market, forked, tmp_path
):
    def fresh(name: str) -> tuple[Path, Path, list[object]]:
        home = Path(shutil.copytree(market.home, tmp_path / name / "home"))
        shutil.rmtree(home / "snapshots")  # so that it has to pull
        out = home.parent / "out.csv"
        return home, out, ["score", "--config", market.config, "--output", out, "--json"]

    home, out, words = fresh("clean")
    forked.told(*words, home=home)
    expected, wanted = state_of(home), rows_of(out)
    [events] = home.glob("snapshots/*/events.parquet/*")
    ways = [({"kill_at": touch}, signal.SIGKILL) for touch in moments(forked.touches(), 3)]
    half = ({"longest_file": events.stat().st_size // 2}, signal.SIGXFSZ)  # in what Arrow writes
    for at, (way, killer) in enumerate([*ways, half]):
        home, out, words = fresh(f"killed {at}")
        assert forked.run(words, home=home, **way)[0][0] == -killer
        if killer == signal.SIGXFSZ:
            assert len([*home.glob("snapshots/.*/events.parquet/*")]) == 1
        left = state_of(home)
        assert champions(left) == ["1"]
        assert left["decisions"] in ([], expected["decisions"]), (
            f"half of the leads are decided when it dies by {way}"
        )
        assert not out.exists() or rows_of(out) == wanted
        said = json.loads(forked.told(*words, home=home))
        assert said["scored"] + said["already_decided"] == len(wanted)
        assert (state_of(home), rows_of(out), drafts_in(home.parent)) == (expected, wanted, [])


def test_a_training_run_that_was_killed_left_and_right_ends_as_one_that_was_not(forked, tmp_path):
    written(
        tmp_path,
        {
            "leads.csv": flat_leads(rows=600, signal=0.9),
            "c.toml": f"{FLAT}{QUICK}".replace("files:.", f"files:{tmp_path}"),
        },
    )
    clean, home, judged = (
        tmp_path / "clean" / "home",
        tmp_path / "killed" / "home",
        tmp_path / "judged.parquet",
    )
    words = ("train", "--config", tmp_path / "c.toml", "--scores", judged, "--json")
    expected, scores = json.loads(forked.told(*words, home=clean)), judged.read_bytes()
    judged.unlink()
    touches = forked.touches()
    for at, registry in (
        (1, False),
        (touches // 2, False),
        (touches * 7 // 8, True),
    ):  # most make the registry, the last ones register
        assert forked.run(words, home=home, kill_at=at)[0][0] == -signal.SIGKILL
        assert (home / "mlflow.db").exists() == registry
        assert champions(state_of(home)) == []
        assert not judged.exists() or judged.read_bytes() == scores

    said = json.loads(forked.told(*words, home=home))
    same = {
        "seconds": None,
        "version": None,
    }  # a version that is registered to the last but the report counts as one
    assert said | same == expected | same
    assert judged.read_bytes() == scores
    assert state_of(home)["aliases"][said["version"]] == ("challenger",)
    assert drafts_in(tmp_path) == []


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_there_is_one_champion_whenever_a_change_of_champions_is_killed(two, forked, tmp_path, command):
    words = [("promote", "2", "--force", "--why", "to try it"), ("rollback", "1", "--why", "it was better")]
    before = Path(shutil.copytree(two, tmp_path / "before" / "home"))
    if command == "rollback":
        forked.told(*words.pop(0), home=before)

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(before, tmp_path / name / "home"))

    home = fresh("clean")
    forked.told(*words[0], home=home)
    was, becomes = state_of(before), state_of(home)
    assert champions(was) != champions(becomes)
    for at in moments(forked.touches(), 3):
        home = fresh(f"killed at {at}")
        assert forked.run(words[0], home=home, kill_at=at)[0][0] == -signal.SIGKILL
        assert champions(state_of(home)) in (champions(was), champions(becomes))
        forked.told(*words[0], home=home)
        assert state_of(home) == becomes


@pytest.mark.parametrize(
    "words", [("monitor",), ("backtest", "--last", "1", "--picture", "{}")], ids=["monitor", "backtest"]
)
def test_what_only_looks_changes_nothing_and_goes_on_when_it_is_killed(market, two, forked, tmp_path, words):
    def fresh(name: str) -> tuple[Path, list[object]]:
        home = Path(shutil.copytree(two, tmp_path / name / "home"))
        told = [home.parent / "picture.png" if word == "{}" else word for word in words]
        return home, [*told, "--config", market.config, "--as-of", "2024-12-20", "--json"]

    clean, told = fresh("clean")
    code, said, err = forked.run(told, home=clean)[0]
    assert code in (0, 4), err
    expected = json.loads(said) | {"seconds": None, "picture": None}
    touches = forked.touches()
    home, told = fresh("killed")
    for at in moments(touches, 3)[:-1]:
        assert forked.run(told, home=home, kill_at=at)[0][0] == -signal.SIGKILL
        assert state_of(home)["decisions"] == state_of(clean)["decisions"]
    again, said, err = forked.run(told, home=home)[0]
    assert again == code, err
    assert json.loads(said) | {"seconds": None, "picture": None} == expected
    assert drafts_in(home.parent) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_scoring_runs_at_the_same_time_decide_no_lead_twice(market, forked, tmp_path, database, request):
    home = Path(shutil.copytree(market.home, tmp_path / "home"))
    text = CONFIG
    if database == "postgresql":
        import psycopg

        address = request.getfixturevalue("postgres")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS at_once CASCADE; CREATE SCHEMA at_once")
        text += f'[store]\nurl = "{address}?options=-csearch_path%3Dat_once"\n'
    (tmp_path / "c.toml").write_text(text)
    words = [
        ("score", "--config", tmp_path / "c.toml", "--output", tmp_path / f"{number}.csv", "--json")
        for number in (1, 2)
    ]
    done = [json.loads(said) for _, said, _ in forked.run(*words, home=home)]
    last = json.loads(forked.told(*words[0][:3], "--json", home=home))
    assert last["scored"] == 0
    assert sum(run["scored"] for run in done) == last["already_decided"] > 50
    assert [run["scored"] + run["already_decided"] for run in done] == [last["already_decided"]] * 2
    assert rows_of(tmp_path / "1.csv") == rows_of(tmp_path / "2.csv"), "one of them gives sales another list"


def test_versions_that_are_registered_at_the_same_time_make_one_registry_with_both(market, forked, tmp_path):
    folder, home = registry_in(market.home).download("1"), tmp_path / "home"
    program = f"""
from pathlib import Path
from models.registry.registry import Registry
empty = dict.fromkeys(("params", "metrics", "tags", "figures", "tables"), {{}})
print(Registry("sqlite:///{home}/mlflow.db").register(Path("{folder}"), **empty))
"""
    done = forked.run(("-c", program), ("-c", program), home=home)
    assert [code for code, _, _ in done] == [0, 0], done
    assert sorted(said for _, said, _ in done) == ["1\n", "2\n"]
    assert sorted(version.aliases for version in registry_in(home).versions()) == [(), ("challenger",)]


@pytest.mark.parametrize(
    "words",
    [("score", "--json"), FORGETS, ("promote", "2", "--force", "--why", "it", "--json")],
    ids=lambda words: words[0],
)
def test_a_disk_that_fails_is_said_in_a_sentence_and_the_next_run_ends_as_if_it_had_not(
    two, market, forked, tmp_path, words
):
    """At every moment of a kind that there is, it was tried by hand."""

    def fresh(name: str) -> Path:
        home = Path(shutil.copytree(two, tmp_path / name / "home"))
        if words[0] == "score":
            shutil.rmtree(home / "snapshots")
        return home

    def looked_at(home: Path) -> dict[str, object]:
        return with_names_alike(state_of(home))

    told = [*words, "--config", market.config]
    clean = fresh("clean")
    assert forked.run(told, home=clean, fails=("write", 0, errno.ENOSPC, False))[0][0] == 0
    expected, counts = looked_at(clean), forked.counted()
    assert min(counts.values()) > 0
    failing = (
        ("write", errno.ENOSPC, True),
        ("sync", errno.EIO, False),
        ("rename", errno.EROFS, False),
        ("open", errno.EINTR, False),
    )
    for kind, number, lasts in failing[: 2 if words[0] == "score" else 4]:  # which takes seconds
        home = fresh(kind)
        code, _, err = forked.run(told, home=home, fails=(kind, 1 + counts[kind] // 2, number, lasts))[0]
        assert code in (0, 5), err
        assert (code == 0) or len(err.strip().splitlines()) == 1, err
        again = forked.run(told, home=home)[0][0]
        assert again in ((0, 2) if words is FORGETS else (0,)), (
            "it may have been done, and nobody is left to forget"
        )
        assert (looked_at(home), drafts_in(home.parent)) == (expected, [])
