"""What the documents promise: every key, command and column of output is named, and nothing that is not
there.
"""

import json
import re
import tomllib

import jsonschema
import pytest
import typer
from pydantic import BaseModel

from app.cli import app
from features.serialization import plain
from pipelines.flows.promote import Promotion
from pipelines.settings import Settings, _keys
from pipelines.settings_schema import schema
from pipelines.simulation.market import SimulatorSettings
from pipelines.sources.connections import _DOORS
from pipelines.sources.mapping import SourceSettings
from pipelines.store.answers import FROM
from pipelines.store.decision_queries import COLUMNS
from tests.conftest import REPOSITORY

CONFIGURATION = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = {
    "source": SourceSettings,
    **{
        f"source.{name}": SourceSettings.model_fields[name].annotation
        for name in ("leads", "events", "outcomes", "outcome")
    },
    **{name: field.annotation for name, field in Settings.model_fields.items() if name != "source"},
}


def commands_of(group: typer.core.TyperGroup, before: str = "") -> dict[str, typer.core.TyperCommand]:
    """Every command, those of groups by two words."""
    found = {}
    for name, command in group.commands.items():
        found |= (
            commands_of(command, f"{before}{name} ")
            if hasattr(command, "commands")
            else {before + name: command}
        )
    return found


COMMANDS = commands_of(typer.main.get_command(app))


def chapter(section: str) -> str:
    """The text below the heading that names a section, up to the next heading."""
    parts = re.split(r"^#+ ", CONFIGURATION, flags=re.MULTILINE)
    return "\n".join(part for part in parts if f"[{section}]" in part.partition("\n")[0])


def named(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_a_section_is_explained_in_its_chapter(section):
    keys = set(_keys(SECTIONS[section]))
    assert keys, section
    below = {name.partition(".")[2] for name in SECTIONS if name.startswith(f"{section}.")}
    assert not {key for key in keys - below if key not in named(chapter(section))}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_a_chapter_exists(section):
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (?!is\b)", chapter(section), flags=re.MULTILINE)
    told = {key for row in rows for key in named(row)}
    assert told
    assert not told - set(_keys(SECTIONS[section]))


@pytest.mark.parametrize("section", [name for name in SECTIONS if not name.startswith("source")])
def test_the_defaults_told_are_the_defaults(section):
    kind = SECTIONS[section]
    settings = kind() if not issubclass(kind, BaseModel) else kind.model_construct()
    for key, told in re.findall(r"^\| `(\w+)` \| [^|]*, `([^`|]+)` \|", chapter(section), flags=re.MULTILINE):
        real = getattr(settings, key)
        real = json.dumps(real) if isinstance(real, str | tuple | bool) else real
        shown = {"0:00:00": '"0d"'}.get(str(real), str(real))
        assert shown.removesuffix(".0") == told.removesuffix(".0"), key


def test_every_kind_of_address_and_every_parameter_of_the_simulator_is_named():
    assert not {scheme for scheme in _DOORS if f"`{scheme}:" not in CONFIGURATION and scheme != "postgres"}
    assert not {name for name in SimulatorSettings.__dataclass_fields__ if name not in chapter("source")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_named(command):
    assert re.search(rf"`{command}\b", CONFIGURATION)
    assert f"leadsieve {command.partition(' ')[0]}" in README or f"make {command}" in README
    options = {
        option
        for parameter in COMMANDS[command].params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert not {option for option in options - {"--help"} if option not in CONFIGURATION}


def test_every_option_that_is_named_exists():
    known = {
        option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts
    } | {"--help"}
    foreign = {"--backend-store-uri"}
    assert not set(re.findall(r"--[a-z][a-z-]+", CONFIGURATION + README)) - known - foreign


def test_every_column_of_the_output_and_every_key_of_a_promotion_is_named():
    assert not set(COLUMNS) - named(CONFIGURATION)
    assert not set(plain(Promotion("1", None, ()))) - named(CONFIGURATION)


def test_every_exit_code_is_told():
    from features import errors

    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.LeadsieveError)
    }
    assert {f"| {code} |" for code in codes | {0}} <= set(
        re.findall(r"^\| \d \|", CONFIGURATION, flags=re.MULTILINE)
    )


def test_every_file_that_a_document_points_to_is_there():
    documents = (
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        REPOSITORY / "SECURITY.md",
        *(REPOSITORY / "docs").glob("*.md"),
    )
    for text, folder in ((file.read_text(encoding="utf-8"), file.parent) for file in documents):
        links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
        assert not [link for link in links if not (folder / link).exists()]
    examples = {file.name for file in (REPOSITORY / "examples").glob("*.toml")}
    assert examples <= named(README)


def test_every_room_of_the_house_is_in_its_table_and_no_other():
    rooms = {
        f"{house}/{folder.name}/"
        for house in ("features", "models", "pipelines", "app")
        for folder in (REPOSITORY / house).iterdir()
        if (folder / "__init__.py").is_file()
    }
    assert set(re.findall(r"^\| `([\w/]+/)` \|", ARCHITECTURE, flags=re.MULTILINE)) == rooms


def test_every_file_that_the_architecture_names_is_there():
    named = re.findall(r"`(\w+/[\w/]+\.\w+)`", ARCHITECTURE)
    assert len(named) > 10
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_the_life_of_a_lead_has_every_answer_in_every_state_that_it_can_be_given_in():
    drawn = set(re.findall(r"^ +(\w+) --> \w+ : (\w+)$", ARCHITECTURE, flags=re.MULTILINE))
    possible = {(state, answer) for answer, states in FROM.items() for state in states}
    assert {each for each in drawn if each[1] in FROM} == possible


def test_the_schema_is_up_to_date_and_explains_every_key():
    written = json.loads((REPOSITORY / "docs" / "leadsieve.schema.json").read_text(encoding="utf-8"))
    assert written == schema(), "run: python -m pipelines.settings_schema > docs/leadsieve.schema.json"

    def keys(section):
        for name, each in section.get("properties", {}).items():
            yield name, each["description"]
            yield from keys(each)

    assert len(list(keys(written))) > 100
    assert all(len(meaning) > 3 for _, meaning in keys(written))


@pytest.mark.parametrize(
    "example", sorted((REPOSITORY / "examples").glob("*.toml")), ids=lambda file: file.name
)
def test_an_example_names_the_schema_and_keeps_it(example):
    text = example.read_text(encoding="utf-8")
    assert text.startswith("#:schema ../docs/leadsieve.schema.json\n")
    content = json.loads(json.dumps(tomllib.loads(text), default=str))
    jsonschema.validate(content, schema())
    for broken in (
        {**content, "modle": {}},
        {**content, "label": {"delay": 3}},
        {**content, "model": {"rounds": "x"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema())


LEVEL_1 = [
    "1.2.1",
    "1.2.2",
    "1.2.3",
    "1.2.4",
    "1.2.5",
    "1.3.1",
    "1.3.2",
    "1.5.1",
    "2.1.1",
    "2.2.1",
    "2.2.2",
    "2.3.1",
    "3.2.1",
    "3.2.2",
    "3.3.1",
    "3.4.1",
    "3.4.2",
    "3.5.1",
    "3.5.2",
    "3.5.3",
    "4.1.1",
    "4.4.1",
    "5.2.1",
    "5.2.2",
    "5.3.1",
    "5.3.2",
    "6.1.1",
    "6.2.1",
    "6.2.2",
    "6.2.3",
    "6.2.4",
    "6.2.5",
    "6.2.6",
    "6.2.7",
    "6.2.8",
    "6.3.1",
    "6.3.2",
    "6.4.1",
    "6.4.2",
    "7.2.1",
    "7.2.2",
    "7.2.3",
    "7.2.4",
    "7.4.1",
    "7.4.2",
    "8.1.1",
    "8.2.1",
    "8.2.2",
    "8.3.1",
    "9.1.1",
    "9.1.2",
    "9.1.3",
    "9.2.1",
    "11.3.1",
    "11.3.2",
    "11.4.1",
    "12.1.1",
    "12.2.1",
    "12.2.2",
    "13.4.1",
    "14.2.1",
    "14.3.1",
    "15.1.1",
    "15.2.1",
    "15.3.1",
]


def test_every_requirement_of_security_is_answered_and_every_test_that_holds_one_exists():
    text = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([\d.]+) \| \d \| [^|]+ \| (yes|by|no|none)\b[,:]? ?([^|]*) \|$", text, re.MULTILINE
    )
    assert len(rows) > 130
    assert not set(LEVEL_1) - {number for number, _, _ in rows}
    tests = {
        name
        for file in (REPOSITORY / "tests").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert not {name for name in re.findall(r"`(test_\w+)`", text) if name not in tests}
    assert not [number for number, answer, why in rows if answer == "yes" and "`test_" not in why]
    assert not [number for number, answer, why in rows if answer != "yes" and len(why) < 5]
