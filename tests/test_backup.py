"""A home that is backed up while it is in use, as the documents say, goes on elsewhere; a home can be moved."""

import re
import shutil
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import pandas as pd

from pipelines.store.database import Store
from tests.commands import leadsieve
from tests.conftest import REPOSITORY

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")


def test_a_backup_made_while_decisions_are_recorded_is_whole_and_goes_on_elsewhere(world, tmp_path):
    live = Path(shutil.copytree(world / "home", tmp_path / "live" / ".leadsieve"))
    (commands,) = (
        block for block in re.findall(r"```sh\n(.*?)```", OPERATIONS, re.DOTALL) if "VACUUM" in block
    )
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
        subprocess.run(["bash", "-euc", commands], cwd=live.parent, check=True)
    finally:
        stop.set()
        busy.join()
    restored = tmp_path / "elsewhere" / "home"
    restored.parent.mkdir()
    expected = goes_on(live, world)
    (live.parent / "backup").rename(restored)
    shutil.rmtree(live)

    sizes = Store(f"sqlite:///{restored / 'store.db'}").decisions()["batch"].value_counts()
    assert set(sizes) <= {100}, "half a run is in the backup"
    assert goes_on(restored, world) == expected


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
