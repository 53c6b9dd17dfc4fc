"""The command line, run as it is: what it says, where it says it, and the code it ends with."""

import csv
import json
import socket
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.commands import FLAT, QUICK, SIMULATED, Said, command, flat_leads, leadsieve, written

ESTIMATES = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
MODEL = {"settled", "positives", "base_rate", *ESTIMATES, "blocks", "baselines"}
BLOCK = {"from", "to", "rows", "positives", "auc", "average_precision", "calibration_ratio"}
KEYS = {
    "train": {"verdict", "version", "alias", "as_of", "models", "policy", "leaks", "warnings", "seconds"},
    "promote": {"promoted", "version", "replaced", "reasons"},
    "score": {"version", "scored", "handed_off", "held", "already_decided", "output", "by_channel"},
}
LEADS = "lead_id,created_at,size\na,2026-01-01,5\nb,2026-01-02,7\nc,2026-01-03,9\n"
EVENTS = "lead_id,kind,occurred_at\na,visit,2026-01-02\n"
OUTCOMES = "lead_id,stage,occurred_at\na,accepted,2026-01-05\na,won,2026-02-05\nb,rejected,2026-01-04\n"


def scored(world: Path, home: Path, *words: object) -> Said:
    return leadsieve("score", "--config", world / "quick.toml", *words, home=home)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def nothing_kept(home: Path) -> bool:
    """Whether a failed command left neither data nor a version nor a decision."""
    return not [
        file
        for file in home.rglob("*")
        if file.suffix == ".parquet" or file.name in ("store.db", "mlflow.db")
    ]


# ── what is printed ──


def test_train_prints_one_object_with_every_key_of_the_interface(world):
    result = json.loads((world / "train.json").read_text())
    assert result.keys() >= KEYS["train"]
    assert (result["version"], result["alias"]) == ("1", "challenger")
    assert result["verdict"] in ("ready", "weak")
    assert result["seconds"].keys() >= {"pull", "features", "fit", "evaluate", "register"}
    assert result["policy"].keys() >= {"cut", "held_share", "promise"}
    assert [words.partition(":")[0] for words in result["policy"]["arms"]["words"]] == [
        "pass_through = 0.05",
        "forced = 0",
    ]
    assert result["models"].keys() == {"pursue", "convert", "both"}
    for model in result["models"].values():
        assert model.keys() >= MODEL
        assert all(model[name].keys() == {"value", "low", "high"} for name in ESTIMATES)
        assert all(block.keys() >= BLOCK for block in model["blocks"])
        assert model["baselines"].keys() == {
            "base_rate",
            "newest_first",
            "best_column",
            "logistic",
            "naive_bayes",
        }
        assert all(
            baseline["auc"].keys() == {"value", "low", "high"} for baseline in model["baselines"].values()
        )


def test_nothing_of_a_quiet_run_goes_to_standard_error(world):
    assert (world / "train.err").read_text() == ""


def test_promote_prints_one_object_with_every_key_of_the_interface(world):
    result = json.loads((world / "promote.json").read_text())
    assert result == {"promoted": True, "version": "1", "replaced": None, "reasons": ["it is the first"]}


def test_score_prints_one_object_with_every_key_of_the_interface(world, home):
    result = scored(world, home, "--json").json
    assert result.keys() >= KEYS["score"]
    assert result["scored"] == result["handed_off"] + result["held"] > 50
    assert sum(sum(counts.values()) for counts in result["by_channel"].values()) == result["scored"]
    assert result["output"] is None


@pytest.mark.slow
def test_demo_prints_one_object_of_the_three_and_shows_the_way_in_words(tmp_path, monkeypatch):
    from pipelines.cli import demo

    monkeypatch.setattr(demo, "CONFIG", f'[source]\nurl = "{SIMULATED}&end={{day}}"\n{QUICK}')
    said = leadsieve("demo", "--json", home=tmp_path)
    assert said.code == 0, said.err
    assert said.json.keys() == KEYS.keys()
    assert all(said.json[command].keys() >= keys for command, keys in KEYS.items())
    assert len(rows_of(tmp_path / "demo" / "decisions.csv")) == said.json["score"]["scored"]
    found = leadsieve(
        "alignment", "--config", tmp_path / "demo" / "leadsieve.toml", "--json", home=tmp_path / "demo"
    ).json
    days = pd.Timestamp(found["as_of"]) - pd.Timestamp(found["funnel"]["months"][-1]["month"])
    assert days < pd.Timedelta(days=32), "the demonstration's leads are of these days"


def test_words_go_to_standard_output_and_progress_to_standard_error(world, home, tmp_path):
    said = scored(world, home, "--output", tmp_path / "out.csv")
    assert said.code == 0
    assert "handed off" in said.out
    assert " ".join(said.out.split()).endswith(f"all decisions: {tmp_path / 'out.csv'}")
    assert "score and decide" in said.err
    assert "score and decide" not in said.out


@pytest.mark.parametrize("breaks", [False, True], ids=["done", "refused"])
def test_a_process_ends_without_a_word_that_is_not_meant_for_its_user(world, home, tmp_path, breaks):
    """DuckDB complains over a screen about whatever of its own is left when Python ends."""
    folder = written(tmp_path / "crm", {"leads.csv": LEADS + "a,2026-01-04,1\n"})
    source = f"files:{folder}" if breaks else SIMULATED
    done = command("score", "--config", world / "quick.toml", "--source", source, "--json", home=home)
    assert done.returncode == (3 if breaks else 0), done.stderr
    assert len(done.stderr.splitlines()) == (2 if breaks else 0), done.stderr
    assert len(done.stdout.splitlines()) == (0 if breaks else 1)


# ── deciding ──


def test_a_second_run_decides_nobody_and_its_output_is_complete_all_the_same(world, home, tmp_path):
    first = scored(world, home, "--output", tmp_path / "first.csv", "--json").json
    second = scored(world, home, "--output", tmp_path / "second.csv", "--json").json
    assert (second["scored"], second["already_decided"]) == (0, first["scored"])
    known, again = (
        sorted(rows_of(tmp_path / name), key=lambda row: row["lead_id"])
        for name in ("first.csv", "second.csv")
    )
    assert len(known) == first["scored"]
    assert again == known


def test_a_run_that_another_one_overtakes_gives_sales_a_complete_list_too(world, home, tmp_path, monkeypatch):
    from pipelines.deciding import known as at_hand
    from pipelines.home import store_of
    from pipelines.settings import load_settings

    propose = at_hand.propose

    def overtaken(*given, **options):
        proposed = propose(*given, **options)
        store_of(load_settings(None), home).record(
            proposed.head(30).assign(this_week=True)
        )  # by the other one
        return proposed

    monkeypatch.setattr(at_hand, "propose", overtaken)
    overtaken = scored(world, home, "--output", tmp_path / "overtaken.csv", "--json").json
    again = scored(world, home, "--output", tmp_path / "again.csv", "--json").json
    assert (overtaken["scored"], overtaken["already_decided"]) == (again["already_decided"] - 30, 30)
    known, complete = (
        sorted(rows_of(tmp_path / name), key=lambda row: row["lead_id"])
        for name in ("overtaken.csv", "again.csv")
    )
    assert known == complete


@pytest.mark.slow
def test_a_spreadsheet_runs_nothing_of_what_is_exported(tmp_path):
    leads = [line.split(",") for line in flat_leads(rows=400, signal=0.9).splitlines()]
    text = "\n".join(",".join([f"=cmd|{row[0]}" if at else row[0], *row[1:]]) for at, row in enumerate(leads))
    folder = written(
        tmp_path / "crm", {"leads.csv": text.replace(",a,", ",@SUM(A1),"), "c.toml": FLAT + QUICK}
    )
    assert leadsieve("train", "--config", folder / "c.toml", "--force", home=tmp_path / "h").code == 0
    leadsieve("promote", home=tmp_path / "h")
    assert (
        leadsieve(
            "score",
            "--config",
            folder / "c.toml",
            "--all",
            "--output",
            tmp_path / "o.csv",
            home=tmp_path / "h",
        ).code
        == 0
    )
    rows = rows_of(tmp_path / "o.csv")
    assert len(rows) == 400
    assert {row["lead_id"][:6] for row in rows} == {"'=cmd|"}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+@-")]


def test_the_same_input_gives_the_same_output_to_the_byte(world, home, tmp_path):
    """Another home, another moment of the clock: another training run and another scoring run."""
    other = tmp_path / "other"
    trained = leadsieve(
        "train",
        "--config",
        world / "quick.toml",
        "--scores",
        tmp_path / "judged.parquet",
        "--json",
        home=other,
    )
    assert without_time(trained.json) == without_time(json.loads((world / "train.json").read_text()))
    assert (tmp_path / "judged.parquet").read_bytes() == (world / "judged.parquet").read_bytes()
    leadsieve("promote", home=other)
    for place, name in ((home, "one.csv"), (other, "two.csv")):
        assert scored(world, place, "--output", tmp_path / name).code == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def without_time(result: dict) -> dict:
    return {key: value for key, value in result.items() if key != "seconds"}


# ── what anybody can recompute ──


def test_judged_scores_have_the_documented_columns_and_give_the_reported_figures_again(world):
    table = pq.read_table(world / "judged.parquet").to_pandas()
    told = [
        "lead_id",
        "as_of",
        "block",
        "scored_by",
        "fitted_until",
        "p_pursue",
        "p_convert",
        "p_both",
        "pursued",
        "converted",
        "customer",
    ]
    assert list(table)[: len(told)] == told
    assert not table.duplicated(["lead_id", "scored_by"]).any()
    result = json.loads((world / "train.json").read_text())
    models, withheld = result["models"], result["withheld"]
    delivered = table[(table["block"] == -1)]
    assert len(delivered) == withheld["leads"] > 0
    assert set(delivered["scored_by"]) == {"the delivered version"}
    told = delivered.dropna(subset=["customer"])
    for figure, of in (("auc", roc_auc_score), ("average_precision", average_precision_score)):
        assert of(told["customer"], told["p_both"]) == pytest.approx(withheld[figure], abs=1e-9)
    for name, outcome in (("pursue", "pursued"), ("convert", "converted"), ("both", "customer")):
        judged = table.dropna(subset=[outcome])
        newest, judged = judged[judged["block"] == 0], judged[judged["block"] > 0]
        for figure, of in (("auc", roc_auc_score), ("average_precision", average_precision_score)):
            expected = models[name]["newest"][figure]["value"]
            assert of(newest[outcome], newest[f"p_{name}"]) == pytest.approx(expected, abs=1e-9)
        blocks = models[name]["blocks"]
        assert len(blocks) == 3
        for block, (_, rows) in zip(blocks, judged.groupby("block"), strict=True):
            assert (len(rows), rows[outcome].sum()) == (block["rows"], block["positives"])
            assert roc_auc_score(rows[outcome], rows[f"p_{name}"]) == pytest.approx(block["auc"], abs=1e-9)
            assert rows["as_of"].between(pd.Timestamp(block["from"]), pd.Timestamp(block["to"])).all()


def market(
    folder: Path, *, events_before: pd.Timestamp | None = None, before: pd.Timestamp | None = None
) -> Path:
    """The simulated market as files, possibly only what was recorded before a moment.

    Visits may be recorded before their lead is created: ``events_before`` leaves out those of the leads
    created from then on.
    """
    from pipelines.simulation.market import simulate_tables

    folder.mkdir()
    tables = simulate_tables(SIMULATED)
    leads = tables["leads"].to_pandas()
    later = set() if events_before is None else set(leads["lead_id"][leads["created_at"] >= events_before])
    for name, table in tables.items():
        rows = (
            table.select(["lead_id", "created_at" if name == "leads" else "recorded_at"])
            .to_pandas()
            .set_axis(["lead", "time"], axis=1)
        )
        kept = pd.Series(True, index=rows.index) if before is None else rows["time"] < before
        if name == "events" and events_before is not None:
            kept &= ~rows["lead"].isin(later) | (rows["time"] >= events_before)
        pq.write_table(table.filter(kept.to_numpy()), folder / f"{name}.parquet")
    return folder


def test_what_came_after_the_as_of_time_changes_nothing(world, tmp_path):
    from pipelines.simulation.market import simulate_tables

    recorded = simulate_tables(SIMULATED)["events"]["recorded_at"].to_pandas()
    moment = recorded[recorded < pd.Timestamp("2024-10-01")].max() + pd.Timedelta(microseconds=1)
    results = []
    for name, before in (("all", None), ("cut", moment)):
        source = market(tmp_path / name, events_before=moment, before=before)
        words = (
            "--config",
            world / "quick.toml",
            "--source",
            f"files:{source}",
            "--as-of",
            moment.isoformat(),
        )
        said = leadsieve(
            "train",
            *words,
            "--scores",
            tmp_path / f"{name}.parquet",
            "--force",
            "--json",
            home=tmp_path / "h" / name,
        )
        assert said.code == 0, said.err
        results.append(said.json | {"warnings": None, "seconds": None})
    assert results[0] == results[1]
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "cut.parquet").read_bytes()


def test_a_file_of_leads_is_what_is_scored_and_nothing_else(world, home, tmp_path):
    source = market(tmp_path / "source")
    leads = pq.read_table(source / "leads.parquet").to_pandas()
    new = pd.concat([leads.head(2), leads.tail(3).assign(lead_id=["n1", "n2", "n3"])]).drop(
        columns="created_at"
    )
    new.to_csv(tmp_path / "new.csv", index=False)
    words = ("--source", f"files:{source}", "--leads", tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert scored(world, home, *words).code == 0
    rows = rows_of(tmp_path / "out.csv")
    assert sorted(row["lead_id"] for row in rows) == sorted(new["lead_id"])
    assert {row["action"] for row in rows} <= {"hand off", "hold"}
    assert all(0 < float(row["p_convert"]) < 1 for row in rows)


# ── wrong words ──


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--sorce", "x"], "No such option: --sorce"),
        (["train", "--config", "absent.toml"], "there is no configuration 'absent.toml'."),
        (["train"], "no source is named: say --source files:FOLDER"),
        (
            ["train", "--source", "file:exports"],
            "'file:exports' is no address of a source; did you mean 'files:'?",
        ),
        (["train", "--source", "files:absent"], "absent' does not exist; say files:FOLDER"),
        (
            ["train", "--source", "bigquery://project/data"],
            "bigquery: needs an extra; install it with: pip install 'leadsieve[bigquery]'",
        ),
        (["train", "--source", "simulated:?lead=5"], "lead: no such parameter; did you mean 'leads'?"),
        (
            ["train", "--source", SIMULATED, "--as-of", "yesterday"],
            "--as-of: 'yesterday' is no time. Say it like 2026-03-01",
        ),
        (
            ["score", "--source", SIMULATED],
            "there is no champion yet. Train a version and promote it: leadsieve train, then leadsieve promote.",
        ),
        (
            ["score", "--source", SIMULATED, "--output", "out.xlsx"],
            "'out.xlsx' is neither a .csv nor a .parquet file; nothing was written.",
        ),
        (
            ["promote"],
            "there is no challenger: no version has been registered yet. Train one first: leadsieve train.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_cannot_be_meant_end_with_2_and_a_sentence(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    said = leadsieve(*words, home=tmp_path / "h")
    assert said.code == 2
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not list((tmp_path / "h").rglob("*.parquet"))


def test_an_unknown_key_of_the_configuration_ends_with_2_and_the_one_that_was_meant(tmp_path):
    folder = written(tmp_path, {"c.toml": '[source]\nurl = "files:."\n[label]\nconvert_day = 3\n'})
    said = leadsieve("train", "--config", folder / "c.toml", home=tmp_path / "h")
    assert said.code == 2
    assert "label.convert_day: no such key; did you mean 'convert_days'?" in said.err


def test_a_champion_that_is_promoted_already_is_no_challenger(world, home):
    said = leadsieve("promote", home=home)
    assert (said.code, said.out) == (2, "")
    assert "the newest version has been promoted already" in said.err
    assert leadsieve("promote", "7", home=home).code == 2
    again = leadsieve("promote", "1", "--json", home=home)
    assert (again.code, again.json["replaced"]) == (0, None)


def test_an_output_that_cannot_be_written_is_refused_before_anybody_is_decided(world, home, tmp_path):
    said = scored(world, home, "--output", tmp_path / "out.xlsx")
    assert said.code == 2
    assert not (home / "store.db").exists()


# ── wrong data ──


WRONG = {
    "not CSV": (
        {"leads.csv": b"PK\x03\x04rubbish"},
        ["leads.csv", "this is not a CSV file: it looks like an Excel workbook"],
    ),
    "no time column": (
        {"leads.csv": "lead_id,size\na,1\n"},
        ["leads", "created_at: no such column; there are lead_id, size. Name the column"],
    ),
    "no leads table": ({"people.csv": LEADS, "leads.csv": None}, ["leads", "no such table in files:"]),
    "most ids repeated": (
        {"leads.csv": LEADS + 4 * "a,2026-01-04,1\n"},
        ["leads", "lead_id: 4 rows repeat an id, such as 'a'. Map the column"],
    ),
    "empty times": (
        {"leads.csv": LEADS + "d,,1\n"},
        ["leads", "created_at: 1 row is empty, row 4. Fill them at the source"],
    ),
    "mixed zones": (
        {"leads.csv": LEADS + "d,2026-01-04T10:00:00Z,1\ne,2026-01-04T10:00:00,1\n"},
        ["leads", "created_at"],
    ),
    "events of unknown leads": (
        {"events.csv": EVENTS + "z,visit,2026-01-02\n"},
        ["events", "lead_id: 1 row is of a lead", "'z'"],
    ),
    "stages out of order": (
        {"outcomes.csv": OUTCOMES + "c,accepted,2026-03-05\nc,won,2026-02-05\n"},
        ["outcomes", "stage: 1 row closes a lead before its acceptance was recorded, such as for lead 'c'"],
    ),
    "negative delay": (
        {"outcomes.csv": OUTCOMES + "c,lost,2025-12-01\n"},
        ["outcomes", "occurred_at: 1 row is dated before the lead was created, such as for lead 'c'"],
    ),
    "no leads": ({"leads.csv": "lead_id,created_at\n"}, ["leads", "rows: there are none"]),
    "no outcomes": ({"outcomes.csv": "lead_id,stage,occurred_at\n"}, ["outcomes", "rows: there are none"]),
    "an empty file": ({"outcomes.csv": ""}, ["outcomes.csv", "this is not a CSV file: it is empty"]),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.slow
def test_data_that_break_the_contract_end_with_3_and_a_sentence_and_leave_nothing(tmp_path, case):
    changes, (table, *sentences) = WRONG[case]
    files = {"leads.csv": LEADS, "events.csv": EVENTS, "outcomes.csv": OUTCOMES} | changes
    folder = written(tmp_path / "crm", {name: text for name, text in files.items() if text is not None})
    said = leadsieve("train", "--source", f"files:{folder}", home=tmp_path / "h")
    assert said.code == 3
    assert f"table '{table}' breaks its contract in 1 place; nothing was stored." in said.err
    assert [sentence for sentence in sentences if sentence not in said.err] == []
    assert "Traceback" not in said.err
    assert nothing_kept(tmp_path / "h")


@pytest.mark.slow
def test_all_breaches_of_all_tables_are_told_at_once(tmp_path):
    leads = LEADS + ",2026-01-05,1\nd,,1\n"
    folder = written(
        tmp_path / "crm",
        {"leads.csv": leads, "events.csv": EVENTS + "z,visit,2026-01-02\n", "outcomes.csv": OUTCOMES},
    )
    said = leadsieve("train", "--source", f"files:{folder}", home=tmp_path / "h")
    lines = said.err[said.err.index("table 'leads'") :].splitlines()
    assert said.code == 3
    assert lines[0] == "table 'leads' breaks its contract in 2 places; nothing was stored."
    assert [line.split(":")[0] for line in lines] == [
        lines[0],
        "  lead_id",
        "  created_at",
        lines[3],
        "  lead_id",
    ]
    assert lines[3] == "table 'events' breaks its contract in 1 place; nothing was stored."
    assert nothing_kept(tmp_path / "h")


def test_new_leads_that_break_the_contract_are_not_scored(world, home, tmp_path):
    (tmp_path / "new.csv").write_text("lead_id,channel\nn1,email\n,email\n")
    said = scored(world, home, "--leads", tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert said.code == 3
    assert "table 'new.csv' breaks its contract" in said.err
    assert "no lead was scored" in said.err
    assert not (home / "store.db").exists()
    assert not (tmp_path / "out.csv").exists()


# ── data that teach nothing ──


def test_too_few_leads_end_with_4_and_register_nothing(tmp_path):
    folder = written(tmp_path / "crm", {"leads.csv": LEADS, "events.csv": EVENTS, "outcomes.csv": OUTCOMES})
    said = leadsieve("train", "--source", f"files:{folder}", "--json", home=tmp_path / "h")
    assert said.code == 4
    assert (said.json["verdict"], said.json["version"], said.json["alias"]) == ("too little data", None, None)
    assert not (tmp_path / "h" / "mlflow.db").exists()


@pytest.mark.slow
def test_a_model_that_could_not_be_judged_is_registered_by_force_and_cut_on_its_own_scores(tmp_path):
    settings = f'[source]\nurl = "simulated:?leads=300&months=3"\n[policy]\nhold_share = 0.2\n{QUICK}'
    folder = written(tmp_path / "crm", {"c.toml": settings})
    said = leadsieve("train", "--config", folder / "c.toml", "--force", "--json", home=tmp_path / "h")
    assert (said.code, said.json["verdict"], said.json["version"]) == (0, "too little data", "1")
    assert 0 < said.json["policy"]["cut"] < 1


@pytest.mark.slow
def test_a_model_no_better_than_chance_is_registered_only_by_force(tmp_path):
    folder = written(tmp_path / "crm", {"leads.csv": flat_leads(rows=600, signal=0), "c.toml": FLAT + QUICK})
    words = ("train", "--config", folder / "c.toml", "--json")
    said = leadsieve(*words, home=tmp_path / "h")
    assert said.code == 4
    assert (said.json["verdict"], said.json["version"], said.json["policy"]) == (
        "no better than chance",
        None,
        None,
    )
    assert not (tmp_path / "h" / "mlflow.db").exists()
    forced = leadsieve(*words, "--force", home=tmp_path / "h")
    assert (forced.code, forced.json["version"], forced.json["verdict"]) == (0, "1", "no better than chance")


@pytest.mark.slow
def test_a_model_that_learns_something_from_the_same_rows_is_registered(tmp_path):
    folder = written(
        tmp_path / "crm", {"leads.csv": flat_leads(rows=600, signal=0.8), "c.toml": FLAT + QUICK}
    )
    said = leadsieve("train", "--config", folder / "c.toml", "--json", home=tmp_path / "h")
    assert said.code == 0
    assert said.json["models"]["convert"]["auc"]["value"] > 0.65


# ── systems out of reach, and passwords ──

PASSWORD = "geheim%21wort"


@pytest.fixture
def nobody(monkeypatch) -> int:
    """A port at which nobody answers, and no patience."""
    from pipelines.flows import runs

    monkeypatch.setattr(runs, "PAUSE", 0.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("place", ["source", "registry", "store"])
def test_a_server_that_is_down_ends_with_5_and_its_password_is_nowhere(world, home, tmp_path, nobody, place):
    before = leadsieve("versions", "--json", home=home).json
    scheme = "http" if place == "registry" else "postgresql"
    urls = {"source": SIMULATED} | {place: f"{scheme}://ann:{PASSWORD}@127.0.0.1:{nobody}/crm"}
    text = "\n".join(f'[{section}]\nurl = "{url}"' for section, url in urls.items())
    folder = written(tmp_path / "crm", {"c.toml": text})
    said = leadsieve("score", "--config", folder / "c.toml", home=home)
    assert said.code == 5, said.err
    assert "127.0.0.1" in said.err
    assert "Traceback" not in said.err
    assert leadsieve("versions", "--json", home=home).json == before
    assert hides(said, home)


def hides(said: Said, *folders: Path) -> bool:
    """Whether the password is in no output and in no file."""
    for word in (PASSWORD, "geheim!wort"):
        assert word not in said.out + said.err
        assert not [
            file
            for folder in folders
            for file in folder.rglob("*")
            if file.is_file() and word.encode() in file.read_bytes()
        ]
    return True


def test_the_search_for_passwords_finds_one(tmp_path):
    (tmp_path / "file").write_text(f"a {PASSWORD} b")
    with pytest.raises(AssertionError):
        hides(Said(0, "", ""), tmp_path)


def test_a_server_that_answers_leaves_no_password_behind_either(world, tmp_path):
    from prefect.settings import get_current_settings

    psycopg = pytest.importorskip("psycopg")
    from tests.postgres_server import postgres

    with postgres() as server:
        where, lines = server.con.info, flat_leads(rows=600, signal=0.9).splitlines()[1:]
        with psycopg.connect(where.dsn, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS leads, decisions, store_version")
            connection.execute(
                "CREATE TABLE leads (lead_id text, visits float, team text, won text, created_at timestamp)"
            )
            with connection.cursor().copy("COPY leads FROM STDIN (FORMAT csv)") as copy:
                copy.write(
                    "".join(
                        f"{line},2025-{1 + at // 50:02d}-{1 + at % 28:02d}\n" for at, line in enumerate(lines)
                    )
                )
        text = f"""
[source]
url = "postgresql://{where.user}:{PASSWORD}@127.0.0.1:{where.port}/{where.dbname}"
[source.outcome]
column = "won"
won = ["yes"]
lost = ["no"]
[store]
url = "postgresql://{where.user}:{PASSWORD}@127.0.0.1:{where.port}/{where.dbname}"
{QUICK}"""
        folder = written(tmp_path / "crm", {"c.toml": text})
        home = tmp_path / "h"
        database = Path(
            get_current_settings().server.database.connection_url.get_secret_value().partition("///")[2]
        )
        trained = leadsieve("train", "--config", folder / "c.toml", "--force", home=home)
        assert trained.code == 0, trained.err
        assert hides(trained, home, database.parent)
        told = leadsieve(
            "report", "--config", folder / "c.toml", "--page", home / "page.html", "--json", home=home
        )
        assert told.json["trained_on"]["source"].startswith(f"postgresql://{where.user}:***@")
        assert f"postgresql://{where.user}:***@" in (home / "page.html").read_text()
        assert hides(told, home)
        assert leadsieve("promote", "--config", folder / "c.toml", home=home).code == 0
        said = leadsieve("score", "--config", folder / "c.toml", "--all", "--json", home=home)
        assert said.json["scored"] == 600
        assert hides(said, home, database.parent)
