"""The examples, run as they are on the data they are about: each result as far from what a broken pipeline
would give as it can be.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.commands import Said, leadsieve
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.usefixtures("shared_data")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What ``train`` says of an example, each trained once; and the home it was trained in."""
    done: dict[str, tuple[Said, Path]] = {}

    def train(example: str, config: Path | None = None) -> tuple[Said, Path]:
        if example not in done:
            home = tmp_path_factory.mktemp(example)
            done[example] = (
                leadsieve(
                    "train",
                    "--config",
                    config or REPOSITORY / "examples" / f"{example}.toml",
                    "--json",
                    home=home,
                ),
                home,
            )
        return done[example]

    return train


def auc(model: dict, at: str = "auc") -> float:
    return model[at]["value"] if at == "auc" else model[at]["auc"]["value"]


def test_leads_without_dates_are_learned_from_and_the_figures_called_optimistic(trained):
    said, _ = trained("x_education")
    model = said.json["models"]["convert"]
    assert said.code == 0
    assert 0.86 <= auc(model) <= 0.89
    assert said.json["warnings"][0] == "no dates: random split, figures are optimistic"
    assert said.json["as_of"] is None
    assert said.json["models"]["pursue"] is None
    assert (model["settled"], model["positives"]) == (9240, 3561)


def test_a_table_of_won_deals_is_enough_to_learn_from(trained):
    said, _ = trained("olist")
    model = said.json["models"]["convert"]
    assert said.code == 0
    assert auc(model, "newest") > 0.65
    assert any(
        "outcomes: 1 row dated before their lead was created was left out" in warning
        for warning in said.json["warnings"]
    )


def test_where_nothing_predicts_the_outcome_it_says_so_and_registers_nothing(trained):
    said, home = trained("maven_crm")
    assert said.code == 4
    assert (said.json["verdict"], said.json["version"], said.json["alias"]) == (
        "no better than chance",
        None,
        None,
    )
    assert said.json["models"]["convert"]["auc"]["low"] < 0.52
    assert not (home / "mlflow.db").exists()


def by_hand(shared_data: Path) -> dict[str, tuple[int, int]]:
    """Leads whose whole horizon has passed and those of them with the outcome, counted from the raw files."""
    leads = pd.read_csv(
        shared_data / "loan_applications" / "applications.csv",
        parse_dates=["created_at"],
        index_col="application_id",
    )
    activities = pd.read_csv(shared_data / "loan_applications" / "activities.csv", parse_dates=["at"])
    first = activities.groupby(["application_id", "activity"])["at"].min().unstack().reindex(leads.index)
    accepted, won, end = first["A_PREACCEPTED"], first["A_ACTIVATED"], activities["at"].max()
    week, month = pd.Timedelta(days=7), pd.Timedelta(days=30)
    known = leads["created_at"] + week <= end
    closed = accepted + month <= end
    assert (
        closed.sum() < 0.7 * accepted.notna().sum()
    )  # the others are open, and would be losses to whoever did not look
    return {
        "pursue": (known.sum(), (accepted - leads["created_at"] <= week)[known].sum()),
        "convert": (closed.sum(), (won - accepted <= month)[closed].sum()),
    }


def test_leads_with_activities_teach_both_models_and_open_ones_are_not_lost(trained, shared_data):
    said, _ = trained("loan_applications")
    models = said.json["models"]
    assert said.code == 0
    assert said.json["version"] == "1"
    for name, told in by_hand(shared_data).items():
        assert (models[name]["settled"], models[name]["positives"]) == told
    assert auc(models["pursue"]) > 0.55
    assert auc(models["convert"]) > 0.5


def test_an_hour_later_is_better_than_at_once(trained, tmp_path_factory, shared_data):
    later = tmp_path_factory.mktemp("config") / "later.toml"
    text = (REPOSITORY / "examples" / "loan_applications.toml").read_text()
    text = text.replace("files:../../shared/data", f"files:{shared_data}").replace(
        "[label]", '[label]\ndelay = "1h"'
    )
    later.write_text(text)
    at_once = trained("loan_applications")[0].json["models"]["convert"]
    said, _ = trained("an_hour_later", later)
    assert said.code == 0
    assert auc(said.json["models"]["convert"]) > auc(at_once) + 0.02


def test_rows_in_the_order_of_time_are_judged_block_by_block(trained):
    said, _ = trained("uci_bank")
    model = said.json["models"]["convert"]
    assert said.code == 0
    assert auc(model, "newest") >= 0.70
    assert len(model["blocks"]) == 5
    ends = [(block["from"], block["to"]) for block in model["blocks"]]
    assert ends == sorted(ends)
    assert all(0.2 < block["auc"] < 0.85 for block in model["blocks"])  # .95 with the length of the call
    assert model["settled"] == 41_188


def test_the_champion_of_an_example_scores_and_explains(trained, tmp_path):
    _, home = trained("uci_bank")
    home = Path(shutil.copytree(home, tmp_path / "home"))
    config = REPOSITORY / "examples" / "uci_bank.toml"
    assert leadsieve("promote", home=home).code == 0
    said = leadsieve(
        "score",
        "--config",
        config,
        "--all",
        "--reasons",
        "20",
        "--output",
        tmp_path / "out.csv",
        "--json",
        home=home,
    )
    assert json.loads(said.out)["scored"] == 41_188
    assert "counts for it: " in (tmp_path / "out.csv").read_text()
