"""What commands print is an interface: keys of the JSON, and words of the terminal, change only on purpose.

After a change on purpose, `LEADSIEVE_GOLDEN=write python -m pytest tests/test_golden.py` keeps what is said now.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.reports import check, model_report, monitor, summaries
from tests.commands import leadsieve
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"
COMMANDS = {
    "check": check.check,
    "train": summaries.train,
    "report": model_report.report,
    "promote": summaries.promote,
    "versions": summaries.versions,
    "value": summaries.value,
    "monitor": monitor.monitor,
}
VALUES = ("by_channel", "teams", "team_capacity", "rows", "reads", "settings")  # keyed by what the data hold


@pytest.fixture(scope="module")
def said(world: Path, tmp_path_factory) -> dict[str, Any]:
    """The JSON of each command over the same market."""
    files = {name: json.loads((world / f"{name}.json").read_text()) for name in ("train", "promote")}
    home = Path(shutil.copytree(world / "home", tmp_path_factory.mktemp("golden") / "home"))
    source = ["--config", world / "quick.toml"]
    told = dict(files)
    for name in ("check", "report", "versions", "score", "value", "monitor"):
        words = ["1"] if name == "report" else [] if name == "versions" else source
        answer = leadsieve(name, *words, "--json", home=home)
        assert answer.out, answer.err
        told[name] = answer.json
    return told


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_the_keys_and_the_words_that_it_always_has(command, said):
    result = said[command]
    kept = {
        f"{command}.json": json.dumps(shape(result), indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        f"{command}.md": masked(COMMANDS[command](result)),
    }
    for name, now in kept.items():
        if os.environ.get("LEADSIEVE_GOLDEN") == "write":
            (GOLDEN / name).write_text(now, encoding="utf-8")
        assert now == (GOLDEN / name).read_text(encoding="utf-8"), f"{name}: changed on purpose? See above."


def shape(value: Any, key: str = "") -> Any:
    """The keys of a result and the kinds of its values; what all entries of a list have is told once."""
    if isinstance(value, dict):
        if key in VALUES:
            return {"…": sorted({json.dumps(shape(each)) for each in value.values()})}
        return {name: shape(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(each), sort_keys=True) for each in value})
    if value is None or isinstance(value, bool):
        return "null, true or false"
    return "number" if isinstance(value, int | float) else "text"


def masked(words: str) -> str:
    """A text without its figures, times and paths."""
    words = re.sub(r"/\S+", "PATH", words)
    words = re.sub(r"[-+−]?\d[\d.,:]*", "0", words)
    return re.sub(r"[ \t]+", " ", words).strip() + "\n"
