"""What CONTRIBUTING shows, applied to a copy of the project and tried."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"`([\w./]+)`:\n\n```(python|diff)\n(.*?)```", re.DOTALL)
FEATURE = """
import ibis
from features.dictionary import dictionary
from tests.matrices import computed
from tests.worlds import random_world
_, _, found = computed(random_world(0), ibis.duckdb.connect())
print(found["kinds_ever"].max() > 2, (found["kinds_ever"] <= found["events_ever"]).all())
print("| `kinds_ever` | Different kinds of event ever recorded. |" in dictionary())
"""
SOURCE = """
import pathlib, datetime
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull
pathlib.Path("exports").mkdir()
pathlib.Path("exports/leads.jsonl").write_text('{"lead_id": "1", "created_at": "2024-01-01 08:00"}\\n')
settings = load_settings(None, {"source": {"url": "json:exports"}}, environ={})
until = datetime.datetime(2024, 2, 1)
print(pull(settings.source, settings.label, home=pathlib.Path("home"), until=until).tables.leads.to_pandas().to_dict("list"))
"""
PAGE = """
import pathlib
from tests.desks import make_desk
desk = make_desk(pathlib.Path("desk"))
print(desk.browser().get("/at-work").status_code, desk.browser("ann").get("/at-work").text)
"""
COMMAND = """
import pathlib
from app.cli import main
pathlib.Path("exports").mkdir()
pathlib.Path("exports/deals.csv").write_text("a\\n1\\n")
main(["--help"])
main(["tables", "--source", "files:exports"])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with every block of the document applied."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("app", "features", "models", "pipelines", "tests"):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, kind, block in BLOCK.findall(TEXT):
        file = copy / name
        assert file.exists() == (kind == "diff"), name
        file.write_text(block if kind == "python" else changed(file.read_text(encoding="utf-8"), block))
    return copy


def changed(text: str, diff: str) -> str:
    """A text with each run of lines that begin with ``-`` replaced by the run of ``+`` below it."""
    for removed, added in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, flags=re.MULTILINE):
        old, new = (re.sub(r"^.", "", lines, flags=re.MULTILINE) for lines in (removed, added))
        assert text.count(old) == 1, f"CONTRIBUTING.md changes lines that are not there: {old}"
        text = text.replace(old, new)
    return text


def answered(project: Path, program: str, work: Path) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            f"import sys\nsys.path.insert(0, {str(project)!r})\n{program}",
        ],
        cwd=work,
        env={"PATH": "", "HOME": str(work)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        pytest.param(FEATURE, ["True True", "True"], id="the feature is in matrix and dictionary"),
        pytest.param(SOURCE, ["'lead_id': ['1']"], id="the source is read"),
        pytest.param(PAGE, ["303 ann is at work, Monday"], id="the page answers who is signed in"),
        pytest.param(
            COMMAND, ["tables     List the tables of the source.", "deals.csv"], id="the command runs"
        ),
    ],
)
def test_what_contributing_adds_works(project, tmp_path, program, expected):
    said = re.sub(r" +", " ", answered(project, program, tmp_path))
    assert not [each for each in expected if re.sub(r" +", " ", each) not in said], said
