"""Homes whose runs are killed: how they begin, and what outlives a run."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipelines.sources.reading.parts import rows_of as rows_held
from tests.commands import SIMULATED, leadsieve, written

QUICK = """
[evaluation]
blocks = 3
resamples = 20
[model]
rounds = 10
"""
CONFIG = f'[source]\nurl = "{SIMULATED}"\n{QUICK}'
FORGETS = ("forget", "L00000007", "--json")


@dataclass(frozen=True)
class Market:
    """Homes made by runs that nobody killed: one whose champion is version 1, and one with a second version and
    decisions of autumn besides.
    """

    config: Path
    home: Path
    two: Path


def make_market(folder: Path) -> None:
    """Make the homes of `market_in` in a folder."""
    written(folder, {"c.toml": CONFIG})
    config, home, two = folder / "c.toml", folder / "one" / "home", folder / "two" / "home"
    for words in (("train", "--config", config), ("promote", "--why", "it is the first")):
        said = leadsieve(*words, home=home)
        assert said.code == 0, said.err
    shutil.copytree(home, two)
    registry = registry_in(two)
    registry.register(
        registry.download("1"), params={}, metrics={}, tags={"verdict": "ready"}, figures={}, tables={}
    )
    said = leadsieve("score", "--config", config, "--as-of", "2024-11-15", home=two)
    assert said.code == 0, said.err


def market_in(folder: Path) -> Market:
    return Market(folder / "c.toml", folder / "one" / "home", folder / "two" / "home")


def registry_in(home: Path):
    from pipelines.home import registry_of
    from pipelines.settings import load_settings

    return registry_of(load_settings(None), home)


def moments(touches: int, count: int) -> list[int]:
    """Moments spread over a run, its first and its very last one among them."""
    return sorted({round(1 + (touches - 1) * part / (count - 1)) for part in range(count)})


def state_of(home: Path) -> dict[str, object]:
    """What outlives a run: champion and challenger, decisions, snapshots; each must be whole to be read at
    all.
    """
    from pipelines.store.database import Store

    snapshots = [folder for folder in (home / "snapshots").glob("*") if not folder.name.startswith(".")]
    for folder in snapshots:
        note = json.loads((folder / "snapshot.json").read_text())
        assert {name: rows_held(folder, name) for name in note["rows"]} == note["rows"]
    decisions = (
        Store(f"sqlite:///{home / 'store.db'}").decisions()
        if (home / "store.db").exists()
        else pd.DataFrame()
    )
    return {
        "aliases": {version.number: version.aliases for version in registry_in(home).versions()},
        "decisions": decisions.astype(object).where(decisions.notna(), None).to_dict("records"),
        "snapshots": sorted(folder.name for folder in snapshots),
    }


def champions(state: dict[str, object]) -> list[str]:
    return [number for number, aliases in state["aliases"].items() if "champion" in aliases]


def drafts_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob(".*") if file.name.endswith((".draft", ".draft.lock"))]


def with_names_alike(found: dict[str, object]) -> dict[str, object]:
    """The same, where names that say nothing, which are others each time, are alike."""
    rows = [
        row | {name: str(row[name])[:9] for name in ("lead_id", "account_id")} for row in found["decisions"]
    ]
    return found | {"decisions": sorted(rows, key=str)}
