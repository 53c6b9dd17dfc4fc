"""``leadsieve check`` as its user meets it: what it counts, which columns it objects to, what train does
then, and its page.
"""

import base64
import random
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.policy.settings import PolicySettings
from models.readiness import readiness
from pipelines.reports.check import check_page
from tests.commands import QUICK, Said, leadsieve, written
from tests.test_leakage import Market

START, HOSTILE = date(2025, 1, 1), "<script>alert(1)</script>"
KEYS = {
    "passes",
    "as_of",
    "readiness",
    "tables",
    "values",
    "leaks",
    "rows",
    "detectors",
    "mend",
    "warnings",
    "seconds",
}
SETTINGS = f"""
[source]
url = "files:."
[source.leads]
table = "leads.csv"
[source.outcomes]
table = "outcomes.csv"
[label]
convert_days = 30
{QUICK}
[features]
"""


def crm(
    folder: Path, *, rows: int = 900, stage_by: int | None = None, **columns: tuple[str, str, float]
) -> Path:
    """Four leads a day, each closed after ten days; ``columns`` hold a text for a share of the wins, and
    another one for all others.

    ``stage_by`` adds a column that says on that day whether a lead has been won by then.
    """
    draw = random.Random(5)
    leads, outcomes = (
        [
            ",".join(
                ["lead_id", "created_at", "visits", "size", *columns, *["stage"] * (stage_by is not None)]
            )
        ],
        [],
    )
    for row in range(rows):
        visits, day = draw.random(), row // 4
        won = draw.random() < 0.1 + 0.5 * visits
        said = [
            filled if won and draw.random() < share else empty for filled, empty, share in columns.values()
        ]
        if stage_by is not None:
            said.append("customer" if won and day + 10 <= stage_by else "new")
        leads.append(
            ",".join(
                [f"l{row}", str(START + timedelta(days=day)), f"{visits:.3f}", f"{draw.random():.3f}", *said]
            )
        )
        outcomes.append(f"l{row},{'won' if won else 'lost'},{START + timedelta(days=day + 10)}")
    tables = {
        "leads.csv": "\n".join(leads) + "\n",
        "outcomes.csv": "\n".join(["lead_id,stage,occurred_at", *outcomes]) + "\n",
    }
    return written(folder / "crm", tables)


def run(command: str, folder: Path, *words: object, features: str = "", day: int = 300) -> Said:
    written(folder / "crm", {"c.toml": SETTINGS + features})
    as_of = START + timedelta(days=day)
    return leadsieve(
        command, "--config", folder / "crm" / "c.toml", "--as-of", as_of, *words, home=folder / "home"
    )


def doubted(said: Said) -> dict[str, str]:
    return {leak["column"]: leak["verdict"] for leak in said.json["leaks"] if leak["verdict"] != "ok"}


# ── is there enough? ──


def test_a_source_that_is_ready_ends_with_0_and_its_object_has_every_key(tmp_path):
    crm(tmp_path)
    said = run("check", tmp_path, "--json")
    assert said.code == 0, said.err
    assert set(said.json) == KEYS
    assert (said.json["passes"], said.json["mend"], said.json["as_of"]) == (
        True,
        None,
        "2025-08-23T00:00:00.000001",
    )
    assert said.json["readiness"]["verdict"] == "ready"
    assert said.json["readiness"]["outcomes"]["pursue"] is None
    found = said.json["readiness"]["outcomes"]["convert"]
    assert (found["settled"], found["open"], found["unknown"], found["positives"] + found["negatives"]) == (
        900,
        0,
        0,
        820,
    )  # 820 are 30 days old
    tables = said.json["tables"]
    assert (tables["leads"]["rows"], tables["leads"]["from"], tables["leads"]["to"]) == (
        900,
        "2025-01-01T00:00:00",
        "2025-08-13T00:00:00",
    )
    assert sum(tables["outcomes"]["stages"].values()) == 900
    assert tables["events"] is None
    assert [column["column"] for column in tables["leads"]["columns"]] == ["visits", "size"]
    assert [each["detector"] for each in said.json["detectors"]] == [
        "knowledge time",
        "strength",
        "fresh against mature",
        "formats",
        "pairs",
        "uniqueness",
        "company",
    ]
    assert said.json["detectors"][1]["leads"]["won"] == 820


def test_leads_that_have_time_left_are_open_and_nothing_later_is_seen(tmp_path):
    crm(tmp_path)
    said = run("check", tmp_path, "--json", day=100)
    found = said.json["readiness"]["outcomes"]["convert"]
    assert said.json["tables"]["leads"]["rows"] == 400
    assert found["open"] == 4 * 10  # those of the last ten days; all others are closed
    assert found["settled"] == 360


@pytest.mark.slow
def test_too_few_wins_end_with_4_and_say_how_many_are_missing(tmp_path):
    crm(tmp_path, rows=60)
    said = run("check", tmp_path)
    assert said.code == 4
    assert "too little data" in said.out
    assert re.search(
        r"\d+ settled leads were won, and 30 are needed to judge a model: \d+ are missing", said.out
    )
    assert said.out.endswith("leadsieve train would stop here\n")
    assert run("train", tmp_path).code == 4


def test_a_broken_contract_ends_with_3_and_no_verdict(tmp_path):
    folder = crm(tmp_path)
    table = (folder / "leads.csv").read_text()
    _, _, rest = table.splitlines()[-1].partition(",")
    written(folder, {"leads.csv": f"{table},{rest}\n"})
    said = run("check", tmp_path, "--json")
    assert (said.code, said.out) == (3, "")
    assert "lead_id: 1 row is empty, row 901" in said.err


@pytest.mark.parametrize(
    ("wins", "missing"),
    [(20, {0.05: 98, 0.1: 38, 0.2: 8}), (118, {0.05: 0, 0.1: 0, 0.2: 0}), (117, {0.05: 1, 0.1: 0, 0.2: 0})],
)
def test_a_promise_of_5_10_or_20_percent_needs_59_29_or_14_wins_set_aside_and_as_many_to_learn_from(
    wins, missing
):
    market = Market(dates=False)
    market.won = market.won & (market.won.cumsum() <= wins)
    learning = market.learning
    found = readiness(
        replace(learning, fates=learning.fates.assign(amount=np.nan, margin=np.nan)), PolicySettings()
    )
    assert found.wins == wins
    assert {each.max_lost_share: each.missing for each in found.promises if each.of == "customers"} == missing
    assert {each.missing for each in found.promises if each.of == "margin"} == {None}
    assert found.verdict == {20: "too little data", 117: "ready, without a promise", 118: "ready"}[wins]
    assert any(f"there are {wins}: {missing[0.05]} are missing" in reason for reason in found.reasons) == (
        wins < 118
    )


# ── which columns know too much? ──

AMOUNT = {"amount": ("4000", "", 1.0)}


@pytest.mark.slow
def test_a_column_that_only_wins_have_stops_check_and_train_until_the_configuration_decides(tmp_path):
    crm(tmp_path, **AMOUNT, size_class=("big", "small", 0.4))
    said = run("check", tmp_path, "--json", features='exclude = ["size"]')
    assert said.code == 4
    assert doubted(said) == {"amount": "suspicious", "size_class": "suspicious"}
    assert (
        'exclude = ["size", "amount", "size_class"]' in said.json["mend"]
    )  # what is pasted keeps what was excluded before

    stopped = run("train", tmp_path)
    assert stopped.code == 4
    assert "nothing was trained" in stopped.err
    assert "amount: suspicious: " in stopped.err
    assert not list((tmp_path / "home").glob("artifacts/*/*"))

    assert doubted(run("check", tmp_path, "--json", features='exclude = ["amount", "size_class"]')) == {}
    kept = run("train", tmp_path, "--json", features='trusted = ["amount"]\nexclude = ["size_class"]')
    assert kept.code == 0, kept.err
    assert [(leak["column"], leak["trusted"]) for leak in kept.json["leaks"] if leak["verdict"] != "ok"] == [
        ("amount", True)
    ]
    assert any(
        warning.startswith("trusted by the configuration though suspicious: amount")
        for warning in kept.json["warnings"]
    )


@pytest.mark.parametrize("key", ["exclude", "trusted"])
def test_a_mistyped_column_is_refused_with_the_one_that_was_meant(tmp_path, key):
    crm(tmp_path, **AMOUNT)
    said = run("check", tmp_path, features=f'{key} = ["amuont"]')
    assert said.code == 2
    assert "did you mean 'amount'?" in said.err


@pytest.mark.slow
def test_a_column_that_was_another_in_an_older_pull_is_known_too_late_and_no_trust_helps(tmp_path):
    crm(tmp_path, stage_by=150)
    first = run("check", tmp_path, "--json", day=150)
    assert "no earlier snapshot" in first.json["detectors"][0]["blind"]
    crm(tmp_path, stage_by=225)
    said = run("check", tmp_path, "--json", features='trusted = ["stage"]', day=225)
    assert said.code == 4
    [late] = [leak for leak in said.json["leaks"] if leak["verdict"] != "ok"]
    assert (late["column"], late["verdict"], late["detector"]) == (
        "stage",
        "known too late",
        "knowledge time",
    )
    assert said.json["detectors"][0]["leads"] == {
        "young then": 120
    }  # those of the thirty days before the first pull
    assert "trusted does not help" in said.json["mend"]
    assert run("train", tmp_path, features='trusted = ["stage"]', day=225).code == 4
    assert run("check", tmp_path, features='exclude = ["stage"]', day=225).code == 0


# ── words and page ──


@pytest.mark.slow
def test_the_words_say_every_figure_that_the_object_has(tmp_path):
    crm(tmp_path, **AMOUNT)
    said, found = run("check", tmp_path), run("check", tmp_path, "--json").json
    counts = found["readiness"]["outcomes"]["convert"]
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.out.splitlines()]
    assert [
        "Won?",
        *(str(counts[key]) for key in ("settled", "open", "unknown", "positives", "negatives")),
    ] in rows
    assert ["5 %", "customers", "118", "0", "← configured"] in rows
    empty = next(
        column["empty"] for column in found["tables"]["leads"]["columns"] if column["column"] == "amount"
    )
    assert ["amount", f"{empty:.1%}".replace("%", " %"), "number", "suspicious", "strength 1.00"] in rows
    assert [row[0] for row in rows if row[0] in {each["detector"] for each in found["detectors"]}] == [
        each["detector"] for each in found["detectors"]
    ]
    assert "every lead counts as worked" in said.out


@pytest.mark.slow
def test_outcomes_of_leads_whose_horizon_is_not_over_are_said_to_be_counted_apart(tmp_path):
    crm(tmp_path)
    said, counts = (
        run("check", tmp_path, day=150).out,
        run("check", tmp_path, "--json", day=150).json["readiness"]["outcomes"]["convert"],
    )
    early = counts["settled"] - counts["positives"] - counts["negatives"]
    assert early == 4 * 19  # four a day, closed after ten days, before the thirty of the horizon are over
    assert f"yes and no leave out {early} outcomes of leads whose horizon is not over yet" in said


@pytest.mark.slow
def test_the_page_stands_alone_shows_every_column_and_reads_nothing_of_the_data_as_html(tmp_path):
    crm(tmp_path, **{"amount": ("4000", "", 1.0), HOSTILE: (HOSTILE, "none", 1.0)})
    said = run("check", tmp_path, "--page", tmp_path / "check.html")
    assert said.code == 4
    assert f"page: {tmp_path / 'check.html'}" in said.out
    page = (tmp_path / "check.html").read_text()
    assert not re.findall(r"""(?:(?:src|href)=["']|url\()(?!data:)""", page)
    assert "<script" not in page
    assert page.count('<th scope="row">&lt;script&gt;') == 1
    for column in ("visits", "size", "amount"):
        assert f'<th scope="row">{column}</th>' in page
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)">', page)
    assert [alt.partition(" by")[0] for _, alt in pictures] == [
        "Leads over time, stacked",
        *["Share of leads with the outcome"] * 2,
    ]
    assert all(base64.b64decode(drawn).startswith(b"<?xml") for drawn, _ in pictures)
    assert "exclude = [&quot;amount&quot;" in page
    assert run("check", tmp_path, "--page", tmp_path / "again.html").code == 4
    assert (tmp_path / "again.html").read_text() == page


def test_a_page_of_a_source_without_doubts_says_so_and_needs_no_pictures(tmp_path):
    crm(tmp_path)
    page = check_page(run("check", tmp_path, "--json").json, {})
    assert "no column stops training" in page
    assert "exclude" not in page
    assert "None." in page


# ── how values were read ──


@pytest.mark.slow
def test_what_was_done_to_values_is_told_in_a_short_table_and_of_every_column_on_demand(tmp_path):
    folder = crm(tmp_path, rows=200)
    table = (folder / "leads.csv").read_text().splitlines()
    cells = [f'"{row % 7 + 1}.{row % 900 + 100:03},50 €"' for row in range(len(table))]
    (folder / "leads.csv").write_text(
        "\n".join(f"{line},{'budget' if not row else cells[row]}" for row, line in enumerate(table))
    )
    said = run("check", tmp_path)
    told = said.out[said.out.index("How were the values read?") :]
    assert re.search(r"budget +number +the decimal comma, which alone .*none +\S+ €", told)
    assert "visits" not in told
    every = run("check", tmp_path, "--all").out
    assert re.search(r"visits +number +plainly", every[every.index("How were the values read?") :])
    values = {each["column"]: each for each in run("check", tmp_path, "--json").json["values"]}
    assert (values["budget"]["way"], values["budget"]["filled"], values["visits"]["told"]) == (
        "decimal comma",
        200,
        False,
    )
