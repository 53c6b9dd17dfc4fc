"""The house: who may import whom, who may touch the world, and how large a file may grow."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

HOUSES = ("features", "models", "pipelines", "app")  # each may know those before it
FILES = sorted(file for house in HOUSES for file in (REPOSITORY / house).rglob("*.py"))
MODULES = [
    ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for file in FILES
]
# A room, which is a folder or a file beside the folders, knows those on the floors before its own.
FLOORS = {
    "features": (
        "errors tables keys | register contracts as_of labels serialization | outcomes | definitions | lead_columns | recipe | outcome_rates"
        " | matrix | joined"
        " | online dictionary"
    ),
    "models": (
        "survival | dataset scoring | evaluation registry | policy leakage tuning"
        " | promotion monitoring alignment readiness training | backtest"
    ),
    "pipelines": (
        "addresses files sbom | prefect_server | environment feature_files progress simulation | crm"
        " | sinks sources reports schedule_settings | desk_settings | settings store"
        " | home settings_schema version_files | deciding maintenance | flows | preview | cli | notebook"
    ),
    "app": "openid | desk | sessions scoring | api | pages middleware server | web | cli",
}
FLOOR = {
    (house, room): floor
    for house, floors in FLOORS.items()
    for floor, rooms_there in enumerate(floors.split("|"))
    for room in rooms_there.split()
}
ROOMS_OF_LIBRARIES = {
    "mlflow": ("models/registry/",),
    "matplotlib": (
        "pipelines/reports/",
        "pipelines/flows/check.py",
        "models/registry/",
    ),  # figures are kept there
    "sqlalchemy": ("pipelines/store/", "models/registry/"),
    "prefect": ("pipelines/flows/",),
    "fastapi": ("app/",),
}
HEAVY = ("pandas", "prefect", "lightgbm", "mlflow", "ibis", "duckdb", "sklearn", "matplotlib")
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}


def here(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


@cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def imported(file: Path) -> set[str]:
    """Every module a file imports, inside functions too: ``from pipelines import home`` is
    ``pipelines.home``.
    """
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{here(file)} imports relatively"
            alone = node.module in HOUSES
            found |= {f"{node.module}.{name.name}" for name in node.names} if alone else {node.module}
    return found


def rooms(module: str) -> tuple[str, str]:
    """House and room of a module: ``models.policy.arms`` is in the room ``policy`` of ``models``."""
    return tuple([*module.split("."), ""][:2])


def attributes(file: Path) -> set[tuple[str, str]]:
    """Every ``owner.name`` in a file, with the last word of what owns it."""
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Attribute):
            owner = node.value
            found.add((owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", ""), node.attr))
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module, name.name) for name in node.names}
    return found


def test_the_test_sees_every_house():
    assert {file.relative_to(REPOSITORY).parts[0] for file in FILES} >= {"features", "models", "pipelines"}


@pytest.mark.parametrize("file", FILES, ids=here)
def test_a_house_knows_only_those_below_it(file):
    house = file.relative_to(REPOSITORY).parts[0]
    above = set(HOUSES[HOUSES.index(house) + 1 :])
    assert not {name.split(".")[0] for name in imported(file)} & above


@pytest.mark.parametrize("file", FILES, ids=here)
def test_a_room_knows_only_those_on_lower_floors_of_its_house(file):
    house, room = rooms(".".join(file.relative_to(REPOSITORY).with_suffix("").parts))
    if room == "__init__":
        return
    assert (house, room) in FLOOR, f"say in FLOORS which floor {house}/{room} is on"
    known = {rooms(name) for name in imported(file)} - {(house, room)}
    assert not {each for each in known if each[0] == house and FLOOR[each] >= FLOOR[house, room]}


@pytest.mark.parametrize("library", ROOMS_OF_LIBRARIES)
def test_a_library_is_known_in_its_own_rooms_alone(library):
    knowing = [here(file) for file in FILES if library in {name.split(".")[0] for name in imported(file)}]
    assert knowing
    assert not [place for place in knowing if not place.startswith(ROOMS_OF_LIBRARIES[library])]


def test_a_folder_can_be_read_at_a_glance():
    for folder in {file.parent for file in FILES}:
        assert len([file for file in folder.glob("*.py") if file.name != "__init__.py"]) <= 16, here(folder)


def test_one_module_touches_the_environment():
    touched = {("os", name) for name in ("environ", "environb", "getenv", "putenv")}
    assert [here(file) for file in FILES if attributes(file) & touched] == ["pipelines/environment.py"]


def test_the_start_of_a_command_alone_reads_the_clock():
    owners = {"datetime", "date", "time", "Timestamp"}
    reading = [
        here(file)
        for file in FILES
        if any(owner in owners and name in CLOCKS for owner, name in attributes(file))
    ]
    assert reading == ["pipelines/cli/options.py"]


def test_nothing_is_pickled():
    assert not [
        here(file)
        for file in FILES
        if {name.split(".")[0] for name in imported(file)}
        & {"pickle", "cloudpickle", "dill", "joblib", "skops", "shelve"}
    ]
    assert not [
        here(file) for file in FILES if {name for _, name in attributes(file)} & {"to_pickle", "read_pickle"}
    ]


def test_everything_is_caught_where_a_command_ends_and_where_a_teams_own_code_runs():
    catching = []
    for file in FILES:
        for node in nodes(file):
            if isinstance(node, ast.ExceptHandler):
                caught = (
                    {getattr(each, "id", "") for each in ast.walk(node.type)} if node.type else {"Exception"}
                )
                if caught & {"Exception", "BaseException"}:
                    catching.append(here(file))
    assert set(catching) == {"pipelines/cli/main.py", "pipelines/feature_files.py"}


@pytest.mark.parametrize("file", FILES, ids=here)
def test_no_file_holds_two_ideas(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_nothing_names_a_place_on_one_machine_or_is_left_for_later():
    kept = [
        *FILES,
        *(REPOSITORY / "tests").glob("*.py"),
        *(REPOSITORY / "examples").glob("*.toml"),
        *(REPOSITORY / "docs").glob("*.md"),
    ]
    place = re.compile(r"[\"'`( =:](/(home|root|work|Users|mnt|var/folders)/|[A-Z]:\\\\)")
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
    found = [
        f"{here(file)}: {line.strip()}"
        for file in kept
        for line in file.read_text().splitlines()
        if place.search(line) or later.search(line)
    ]
    assert not found


def test_importing_everything_writes_nothing_says_nothing_and_starts_nothing(tmp_path):
    spark = importlib.util.find_spec("pyspark") is not None  # of an extra that not everybody has
    modules = [name for name in MODULES if spark or not name.startswith("pipelines.sources.spark.")]
    code = f"""
import importlib, os, sys, threading
before = {{**os.environ}}
for name in {modules!r}:
    importlib.import_module(name)
ours = ("PREFECT", "MLFLOW", "LEADSIEVE", "OMP", "DO_NOT")  # scikit-learn sets two variables of Intel's on its own
assert not [name for name in os.environ if name.startswith(ours) and os.environ[name] != before.get(name)]
assert threading.active_count() == 1
assert "mlflow" not in sys.modules
"""
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "work",
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["score", "--nonsense"], 2),
        (["nonsense"], 2),
        (["train", "--tune", "x"], 2),
    ],
)
def test_help_and_mistyped_words_are_answered_without_loading_anything_heavy(tmp_path, words, code):
    program = f"""
import sys
from app.cli import main
code = main({words!r})
print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    assert list(tmp_path.iterdir()) == []


def clean(home: Path) -> dict[str, str]:
    """An environment in which nothing but Python can be found."""
    return {
        "PATH": "",
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(home),
        "PREFECT_HOME": str(home / "unused"),
    }
