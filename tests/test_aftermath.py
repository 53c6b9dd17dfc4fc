"""What became of decided leads: only settled ones count, every figure says what it rests on, and the command
tells it.
"""

import numpy as np
import pandas as pd
import pytest

from models.policy.arms import Arms
from models.policy.impact import aftermath
from models.policy.settings import PolicySettings
from tests.commands import QUICK, leadsieve, written


def log(leads: int = 4000, *, pass_through: float = 0.2, seed: int = 1) -> pd.DataFrame:
    """Leads decided by a cut at .2 of a true chance, won by it if they were handed off and taken up, which
    half of them are.
    """
    draw = np.random.default_rng(seed)
    chance = draw.beta(1, 4, leads)
    accounts = np.array([f"A{row}" for row in range(leads)])
    arms = Arms(pass_through=pass_through, forced=0.0, salt="s")
    arm = arms.draw(accounts)
    accepted = (draw.random(leads) < 0.5) & ((chance >= 0.2) | (arm != "policy"))
    won = accepted & (draw.random(leads) < chance)
    return pd.DataFrame(
        {
            "account_id": accounts,
            "arm": arm,
            "propensity": arms.propensity(arm),
            "score": chance,
            "cut": 0.2,
            "p_pursue": 0.5,
            "p_convert": chance,
            "p_both": 0.5 * chance,
            "value": 100 * chance - 5,
            "settled": True,
            "accepted": accepted,
            "won": won,
            "margin": np.where(won, 100.0, np.nan),
            "rep": None,
        }
    )


SETTINGS = PolicySettings(cost_per_lead=5.0)


def test_the_promise_is_checked_on_customers_that_passed_below_the_cut():
    table = log()
    found = aftermath(table, SETTINGS)
    below = table["won"] & (table["score"] < 0.2)
    assert found.promise.held_wins == below.sum() > 0
    assert found.promise.wins == table["won"].sum()
    assert found.promise.kept is False, "a cut of .2 loses far more than 5 %"


def test_a_second_customer_of_an_account_does_not_count_for_the_promise():
    table = log()
    assert (
        aftermath(pd.concat([table, table]), SETTINGS).promise.wins == aftermath(table, SETTINGS).promise.wins
    )


def test_leads_whose_time_is_not_over_do_not_count():
    table = log()
    table.loc[::2, "settled"] = False
    found = aftermath(table, SETTINGS)
    assert (found.decided, found.settled) == (4000, 2000)
    assert found.promise.wins == table.loc[1::2, "won"].sum()


def test_before_anything_is_settled_the_promise_says_how_many_customers_it_needs():
    table = log().assign(settled=False)
    told, silent = (
        aftermath(table, PolicySettings(pass_through=share)).promise.words() for share in (0.05, 0.0)
    )
    assert told.endswith(
        "the promise of 5 % needs 1,140 customers, none of them below the cut, to be confirmed"
    )
    assert "no lead below the cut has passed through" in silent


def test_with_accounts_that_passed_every_figure_is_randomised_and_the_filter_is_worth_less_in_customers():
    found = aftermath(log(), SETTINGS)
    assert {value.basis for policies in found.worth.values() for value in policies.values()} == {"randomised"}
    difference = found.worth["customers"]["difference"].doubly_robust
    truth = -np.mean([0.5 * chance * (chance < 0.2) for chance in log()["score"]])
    assert difference.low < truth < difference.high < 0


def test_without_accounts_that_passed_the_figures_say_what_they_rest_on():
    found = aftermath(log(pass_through=0.0), PolicySettings())
    assert {value.basis for value in found.worth["customers"].values()} == {"unconfounded only"}
    assert found.promise.bound == 1.0
    assert found.promise.kept is None


def test_before_anything_is_settled_nothing_is_valued_and_the_reason_is_told():
    found = aftermath(log().assign(settled=False), SETTINGS)
    assert found.worth == {}
    assert "20 are needed" in found.notes[0]


@pytest.mark.slow
def test_the_command_tells_what_became_of_decided_leads(tmp_path):
    settings = f'[source]\nurl = "simulated:?leads=6000&months=16"\n[policy]\nhold_share = 0.2\n{QUICK}'
    config = written(tmp_path, {"c.toml": settings}) / "c.toml"
    home = tmp_path / "home"
    assert leadsieve("value", "--config", config, home=home).code == 4
    assert leadsieve("train", "--config", config, "--as-of", "2024-11-01", "--force", home=home).code == 0
    leadsieve("promote", home=home)
    assert leadsieve("score", "--config", config, "--as-of", "2024-12-15", "--all", home=home).code == 0
    told = leadsieve("value", "--config", config, "--as-of", "2025-04-20", "--json", home=home).json
    assert told["since"].startswith("2024-12-15")
    assert told["decided"] == told["settled"] > 3000
    assert told["promise"]["wins"] > 10
    assert told["worth"]["customers"]["the filter"]["basis"] == "randomised"
    words = leadsieve("value", "--config", config, "--as-of", "2025-04-20", home=home).out
    assert "Is the promise kept?" in words
    assert "randomised" in words
