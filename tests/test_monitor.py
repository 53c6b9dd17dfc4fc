"""The champion watched by the real command: quiet while nothing has changed, and plain about what is wrong
when something has.
"""

import re
import shutil
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.csv
import pytest

from pipelines.flows.retrain import retrain
from pipelines.settings import load_settings
from pipelines.simulation.market import simulate_tables
from tests.commands import QUICK, Said, brief, leadsieve, written

LAUNCH, BROKEN, NOW = "2024-09-02", "2024-10-14", "2024-11-25"
WEEKS = ("2024-09-02", "2024-09-09", "2024-09-16", "2024-09-23")
KEYS = {
    "verdict",
    "reasons",
    "steps",
    "alarms",
    "nearly",
    "hints",
    "promise",
    "watched",
    "retrained",
    "version",
    "as_of",
    "decided",
}


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    """A folder with a year of made-up leads as files, and a home whose champion was trained in it and decided
    leads for four weeks.
    """
    folder = tmp_path_factory.mktemp("market")
    for name, table in simulate_tables("simulated:?leads=4000&months=12&gamma=0").items():
        (folder / "quiet").mkdir(exist_ok=True)
        pyarrow.csv.write_csv(table, folder / "quiet" / f"{name}.csv")
    written(folder, {"c.toml": QUICK, "retrain.toml": f"{QUICK}[monitor]\nretrain = true\n"})
    for words in (("train", "--force", "--as-of", LAUNCH), ("promote", "--force", "--why", "to be watched")):
        said = leadsieve(
            *words,
            "--config",
            folder / "c.toml",
            "--source",
            f"files:{folder / 'quiet'}",
            home=folder / "home",
        )
        assert said.code == 0, said.err
    for week in WEEKS:
        assert asked("score", folder / "quiet", week, home=folder / "home").code == 0
    return folder


@pytest.fixture
def home(market, tmp_path) -> Path:
    return Path(shutil.copytree(market / "home", tmp_path / "home"))


@pytest.fixture
def home_of_world(world, tmp_path) -> Path:
    return Path(shutil.copytree(world / "home", tmp_path / "world"))


def asked(command: str, source: Path, as_of: str, *words: object, home: Path, config: str = "c.toml") -> Said:
    return leadsieve(
        command,
        "--config",
        source.parent / config,
        "--source",
        f"files:{source}",
        "--as-of",
        as_of,
        "--json",
        *words,
        home=home,
    )


def changed(market: Path, name: str, table: str, change) -> Path:
    """The market's files with one table changed, as a folder beside them."""
    folder = Path(shutil.copytree(market / "quiet", market / name, dirs_exist_ok=True))
    change(pd.read_csv(folder / f"{table}.csv", dtype="str", keep_default_na=False)).to_csv(
        folder / f"{table}.csv", index=False
    )
    return folder


def test_a_market_that_has_not_changed_is_steady_and_the_page_shows_it(market, home, tmp_path):
    page = tmp_path / "monitor.html"
    asked("score", market / "quiet", "2024-11-18", home=home)
    said = asked("monitor", market / "quiet", NOW, "--page", page, home=home)
    told = said.json
    assert (said.code, told["verdict"], told["alarms"], told["steps"]) == (0, "steady", [], [])
    assert told.keys() >= KEYS
    assert told["watched"].keys() == {"pursue", "convert"}
    whole = told["watched"]["pursue"]["segments"][0]
    assert (whole["column"], whole["group"]) == (None, None)
    assert 0.75 < whole["observed"] / whole["expected"] < 1.33
    assert len(whole["z"]) == len(told["watched"]["pursue"]["weeks"]) == 12
    assert {each["column"] for each in told["watched"]["pursue"]["segments"]} >= {None, "grade"}
    html = page.read_text(encoding="utf-8")
    assert "steady: leave it as it is" in html
    assert html.count("<img ") == 2
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)


def test_a_column_gone_empty_and_new_values_are_said_before_leads_are_decided_and_by_the_monitor(
    market, home
):
    def broken(leads: pd.DataFrame) -> pd.DataFrame:
        late = leads["created_at"] >= BROKEN
        return leads.assign(
            employees=leads["employees"].mask(late, ""), channel=leads["channel"].mask(late, "podcast")
        )

    source = changed(market, "broken", "leads", broken)
    asked("score", market / "quiet", BROKEN, home=home)
    warned = asked("score", source, "2024-10-21", home=home).json["warnings"]
    assert any("column 'employees' is empty in every lead; " in each for each in warned)
    assert any(
        "column 'channel': 100% of the values are ones that the model never saw, such as 'podcast'" in each
        for each in warned
    )
    assert not any("'country'" in each for each in warned)

    said = asked("monitor", source, "2024-10-21", home=home)
    told = said.json
    assert (said.code, told["verdict"], told["alarms"]) == (0, "watch", [])
    assert {(hint["kind"], hint["about"]) for hint in told["hints"] if hint["serious"]} == {
        ("emptied", "employees"),
        ("unseen", "channel"),
    }
    assert told["steps"] == ["Mend the data before the next leads are scored"]


def test_outcomes_that_are_not_recorded_any_more_are_noticed(market, home):
    source = changed(
        market, "silent", "outcomes", lambda outcomes: outcomes[outcomes["recorded_at"] < "2024-10-20"]
    )
    told = asked("monitor", source, NOW, home=home).json
    silent = [hint for hint in told["hints"] if hint["kind"] == "stale"]
    assert "table 'outcomes'" in {hint["about"] for hint in silent}
    assert told["verdict"] != "steady"
    assert any(reason.startswith("nothing new in table 'outcomes' for 3") for reason in told["reasons"])


@pytest.mark.slow
def test_when_sales_stops_taking_leads_up_the_monitor_says_so_ends_with_4_and_trains_anew_if_asked_to(
    market, home
):
    leads = pd.read_csv(market / "quiet" / "leads.csv", dtype="str")
    late = set(leads.loc[leads["created_at"] >= LAUNCH, "lead_id"])

    def fewer(outcomes: pd.DataFrame) -> pd.DataFrame:
        gone = {lead for lead in late if int(lead[1:]) % 10 < 7}
        return outcomes[
            ~(outcomes["lead_id"].isin(gone) & outcomes["stage"].isin(["accepted", "won", "lost"]))
        ]

    source = changed(market, "fewer", "outcomes", fewer)
    said = leadsieve(
        *("monitor", "--config", market / "c.toml", "--source", f"files:{source}", "--as-of", NOW),
        home=Path(shutil.copytree(home, home.parent / "a")),
    )
    assert said.code == 4
    assert said.out.startswith("version 1 · retrain: ")
    assert re.search(
        r"All leads, decided since 2024-0[89]-\d\d: \d+ taken up so far where \d+ were expected by now \(× 0\.\d\d, z −\d",
        " ".join(said.out.split()),
    )
    assert "Ask what changed for all leads around 2024-0" in said.out

    with brief():
        said = asked("monitor", source, NOW, home=home, config="retrain.toml")
    told = said.json
    assert (said.code, told["verdict"]) == (4, "retrain")
    assert told["retrained"]["reasons"]  # too few are taken up by now to learn much from
    assert told["retrained"]["promoted"] is False


@pytest.mark.slow
def test_training_at_an_alarm_promotes_by_the_rule_alone(world, home_of_world):
    with brief():
        found = retrain(load_settings(world / "quick.toml"), home_of_world, datetime(2025, 1, 1))
    assert found.version == "2"
    told = leadsieve("versions", "--json", home=home_of_world).json
    newest = told["versions"][0]
    assert told["champion"] == ("2" if found.promotion.promoted else "1")
    assert (
        newest["champion"][0]["how"] == "by rule"
        if found.promotion.promoted
        else newest["refused"]["reasons"] == list(found.reasons)
    )


def test_a_champion_that_has_decided_nothing_is_not_called_wrong(world, home_of_world):
    told = leadsieve(
        "monitor", "--config", world / "quick.toml", "--as-of", "2025-01-01", "--json", home=home_of_world
    ).json
    assert told["watched"] == {}
    assert told["promise"] is None
    assert "version 1 has decided no lead yet" in told["reasons"]
