"""A home that is backed up while it is in use goes on elsewhere, and nobody who was forgotten comes back with it; a
home can be moved.
"""

import os
import shutil
import stat
import threading
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from pipelines.sources.manifest import notes
from pipelines.store.database import Store
from tests.commands import leadsieve
from tests.desks import make_desk


def test_a_backup_made_while_decisions_are_recorded_is_whole_and_goes_on_elsewhere(world, tmp_path):
    live = Path(shutil.copytree(world / "home", tmp_path / "live" / ".leadsieve"))
    backup = tmp_path / "backups" / "monday"
    store, stop = Store(f"sqlite:///{live / 'store.db'}"), threading.Event()

    def keep_recording() -> None:
        number = 0
        while not stop.is_set():
            ids = [f"made-up-{number}-{lead}" for lead in range(100)]
            number += 1
            store.record(
                pd.DataFrame(
                    {"lead_id": ids, "as_of": datetime(2026, 1, 1), "action": "hold", "version": "1"}
                )
            )

    store.decided()
    busy = threading.Thread(target=keep_recording)
    busy.start()
    try:
        said = leadsieve("backup", backup, "--config", world / "quick.toml", "--json", home=live)
    finally:
        stop.set()
        busy.join()
    assert said.code == 0, said.err
    assert (said.json["folder"], said.json["elsewhere"]) == (str(backup), [])
    restored = tmp_path / "elsewhere" / "home"
    expected = goes_on(live, world)
    shutil.rmtree(live)
    assert leadsieve("restore", backup, "--json", home=restored).json["before"] is None

    sizes = Store(f"sqlite:///{restored / 'store.db'}").decisions()["batch"].value_counts()
    assert set(sizes) <= {100}, "half a run is in the backup"
    assert goes_on(restored, world) == expected


@pytest.fixture
def desk(tmp_path):
    """A home in which nobody was forgotten yet, and a backup of it."""
    made = make_desk(tmp_path)
    made.browser("ann").get("/queue")
    assert leadsieve("backup", tmp_path / "monday", home=made.home).code == 0
    return made


def known(home: Path) -> set[str]:
    """Who is in a home's snapshots and decisions by name."""
    found = {each for each in Store(f"sqlite:///{home / 'store.db'}").decided() if each.startswith("L")}
    for folder in notes(home / "snapshots"):
        for table in ("leads", "events", "outcomes"):
            found |= set(pd.read_parquet(folder / f"{table}.parquet")["lead_id"])
    return found


@pytest.mark.slow
def test_who_was_forgotten_since_a_backup_stays_so_also_when_the_first_restore_was_killed(
    desk, tmp_path, monkeypatch
):
    assert leadsieve("forget", "L1", home=desk.home).code == 0
    everybody = known(desk.home) | {"L1"}
    with monkeypatch.context() as killed:
        rename = Path.rename

        def dies(path: Path, to: Path) -> Path:
            if to == desk.home:
                raise KeyboardInterrupt
            return rename(path, to)

        killed.setattr(Path, "rename", dies)
        assert leadsieve("restore", tmp_path / "monday", home=desk.home).code != 0
    again = leadsieve("restore", tmp_path / "monday", "--json", home=desk.home)
    assert (again.json["forgotten_again"], known(desk.home)) == (1, everybody - {"L1"})
    assert known(tmp_path / "home.before-1") == everybody - {"L1"}
    assert not list(tmp_path.glob(".*"))
    assert leadsieve("user", "list", "--json", home=desk.home).json["people"] == [
        {"name": "ann", "role": "rep", "team": None}
    ]
    # and a restore of what was restored
    assert leadsieve("restore", tmp_path / "monday", home=desk.home).code == 0
    assert known(desk.home) == everybody - {"L1"}


def test_a_backup_made_amid_a_forgetting_ends_it(desk, tmp_path):
    """The hash is there, and the rows are still."""
    leadsieve("forget", "L1", home=desk.home)
    leadsieve("backup", tmp_path / "tuesday", home=desk.home)
    (old,), (new,) = ((tmp_path / day / "snapshots").iterdir() for day in ("monday", "tuesday"))
    shutil.rmtree(new)
    shutil.copytree(old, tmp_path / "home.draft" / old.name)
    shutil.rmtree(desk.home / "snapshots")
    (tmp_path / "home.draft").rename(desk.home / "snapshots")
    leadsieve("backup", tmp_path / "wednesday", home=desk.home)
    assert "L1" in known(tmp_path / "wednesday")
    assert (
        leadsieve("restore", tmp_path / "wednesday", "--json", home=tmp_path / "new").json["forgotten_again"]
        == 1
    )
    assert "L1" not in known(tmp_path / "new")


def test_what_is_no_whole_backup_or_has_another_key_is_refused_in_a_sentence(desk, tmp_path):
    def refused(code: int, *words: object, home: Path = desk.home) -> str:
        said = leadsieve(*words, home=home)
        assert (said.code, said.err.count("\n")) == (code, 1), said.err
        return said.err

    before = known(desk.home)
    assert "is there already" in refused(2, "backup", tmp_path / "monday")
    assert "is no backup" in refused(2, "restore", tmp_path / "exports")
    [file] = (tmp_path / "monday" / "snapshots").glob("*/leads.parquet/*")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert f"such as '{file.relative_to(tmp_path / 'monday')}'" in refused(3, "restore", tmp_path / "monday")
    file.write_bytes(content)
    leadsieve("forget", "L1", home=desk.home)
    leadsieve("backup", tmp_path / "tuesday", home=desk.home)
    other = tmp_path / "other"
    leadsieve("restore", tmp_path / "monday", home=other)
    leadsieve("forget", "L2", home=other)
    assert "under another key" in refused(2, "restore", tmp_path / "tuesday", home=other)
    assert known(desk.home) == before - {"L1"}
    assert not list(tmp_path.glob(".*"))


def test_a_home_and_its_backups_are_closed_to_other_users(desk, tmp_path):
    os.chmod(desk.home, 0o755)  # as one from before
    assert leadsieve("user", "list", home=desk.home).code == 0
    for folder in (desk.home, tmp_path / "monday"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 | (0o050 if folder == desk.home else 0)
    leadsieve("user", "list", home=tmp_path / "fresh")
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o700


def test_a_home_that_was_moved_goes_on_and_keeps_its_new_versions_with_it(world, tmp_path):
    from pipelines.home import registry_of
    from pipelines.settings import load_settings

    first = Path(shutil.copytree(world / "home", tmp_path / "first"))
    assert leadsieve("versions", home=first).code == 0  # from here on its addresses are its own
    second = first.rename(tmp_path / "second")
    goes_on(second, world)
    registry = registry_of(load_settings(None), second)
    assert registry.download("1").is_relative_to(second)
    made = registry.register(registry.download("1"), params={}, metrics={}, tags={}, figures={}, tables={})
    assert registry.download(made).is_relative_to(second)
    assert not first.exists()


def goes_on(home: Path, world: Path) -> bytes:
    """The list for sales that a home's champion makes of leads it has not decided."""
    output = home.parent / "scored.csv"
    said = leadsieve("score", "--config", world / "quick.toml", "--output", output, "--json", home=home)
    assert said.code == 0, said.err
    assert (said.json["version"], said.json["scored"] > 50) == ("1", True)
    assert [each["alias"] for each in leadsieve("versions", "--json", home=home).json["versions"]] == [
        "champion"
    ]
    return output.read_bytes()
