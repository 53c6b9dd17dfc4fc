"""Champions come and go: by rule, by force, by rollback, one at a time, and all of it on record."""

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from features.errors import UnreachableError
from models.promotion.record import LEAKS, LEARNED
from models.registry import place
from models.registry.registry import Registry
from models.registry.versions import ChampionMovedError, Change, previous, reigns
from tests.commands import FLAT, QUICK, Said, brief, flat_leads, leadsieve, written
from tests.test_registry import environment, register, tiny_scorer


def change(number: int, version: str, replaced: str | None, how: str = "by rule") -> Change:
    return Change(number, version, replaced, f"2026-01-{number:02}", "ann", "", how)


# ── the log ──


def test_a_reign_ends_when_the_next_one_begins_and_what_never_came_to_pass_is_passed_over():
    killed = change(3, "3", "2")  # written by a run that was killed before it moved the alias
    log = [change(1, "1", None), change(2, "2", "1"), killed, change(4, "4", "2")]
    found = [(reign.change.version, reign.change.at, reign.until) for reign in reigns(log, "4")]
    assert found == [
        ("1", "2026-01-01", "2026-01-02"),
        ("2", "2026-01-02", "2026-01-04"),
        ("4", "2026-01-04", None),
    ]


@pytest.mark.parametrize(
    ("log", "champion", "expected"),
    [
        pytest.param([], None, None, id="nobody yet"),
        pytest.param([change(1, "1", None)], "1", None, id="the first"),
        pytest.param([change(1, "1", None), change(2, "2", "1")], "2", "1", id="the one before"),
        pytest.param(
            [change(1, "1", None), change(2, "2", "1"), change(3, "3", "2"), change(4, "2", "3", "rollback")],
            "2",
            "1",
            id="a second rollback goes further back, and not to the version that was found wanting",
        ),
        pytest.param(
            [change(1, "1", None), change(2, "2", "1"), change(3, "1", "2", "rollback"), change(4, "3", "1")],
            "3",
            "1",
            id="after a rollback and a new champion",
        ),
    ],
)
def test_a_rollback_returns_to_the_last_champion_that_nobody_put_away(log, champion, expected):
    assert previous(log, champion) == expected


# ── one at a time ──


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A registry with versions 1 to 4, of which 1 is the champion."""
    folder = tmp_path_factory.mktemp("saved")
    tiny_scorer()[0].save(folder)
    file = tmp_path_factory.mktemp("home") / "mlflow.db"
    made = Registry(f"sqlite:///{file}")
    with brief():
        for _ in range(4):
            register(made, folder)
    made.promote("1", at=datetime(2026, 1, 1))
    return file


def test_a_promotion_that_was_decided_about_another_champion_changes_nothing(store):
    registry = Registry(f"sqlite:///{store}")
    before = registry.versions()
    with pytest.raises(
        ChampionMovedError,
        match="there was no champion when version 2 was judged, and version 1 has become it since",
    ):
        registry.promote("2", instead_of=None)
    assert registry.versions() == before


@pytest.mark.slow
def test_of_promotions_at_the_same_moment_one_wins_and_the_others_are_told(store, tmp_path):
    """Real processes, each of which has compared its version with version 1."""
    home = Path(shutil.copytree(store.parent, tmp_path / "home"))
    code = """
import sys, time
from models.registry.registry import Registry
from models.registry.versions import ChampionMovedError
registry = Registry(sys.argv[1])
registry.champion()
print("ready", flush=True)
sys.stdin.readline()
try:
    print(registry.promote(sys.argv[2], instead_of="1"))
except ChampionMovedError as moved:
    print(moved)
"""
    address = f"sqlite:///{home / 'mlflow.db'}"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, address, version],
            env=environment(home / "mlflow.db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for version in ("2", "3", "4")
    ]  # fmt: skip
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 3
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].strip() for racer in racers]
    assert sorted(line == "1" for line in said) == [False, False, True]
    registry = Registry(address)
    winner = ("2", "3", "4")[said.index("1")]
    assert registry.champion() == winner
    assert [version.number for version in registry.versions() if "champion" in version.aliases] == [winner]
    assert all(
        f"version {winner} has become it since; nothing was changed" in line for line in said if line != "1"
    )
    assert registry.previous() == "1"


def test_whoever_waits_too_long_for_its_turn_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "LOCK_PATIENCE", 0.1)
    with (
        place.my_turn(tmp_path / "lock"),
        pytest.raises(UnreachableError, match="nothing was changed"),
        place.my_turn(tmp_path / "lock"),
    ):
        pass
    with place.my_turn(tmp_path / "lock"):
        pass


# ── the commands ──


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Version 1 is the champion; 2, of the same data, and 3, of hardly any signal and forced, are not."""
    folder = tmp_path_factory.mktemp("crm")
    for name, signal in (("good", 0.9), ("bad", 0.15)):
        written(folder / name, {"leads.csv": flat_leads(rows=600, signal=signal), "c.toml": FLAT + QUICK})
    home = folder / "home"
    for name in ("good", "good", "bad"):
        said = leadsieve("train", "--config", folder / name / "c.toml", "--force", "--json", home=home)
        assert said.code == 0, said.err
    assert leadsieve("promote", "1", "--who", "ann", "--why", "a start", home=home).code == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    """The same, a test's own."""
    return Path(shutil.copytree(trained, tmp_path / "crm"))


def run(folder: Path, *words: object) -> Said:
    return leadsieve(*words, home=folder / "home")


def test_an_equal_challenger_takes_over_and_a_rollback_puts_the_champion_back(folder):
    config = ("--config", folder / "good" / "c.toml")
    said = run(folder, "promote", "2", *config, "--who", "bob", "--why", "fresher", "--json")
    assert (said.code, said.json["promoted"], said.json["replaced"]) == (0, True, "1")
    assert said.json["reasons"][:2] == ["fresher", "harm is excluded with 95 % confidence"]
    back = run(folder, "rollback", "--who", "eve", "--why", "sales complained", "--json")
    assert back.json == {"promoted": True, "version": "1", "replaced": "2", "reasons": ["sales complained"]}

    listed = {version["version"]: version for version in run(folder, "versions", "--json").json["versions"]}
    assert list(listed) == ["3", "2", "1"]
    assert [reign["how"] for reign in listed["1"]["champion"]] == ["by rule", "rollback"]
    assert [(reign["who"], reign["why"], reign["replaced"]) for reign in listed["1"]["champion"]] == [
        ("ann", "a start", None),
        ("eve", "sales complained", "2"),
    ]
    reign = listed["2"]["champion"][0]
    assert (reign["from"], reign["to"]) == (
        listed["1"]["champion"][0]["to"],
        listed["1"]["champion"][1]["from"],
    )
    assert any("log-loss of becoming a customer" in reason for reason in reign["reasons"])
    assert (listed["2"]["leads"], listed["2"]["verdict"], listed["1"]["alias"]) == (600, "ready", "champion")
    words = run(folder, "versions").out
    assert "rollback, by eve, instead of version 2: sales complained" in " ".join(words.split())


def test_a_challenger_that_may_do_harm_is_refused_with_4_and_its_reasons_are_printed_and_kept(
    folder, monkeypatch
):
    config = ("--config", folder / "good" / "c.toml")
    said = run(folder, "promote", *config, "--json")
    assert (said.code, said.json["promoted"], said.json["version"], said.json["replaced"]) == (
        4,
        False,
        "3",
        None,
    )
    assert any(
        reason.startswith("it is worse: log-loss of becoming a customer") for reason in said.json["reasons"]
    )
    listed = run(folder, "versions", "--json").json
    assert listed["champion"] == "1"
    assert listed["versions"][0]["refused"]["reasons"] == said.json["reasons"]
    words = run(folder, "promote", *config).out
    assert words.startswith("version 3 was not promoted: sales sees no change")
    assert words.endswith("To promote it all the same: leadsieve promote 3 --force --why TEXT\n")

    monkeypatch.setenv("LOGNAME", "dana")
    forced = run(folder, "promote", "--force", "--why", "a trial", "--json")  # which needs no source
    assert (forced.code, forced.json["replaced"]) == (0, "1")
    [reign] = run(folder, "versions", "--json").json["versions"][0]["champion"]
    assert (reign["how"], reign["who"]) == ("forced", "dana")
    assert re.search(r"^ +3 +champion +.* row ", run(folder, "versions").out, re.MULTILINE)


@pytest.mark.parametrize("version", ["challenger", "2"])
def test_a_leak_refuses_before_any_figure_is_had(folder, version):
    number = "3" if version == "challenger" else version
    leaks = Registry(f"sqlite:///{folder / 'home' / 'mlflow.db'}").download(number) / LEAKS
    leaks.write_text(json.dumps([{"column": "visits", "verdict": "suspicious", "why": "AUC .92 alone"}]))
    said = run(folder, "promote", version, "--json")  # without a source
    assert (said.code, said.json["reasons"]) == (4, ["it reads 'visits', which is suspicious: AUC .92 alone"])


def test_a_version_that_does_not_say_what_it_learned_from_is_not_compared(folder):
    (Registry(f"sqlite:///{folder / 'home' / 'mlflow.db'}").download("2") / LEARNED).unlink()
    said = run(folder, "promote", "2", "--json")
    assert said.code == 4
    assert said.json["reasons"] == [
        "version 2 does not say which leads it learned from, so that nothing can be judged honestly"
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["promote", "--force"], "--force needs --why TEXT"),
        (["rollback"], "Missing option '--why'"),
        (["rollback", "--why", " "], "a rollback needs --why TEXT"),
        (["rollback", "--why", "x"], "version 1 is the first champion: nobody came before it."),
        (["rollback", "9", "--why", "x"], "there is no version '9'"),
        (["promote", "2"], "no source is named: say --source files:FOLDER"),
    ],
)
def test_words_that_cannot_be_meant_change_nothing(folder, words, sentence):
    said = run(folder, *words)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert run(folder, "versions", "--json").json["champion"] == "1"


def test_an_empty_home_has_no_versions_and_nothing_to_return_to(tmp_path):
    assert leadsieve("versions", "--json", home=tmp_path / "h").json == {"champion": None, "versions": []}
    assert "Train one first" in leadsieve("versions", home=tmp_path / "h").out
    assert leadsieve("rollback", "--why", "x", home=tmp_path / "h").code == 2
