"""The champion as plain files: published whole or not at all, and nothing of it is parsed that is not as it was."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from features.errors import ContractError, UnreachableError, UsageError
from models.registry import published
from models.registry.published import MANIFEST, POINTER, Publication
from models.registry.registry import MODEL, Registry
from pipelines.version_files import load_champion, save_challenger
from tests.commands import brief, command, leadsieve
from tests.conftest import REPOSITORY
from tests.test_policy import POLICY
from tests.test_registry import register, tiny_scorer


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_challenger(tiny_scorer()[0], POLICY, folder)
    return folder


@pytest.fixture
def home(tmp_path, files) -> Path:
    """A home in which version 1 is published."""
    folder = tmp_path / "home"
    Publication(folder).publish("1", files, "2026-01-01T00:00:00")
    return folder


def registry_in(home: Path) -> Registry:
    return Registry(f"sqlite:///{home / 'mlflow.db'}")


# ── whole or not at all ──


def test_what_is_published_is_loaded_and_only_the_last_bundle_stays(home, files):
    first = registry_in(home).in_force()
    assert (first.version, first.since) == ("1", "2026-01-01T00:00:00")
    assert load_champion(registry_in(home), ()).version == "1"
    Publication(home).publish("2", files)
    assert load_champion(registry_in(home), ()).version == "2"
    assert [f"champion/{entry.name}" for entry in (home / "champion").iterdir()] == [
        Publication(home).read().folder
    ]
    assert not list(home.glob(".*"))


def test_a_home_without_a_champion_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="leadsieve promote"):
        load_champion(registry_in(tmp_path), ())
    assert not list(tmp_path.iterdir())


STEPS = ("copytree", "rmtree", "replace", "fsync")


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_dies_at_any_step_leaves_the_old_or_the_new_and_the_next_one_mends(
    home, files, monkeypatch, step
):
    place = shutil if step in ("copytree", "rmtree") else os
    real, publication = getattr(place, step), Publication(home)
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(place, step, counted)
        publication.publish("2", files)
    for number in range(len(calls)):
        for after in (False, True):
            publication.publish("1", files)
            before = list(calls)

            def dying(*args, number=number, after=after, before=before, **kwargs):
                if len(calls) - len(before) == number:
                    if after:
                        real(*args, **kwargs)
                    raise KeyboardInterrupt
                calls.append(args)
                return real(*args, **kwargs)

            with monkeypatch.context() as patched:
                patched.setattr(place, step, dying)
                with pytest.raises(KeyboardInterrupt):
                    publication.publish("2", files)
            assert publication.intact().version in ("1", "2")
            publication.publish("2", files)
            assert publication.intact().version == "2"
            assert len(list((home / "champion").iterdir())) == 1
            assert not list(home.glob(".*"))
            calls[:] = before


def test_a_disk_that_takes_nothing_is_told_in_a_sentence_and_the_old_champion_stays(home, files, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(published, "synced", full)
        with pytest.raises(UnreachableError, match="No space left on device; the old one stays"):
            Publication(home).publish("2", files)
    assert Publication(home).intact().version == "1"


# ── damaged files ──


LOOKING = """
import json, sys
from pathlib import Path
from app.scoring.champion import Champions
from features.errors import LeadsieveError
from models.registry.registry import Registry
from pipelines.version_files import load_champion

for line in sys.stdin:
    home = Path(line.strip())
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}")
    try:
        scored = load_champion(registry, ()).version
    except LeadsieveError as error:
        scored = [error.exit_code, str(error)]
    champions = Champions(registry, (), lambda: home)
    champions.look()
    print(json.dumps([scored, champions.trouble, "mlflow" in sys.modules]), flush=True)
"""


@pytest.mark.slow
def test_any_file_that_was_cut_emptied_or_turned_by_a_byte_is_refused_by_name_before_it_is_parsed(
    home, tmp_path
):
    """In a process of its own: LightGBM would end it."""
    whole = [file.relative_to(home) for file in home.rglob("*") if file.is_file()]
    assert {POINTER, MANIFEST, "scorer.json", "convert.txt", "policy.json"} <= {file.name for file in whole}
    (home / "snapshot.json").write_text("{}")  # the desk asks for one
    damages = {}
    for file in whole:
        content = (home / file).read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        ways = {"cut": content[:middle], "emptied": b"", "flipped": flipped, "gone": None}
        if file.name == POINTER:
            ways.pop("gone")  # then there is no champion
        for way, left in ways.items():
            copy = Path(shutil.copytree(home, tmp_path / f"{file.name} {way}"))
            (copy / file).unlink()
            if left is not None:
                (copy / file).write_bytes(left)
            damages[copy] = file
    asked = [home, *damages]
    said = subprocess.run(
        [sys.executable, "-c", LOOKING],
        input="\n".join(map(str, asked)),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(said) == len(asked)
    scored, _, imported = json.loads(said[0])
    assert (scored, imported) == ("1", False)
    for (copy, file), line in zip(damages.items(), said[1:], strict=True):
        (code, sentence), trouble, _ = json.loads(line)
        assert (code, trouble) == (3, sentence)
        assert f"'{copy}" in sentence
        assert file.name in sentence or file.name == POINTER  # whose folder may be the one that is not there
        assert "nothing was scored. Publish the champion again: leadsieve promote" in sentence
        assert sentence.count("\n") == 0


def test_a_file_that_was_slipped_in_is_refused_too(home):
    folder = home / Publication(home).read().folder
    (folder / "pursue.txt").write_text("tree")
    with pytest.raises(ContractError, match=r"pursue\.txt' of the published champion is not of it"):
        load_champion(registry_in(home), ())


def test_a_version_that_is_published_while_another_one_is_read_is_loaded_instead(home, files, monkeypatch):
    real = Publication.whole

    def overtaken(self, pointer):
        if pointer.version == "1":
            self.publish("2", files)
        return real(self, pointer)

    monkeypatch.setattr(Publication, "whole", overtaken)
    assert load_champion(registry_in(home), ()).version == "2"


# ── with the registry ──


@pytest.fixture(scope="module")
def registered(tmp_path_factory, files) -> Path:
    """A home whose registry has versions 1, the champion, and 2."""
    home = tmp_path_factory.mktemp("two") / "home"
    made = registry_in(home)
    with brief():
        for _ in range(2):
            register(made, files)
    made.promote("1", at=datetime(2026, 1, 1))
    return home


@pytest.fixture
def two(registered, tmp_path) -> Path:
    return Path(shutil.copytree(registered, tmp_path / "two"))


def alias_in(home: Path) -> str:
    from mlflow import MlflowClient

    uri = f"sqlite:///{home / 'mlflow.db'}"
    return str(MlflowClient(uri, registry_uri=uri).get_model_version_by_alias(MODEL, "champion").version)


def test_a_promotion_that_dies_before_the_alias_moves_has_come_and_the_alias_follows(two, monkeypatch):
    from mlflow import MlflowClient

    registry = registry_in(two)

    def dying(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", dying)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("2", at=datetime(2026, 2, 1))
    assert (registry.in_force().version, alias_in(two)) == ("2", "1")
    assert registry_in(two).champion() == "2"
    assert alias_in(two) == "2"
    assert registry_in(two).previous() == "1"


def test_promoting_the_champion_mends_what_is_damaged_of_it_and_the_pointer_too(two):
    registry = registry_in(two)
    since = registry.in_force().since
    (two / registry.in_force().folder / "convert.txt").write_text("tree")
    assert registry.promote("1") is None
    assert registry.publication.intact().since == since == "2026-01-01T00:00:00"
    (two / POINTER).write_text("{")
    assert registry.champion() == "1"
    registry.promote("1")
    assert registry.publication.intact().version == "1"


def test_a_home_follows_the_alias_of_a_registry_that_it_shares(two, tmp_path):
    shared = Registry(f"sqlite:///{two / 'mlflow.db'}", home=tmp_path / "mine")
    assert shared.in_force().version == "1"
    assert load_champion(shared, ()).version == "1"
    registry_in(two).promote("2", at=datetime(2026, 2, 1))
    assert shared.in_force().version == "2"
    assert (tmp_path / "mine" / POINTER).is_file()


# ── the commands ──


def test_score_and_the_desk_never_import_mlflow_and_a_damaged_file_is_mended_by_a_promotion(world, tmp_path):
    home = Path(shutil.copytree(world / "home", tmp_path / "home"))
    [model] = home.glob("champion/*/convert.txt")
    telling = "import atexit, sys; atexit.register(lambda: print('mlflow' in sys.modules, file=sys.stderr))"
    words = ("score", "--config", world / "quick.toml", "--json")

    model.write_bytes(model.read_bytes()[:5000])
    said = command(*words, home=home, before=telling)
    assert (said.returncode, said.stdout) == (3, "")
    assert f"'{model}' of the published champion is damaged" in said.stderr
    assert leadsieve("promote", "1", home=home).code == 0

    said = command(*words, home=home, before=telling)
    assert (said.returncode, said.stderr.splitlines()[-1]) == (0, "False")
    code = """
import sys
from pathlib import Path
from tests.apis import running_api
with running_api(Path(sys.argv[1]), Path(sys.argv[2])) as api:
    print(api.ask("GET", "/health", role=None).json(), "mlflow" in sys.modules)
"""
    said = subprocess.run(
        [sys.executable, "-c", code, str(home), str(world / "quick.toml")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "{'status': 'ok', 'version': '1'} False\n"
