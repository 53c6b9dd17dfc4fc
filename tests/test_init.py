"""``leadsieve init``: a first configuration from a look at whatever somebody exported."""

import os
import shlex
from datetime import datetime, timedelta

import duckdb
import pytest

from pipelines.flows.init.words import excluded, stage_of, tidy
from pipelines.settings import load_settings
from tests.commands import leadsieve, written
from tests.crm_exports import EXPORTS, leads, minute, table
from tests.test_readme import LINES


def began(tmp_path, target, *words):
    """What init says without a question, and the settings that it wrote."""
    said = leadsieve(
        "init", target, "--output", tmp_path / "crm.toml", "--yes", "--json", *words, home=tmp_path / "home"
    )
    assert (tmp_path / "crm.toml").exists(), said.out + said.err
    return said, load_settings(tmp_path / "crm.toml", environ={"PASSWORD": "x"})


def plain_leads(rows=200, **columns):
    """A table of leads that went one way or the other; ``columns`` maps a name to a function of the row."""
    start = datetime(2024, 1, 1, 8)
    return [
        {
            "lead_id": f"L{row:04}",
            "created_at": minute(start + timedelta(days=row)),
            "industry": ("IT", "Trade")[row % 3 == 0],
            **{name: make(row) for name, make in columns.items()},
        }
        for row in range(rows)
    ]


@pytest.fixture
def unchecked(monkeypatch):
    """Only what is guessed matters: the try at the end is left out."""
    from pipelines.flows.init import start

    monkeypatch.setattr(start, "_tried", lambda *_: ("ready", [], 0))


@pytest.mark.parametrize(
    ("word", "stage"),
    [
        ("Closed Won", "won"),
        ("Closed - Not Converted", "lost"),
        ("gewonnen", "won"),
        ("perdu", "lost"),
        ("SQL", "accepted"),
        ("MQL", "open"),
        ("Disqualified", "rejected"),
        ("Open - Not Contacted", "open"),
        ("Blue", None),
    ],
)
def test_a_stage_word_means_what_crms_mean_by_it(word, stage):
    assert stage_of(word) == stage


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("Vorname", "person"),
        ("E-Mail", "reach"),
        ("Date de naissance", "protected"),
        ("LastActivityDate", "after contact"),
        ("Converted Date", "after contact"),
        ("Job Title", None),
        ("Annual Revenue", None),
    ],
)
def test_a_column_of_persons_or_of_later_is_known_by_its_name(column, why):
    found = excluded(tidy(column))
    assert found is None if why is None else why in found


@pytest.mark.slow
@pytest.mark.parametrize("crm", EXPORTS)
def test_an_export_of_a_crm_is_configured_without_a_line_edited(crm, tmp_path):
    said, settings = began(tmp_path, EXPORTS[crm](tmp_path / "exports"))
    assert said.code == 0, said.json["remains"]
    assert said.json["readiness"].startswith("ready")
    used = {name for name, taken in said.json["columns"].items() if taken.startswith("learned from")}
    assert not [name for name in used if any(word in name for word in ("Name", "Email", "Last", "Converted"))]
    assert {name.partition(" - ")[2] or name for name in used} >= {"Industry"}
    assert settings.source.leads.channel.endswith("Source")


@pytest.mark.slow
def test_opportunities_tell_how_the_leads_of_salesforce_went(tmp_path, unchecked):
    _, settings = began(tmp_path, EXPORTS["Salesforce"](tmp_path / "exports"))
    outcomes = settings.source.outcomes
    assert (outcomes.table, outcomes.lead_id, outcomes.stage) == ("opportunities.csv", "Lead ID", "Stage")
    assert (outcomes.occurred_at, outcomes.amount) == ("Close Date", "Amount")
    assert outcomes.stages == {
        "won": ("Closed Won",),
        "lost": ("Closed Lost",),
        "open": ("Negotiation/Review",),
    }


@pytest.mark.parametrize(
    ("crm", "stages"),
    [
        (
            "HubSpot",
            {"accepted": "Became a Sales Qualified Lead Date", "won": "Became a Customer Date"},
        ),
        ("Pipedrive", {"won": "Deal - Won time", "lost": "Deal - Lost time"}),
    ],
)
def test_dated_stages_are_taken_before_the_stage_of_today(crm, stages, tmp_path, unchecked):
    _, settings = began(tmp_path, EXPORTS[crm](tmp_path / "exports"))
    assert settings.source.leads.stages == stages
    assert set(settings.features.exclude) & {"Lifecycle Stage", "Deal - Status"}


def test_a_status_of_today_is_the_outcome_where_nothing_else_tells(tmp_path, unchecked):
    _, settings = began(tmp_path, EXPORTS["Dynamics 365"](tmp_path / "exports"))
    outcome = settings.source.outcome
    assert (outcome.column, outcome.won, outcome.lost) == ("Status", ("Qualified",), ("Disqualified",))
    assert "the farthest that a lead gets here" in (tmp_path / "crm.toml").read_text()
    assert settings.source.leads.lead_id == "(Do Not Modify) Lead"


def test_where_two_columns_may_tell_the_outcome_the_other_is_named_beside(tmp_path, unchecked):
    said, settings = began(tmp_path, EXPORTS["Zoho"](tmp_path / "exports"))
    assert settings.source.outcome.column == "Is Converted"
    assert "or 'Lead Status'" in (tmp_path / "crm.toml").read_text()
    assert any("how a lead went" in each["question"] for each in said.json["questions"])


def test_two_answers_that_are_likely_are_asked_for(tmp_path, unchecked, monkeypatch):
    from pipelines.cli import init

    monkeypatch.setattr(init.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(init.typer, "prompt", lambda *_, **__: 2)
    folder = EXPORTS["Zoho"](tmp_path / "exports")
    said = leadsieve("init", folder, "--output", tmp_path / "crm.toml", home=tmp_path / "home")
    assert "Which column tells how a lead went?" in said.err
    assert load_settings(tmp_path / "crm.toml").source.outcome.column == "Lead Status"


def test_a_file_that_is_there_is_left_alone_unless_by_force(tmp_path, unchecked):
    folder = written(tmp_path / "exports", {"leads.csv": table(plain_leads(won=lambda row: row % 2))})
    (tmp_path / "crm.toml").write_text("mine")
    said = leadsieve("init", folder, "--output", tmp_path / "crm.toml", "--yes", home=tmp_path / "home")
    assert (said.code, (tmp_path / "crm.toml").read_text()) == (2, "mine")
    assert "--force" in said.err
    said, _ = began(tmp_path, folder, "--force")
    assert said.code == 0


def test_a_single_file_is_taken_alone(tmp_path, unchecked):
    rows = plain_leads(stage=lambda row: ("Gewonnen", "Verloren", "Neu")[row % 3])
    folder = written(tmp_path / "exports", {"kontakte.csv": table(rows), "zoo.csv": "animal\nlion\n"})
    said, settings = began(tmp_path, folder / "kontakte.csv")
    assert settings.source.leads.table == "kontakte.csv"
    assert settings.source.outcome.won == ("Gewonnen",)
    assert not said.json["notes"]


def test_a_table_that_no_lead_is_in_is_not_used_and_that_is_said(tmp_path, unchecked):
    rows = plain_leads(stage=lambda row: ("won", "lost")[row % 2])
    folder = written(tmp_path / "exports", {"leads.csv": table(rows), "zoo.csv": "animal\nlion\n"})
    said, _ = began(tmp_path, folder)
    assert any(note.startswith("zoo.csv is not used") for note in said.json["notes"])
    assert "# zoo.csv is not used" in (tmp_path / "crm.toml").read_text()


def test_a_leads_table_that_cannot_be_read_is_not_replaced_by_another(tmp_path, unchecked):
    rows = plain_leads(stage=lambda row: ("won", "lost")[row % 2])
    folder = written(
        tmp_path / "exports",
        {"leads.csv": table(rows) + "L9,too,many,cells,for,this,table\n" * 3, "outcomes.csv": table(rows)},
    )
    said = leadsieve("init", folder, "--output", tmp_path / "crm.toml", "--yes", home=tmp_path / "home")
    assert said.code == 3
    assert "leads.csv" in said.err
    assert not (tmp_path / "crm.toml").exists()


@pytest.mark.slow
def test_lines_that_go_on_below_a_lead_are_no_leads(tmp_path):
    stages = ("won", "lost")
    rows = [
        each
        for row in plain_leads(stage=lambda row: stages[row % 2], touch=lambda _: "Mail")
        for each in (row, {**dict.fromkeys(row, ""), "touch": "Demo"})
    ]
    _, settings = began(tmp_path, written(tmp_path / "exports", {"leads.csv": table(rows)}))
    assert settings.source.leads.drop_incomplete
    assert "200 of 400 rows" in (tmp_path / "crm.toml").read_text()


def test_a_database_is_looked_at_like_a_folder(tmp_path, unchecked):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE leads AS SELECT i AS lead_id, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS created_at FROM range(90) t(i)"
        )
        connection.execute(
            "CREATE TABLE history AS SELECT i AS lead_id, CASE WHEN i % 2 = 0 THEN 'won' ELSE 'lost' END AS stage,"
            " TIMESTAMP '2024-02-01' + INTERVAL (i) HOUR AS occurred_at FROM range(90) t(i)"
        )
    _, settings = began(tmp_path, f"duckdb:{tmp_path / 'crm.duckdb'}")
    assert settings.source.outcomes.table == "history"
    assert settings.source.leads.lead_id == "lead_id"


def test_a_password_is_not_written():
    from pathlib import Path

    from pipelines.flows.init.start import _written

    written_url, environ = _written("postgresql://ann:hunter2@host/crm", Path("crm.toml"))
    assert written_url == "postgresql://ann:${PASSWORD}@host/crm"
    assert environ["PASSWORD"] == "hunter2"


@pytest.mark.slow
def test_a_date_that_can_be_read_in_two_ways_is_decided_and_the_other_way_named(tmp_path):
    start = datetime(2024, 1, 1)
    rows = [
        {
            "id": row,
            "created": f"{1 + row % 12:02}/{1 + row // 12 % 12:02}/2024",
            "stage": ("won", "lost")[row % 2],
            "amount": start.year,
        }
        for row in range(144)
    ]
    said, settings = began(tmp_path, written(tmp_path / "exports", {"leads.csv": table(rows)}))
    assert settings.source.leads.date_format == {"created": "%d/%m/%Y"}
    assert "or '%m/%d/%Y'" in (tmp_path / "crm.toml").read_text()
    assert said.code in (0, 4)


def test_what_is_left_to_mend_is_said_in_the_users_own_words(tmp_path):
    rows = plain_leads(Phase=lambda row: ("Gewonnen", "Verloren", "Blau")[row % 3])
    said, _ = began(tmp_path, written(tmp_path / "exports", {"leads.csv": table(rows)}))
    assert said.code == 3
    assert any("'Blau' (66)" in line and "Phase" in line for line in said.json["remains"])


@pytest.mark.slow
def test_a_column_that_knows_too_much_is_excluded_with_what_was_measured(tmp_path):
    won = [each.won for each in leads()]
    rows = plain_leads(
        len(won),
        stage=lambda row: ("lost", "won")[won[row]],
        contract=lambda row: "AB"[row % 2] if won[row] else "",
    )
    said, settings = began(tmp_path, written(tmp_path / "exports", {"leads.csv": table(rows)}))
    assert said.code == 0
    assert "contract" in settings.features.exclude
    assert "excluded: " in said.json["columns"]["contract"]


def test_nothing_that_can_be_looked_at_is_one_sentence(tmp_path):
    said = leadsieve("init", tmp_path / "none", "--output", tmp_path / "crm.toml", home=tmp_path / "home")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert not os.listdir(tmp_path) or not (tmp_path / "crm.toml").exists()


@pytest.mark.slow
def test_the_line_of_the_readme_begins_with_any_export(tmp_path, monkeypatch):
    line = next(words for words in LINES if words[:2] == ["leadsieve", "init"])
    EXPORTS["HubSpot"](tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    said = leadsieve(*line[1:], home=tmp_path / "home")
    assert said.code == 0, shlex.join(line) + said.err
    assert "leadsieve check --config" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loan_applications", "maven_crm", "olist", "uci_bank", "x_education"])
def test_every_real_data_set_is_configured_without_a_line_edited(name, tmp_path, shared_data):
    said, _ = began(tmp_path, shared_data / name)
    assert said.code == 0, said.json["remains"]


def test_a_server_says_when_rows_were_changed_and_files_do_not_need_to(tmp_path):
    from pipelines.flows.init.columns import look
    from pipelines.flows.init.guess import guessed
    from pipelines.flows.init.times import set_changed
    from pipelines.sources.connections import open_source
    from pipelines.sources.engine import local_engine

    made = plain_leads(SystemModstamp=lambda row: minute(datetime(2025, 1, 1) + timedelta(hours=row)))
    written(tmp_path, {"leads.csv": table(made)})
    engine = local_engine()
    tables = [look(open_source(f"files:{tmp_path}", connection=engine), "leads.csv", engine)]
    draft = guessed(tables, lambda _, options: options[0])
    assert draft.value("source.leads", "updated_at") is None
    set_changed(draft, tables)
    assert draft.value("source.leads", "updated_at") == "SystemModstamp"
    assert draft.taken["SystemModstamp"] == "when the row was last changed"
