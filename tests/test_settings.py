"""The configuration: where paths start, what wins, and one sentence for every mistake."""

from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import UsageError
from pipelines.environment import home_folder
from pipelines.settings import load_settings
from tests.conftest import REPOSITORY


def written(folder: Path, text: str) -> Path:
    (folder / "leadsieve.toml").write_text(text)
    return folder / "leadsieve.toml"


def refused(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(UsageError) as raised:
        load_settings(written(folder, text), environ=environ)
    return str(raised.value).splitlines()[1:]


def test_without_a_file_everything_has_a_default_and_no_source_is_known():
    settings = load_settings(None, environ={})
    assert settings.source is None
    assert (settings.label.pursue_days, settings.label.convert_days) == (21, 90)


def test_a_relative_path_starts_at_the_file_that_names_it_and_on_the_command_line_at_the_working_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(REPOSITORY)
    file = written(tmp_path, '[source]\nurl = "files:exports"\n[source.leads]\ntable = "a.csv"')
    assert load_settings(file, environ={}).source.url == f"files:{tmp_path / 'exports'}"
    overridden = load_settings(file, {"source": {"url": "duckdb:crm.duckdb"}}, environ={}).source
    assert overridden.url == f"duckdb:{REPOSITORY / 'crm.duckdb'}"
    assert overridden.leads.table == "a.csv"
    assert (
        load_settings(None, {"source": {"url": "files:~/x"}}, environ={}).source.url
        == f"files:{Path.home() / 'x'}"
    )
    fairs = written(tmp_path, '[desk]\nsources = ["files:fair", "postgresql://ann:${SECRET}@db/crm"]')
    desk = load_settings(fairs, environ={"SECRET": "hush"}).desk
    assert desk.sources == (f"files:{tmp_path / 'fair'}", "postgresql://ann:hush@db/crm")
    assert "hush" not in f"{desk!r} {desk.model_dump_json()}"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = written(tmp_path, '[source]\nurl = "files:/a"')
    environ = {"LEADSIEVE_SOURCE_URL": "files:/b"}
    assert load_settings(file, environ=environ).source.url == "files:/b"
    assert load_settings(file, {"source": {"url": "files:/c"}}, environ=environ).source.url == "files:/c"


def test_the_environment_fills_in_what_the_address_leaves_open(tmp_path):
    text = '[source]\nurl = "postgresql://ann:${CRM_PASSWORD}@db/crm"'
    assert (
        load_settings(written(tmp_path, text), environ={"CRM_PASSWORD": "pw"}).source.url
        == "postgresql://ann:pw@db/crm"
    )
    with pytest.raises(UsageError, match="needs the environment variable CRM_PASSWORD, which is not set"):
        load_settings(written(tmp_path, text), environ={})


@pytest.mark.parametrize(
    ("said", "meant"), [("1h", timedelta(hours=1)), ("3d", timedelta(days=3)), ("30m", timedelta(minutes=30))]
)
def test_a_delay_is_said_in_words(tmp_path, said, meant):
    assert load_settings(written(tmp_path, f'[label]\ndelay = "{said}"'), environ={}).label.delay == meant


def test_home_is_as_given_or_the_environments_or_a_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADSIEVE_HOME", "/somewhere")
    assert home_folder(Path("/else")) == Path("/else")
    assert home_folder() == Path("/somewhere")
    monkeypatch.setenv("LEADSIEVE_HOME", "~/leads")
    assert home_folder() == Path.home() / "leads"
    monkeypatch.delenv("LEADSIEVE_HOME")
    assert home_folder() == tmp_path / ".leadsieve"


def test_every_mistake_gets_its_own_line_with_its_place_and_a_hint(tmp_path):
    text = """
    [source]
    url = "files:x"
    timezone = "Amsterdam"
    [source.leads]
    creatd_at = "x"
    drop_incomplete = "perhaps"
    [source.outcome]
    won = ["yes"]
    [label]
    pursue_days = -3
    delay = "soon"
    [model]
    rouns = 3
    [polcy]
    """
    assert refused(tmp_path, text) == [
        "  source.leads.creatd_at: no such key; did you mean 'created_at'?",
        "  model.rouns: no such key; did you mean 'rounds'?",
        "  polcy: no such section; did you mean 'policy'?",
        "  source.leads.drop_incomplete: input should be a valid boolean, unable to interpret input, not 'perhaps'.",
        "  source.outcome.column: it is needed and not there.",
        "  source.timezone: no time zone is called 'Amsterdam'; say it like 'UTC' or 'Europe/Amsterdam'.",
        "  label.pursue_days: input should be greater than 0, not -3.",
        "  label.delay: say it like '1h', '3d' or '30m', not 'soon'.",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[source.leads]\norder = "rows"\ncreated_at = "day"', "order and created_at exclude each other"),
        ('[source.leads]\norder = "none"\n[source.events]', "events needs dates"),
        (
            '[source.outcome]\ncolumn = "y"\nwon = [1]\n[source.outcomes]',
            "outcome and outcomes exclude each other",
        ),
        ('[source.outcome]\ncolumn = "y"\nwon = [1]\nlost = ["1"]', "'1' is named under two stages"),
        ('[source.outcome]\ncolumn = "y"', "no value is named"),
        ('[source.outcomes]\nstage_is = "won"\nstage = "s"', "stage_is says that every row is of one stage"),
    ],
)
def test_what_excludes_each_other_is_said(tmp_path, text, words):
    assert any(words in line for line in refused(tmp_path, f'[source]\nurl = "files:x"\n{text}'))


def test_no_mistake_shows_a_password(tmp_path):
    text = '[source]\nurl = "postgresql://ann:geheim@db/crm"\nurll = 3\nengine = "fast"'
    assert "geheim" not in "".join(refused(tmp_path, text))
    broken = written(tmp_path, '[source]\nurl = "postgresql://ann:geheim@db/crm')
    with pytest.raises(UsageError, match="is not TOML") as raised:
        load_settings(broken, environ={})
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("file", sorted((REPOSITORY / "examples").glob("*.toml")), ids=lambda file: file.stem)
def test_every_example_is_a_configuration(file):
    assert load_settings(file, environ={}).source.url.startswith("files:/")
