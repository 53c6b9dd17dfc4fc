"""The value of a policy: what randomised arms identify, how far the intervals can be believed, and what is
refused.
"""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.evidence_selection import coverage_grid
from features.errors import TooLittleDataError
from features.serialization import plain
from models.policy.arms import FORCED, PASS_THROUGH, POLICY
from models.policy.off_policy import policy_value


def log(
    leads: int = 400, *, arms=(PASS_THROUGH, POLICY), propensity: float = 0.5, seed: int = 1
) -> pd.DataFrame:
    """Leads in turn in each arm, one per account; whoever was handed off by lot earned 0 to 10."""
    rng = np.random.default_rng(seed)
    arm = np.resize(np.array(arms, dtype=object), leads)
    reward = np.where(arm == POLICY, np.nan, rng.integers(0, 11, leads))
    return pd.DataFrame(
        {"account_id": np.arange(leads), "arm": arm, "propensity": propensity, "reward": reward}
    )


def test_handing_everybody_off_is_worth_the_mean_reward_of_those_who_passed_through():
    logged = log()
    value = policy_value(logged, np.ones(400, bool), expected=np.full(400, 3.0))
    assert value.snips.value == pytest.approx(logged["reward"].mean())
    assert value.doubly_robust.value == pytest.approx(logged["reward"].mean())
    assert (value.basis, value.arm, value.leads, value.seen, value.chosen_share) == (
        "randomised",
        PASS_THROUGH,
        400,
        200,
        1.0,
    )
    assert value.snips.low < value.snips.value < value.snips.high


def test_the_two_estimates_are_what_their_formulas_say():
    rng = np.random.default_rng(2)
    logged = log().assign(propensity=np.where(np.arange(400) < 200, 0.5, 0.25))
    chosen, expected = rng.random(400) < 0.6, rng.random(400) * 8
    weights = np.where(logged["arm"] == PASS_THROUGH, 1 / logged["propensity"], 0)
    reward = logged["reward"].fillna(0).to_numpy()
    value = policy_value(logged, chosen, expected=expected)
    assert value.snips.value == pytest.approx(np.sum(weights * chosen * reward) / weights.sum())
    missed = np.sum(weights * chosen * (reward - expected)) / weights.sum()
    assert value.doubly_robust.value == pytest.approx(np.mean(chosen * expected) + missed)


def test_with_a_model_that_expects_nothing_both_estimates_are_the_same():
    value = policy_value(log(), np.arange(400) % 3 == 0, expected=np.zeros(400))
    assert value.doubly_robust == value.snips


def test_with_a_model_that_knows_everything_no_doubt_about_seen_rewards_is_left():
    logged = log()
    known = np.resize(np.arange(11.0), 400)
    logged["reward"] = np.where(logged["arm"] == PASS_THROUGH, known, np.nan)
    value = policy_value(logged, known > 4, expected=known)
    assert value.doubly_robust.value == pytest.approx(np.mean((known > 4) * known))
    assert value.doubly_robust.high - value.doubly_robust.low < value.snips.high - value.snips.low


def test_holding_everybody_is_worth_what_held_leads_bring():
    nobody = np.zeros(400, bool)
    assert policy_value(log(), nobody, expected=np.ones(400)).doubly_robust.value == 0
    held = policy_value(log(), nobody, expected=np.ones(400), held=np.resize([0.1, 0.3], 400))
    assert held.doubly_robust.value == pytest.approx(0.2)
    assert held.snips.value == pytest.approx(0.2)


def test_a_held_lead_is_not_counted_twice():
    logged = log()
    everybody = policy_value(logged, np.ones(400, bool), expected=np.ones(400), held=0.5)
    assert everybody.snips.value == pytest.approx(logged["reward"].mean())


def test_the_forced_arm_answers_another_question_and_is_never_mixed_in():
    logged = log(600, arms=(PASS_THROUGH, FORCED, POLICY))
    logged.loc[logged["arm"] == FORCED, "reward"] += 100
    everybody = np.ones(600, bool)
    handed, worked = (
        policy_value(logged, everybody, expected=np.zeros(600), arm=arm) for arm in (PASS_THROUGH, FORCED)
    )
    assert handed.snips.value < 11 < 100 < worked.snips.value
    assert worked.arm == FORCED


def test_two_policies_are_compared_through_the_same_draws():
    logged = log()
    rng = np.random.default_rng(3)
    wide, expected = rng.random(400) < 0.7, rng.random(400) * 10
    narrow = wide & (rng.random(400) < 0.8)
    one, other = (policy_value(logged, chosen, expected=expected) for chosen in (wide, narrow))
    paired = policy_value(logged, wide, rival=narrow, expected=expected, held=1.0)
    assert policy_value(logged, wide, rival=narrow, expected=expected).snips.value == pytest.approx(
        one.snips.value - other.snips.value
    )
    with_held = [
        policy_value(logged, chosen, expected=expected, held=1.0).doubly_robust.value
        for chosen in (wide, narrow)
    ]
    assert paired.doubly_robust.value == pytest.approx(with_held[0] - with_held[1])
    assert paired.difference
    assert paired.chosen_share == pytest.approx(wide.mean() - narrow.mean())
    assert paired.snips.high - paired.snips.low < one.snips.high - one.snips.low
    same = policy_value(logged, wide, rival=wide, expected=expected)
    assert (same.snips.low, same.snips.value, same.snips.high) == (0, 0, 0)


def test_leads_of_one_account_make_the_interval_wider():
    alone = log()
    together = alone.assign(
        account_id=np.arange(400) // 20, reward=np.repeat(np.random.default_rng(4).integers(0, 11, 20), 20)
    )
    apart = together.assign(account_id=np.arange(400))
    widths = [
        value.high - value.low
        for value in (
            policy_value(logged, np.ones(400, bool), expected=np.zeros(400)).snips
            for logged in (together, apart)
        )
    ]
    assert widths[0] > 2 * widths[1]


def test_without_a_randomised_arm_figures_say_that_they_rest_on_somebodys_choice():
    logged = log(400, arms=(POLICY,))
    logged["reward"] = np.where(np.arange(400) % 4 == 0, 5.0 + (np.arange(400) % 8 == 0), np.nan)
    value = policy_value(logged, np.ones(400, bool), expected=np.zeros(400))
    assert (value.basis, value.arm, value.seen) == ("unconfounded only", None, 100)
    assert value.snips.value == pytest.approx(5.5)
    assert "unconfounded only" in value.words()
    assert "right only if nobody chose them by anything that the model does not see" in value.words()


def test_a_lead_that_is_not_settled_yet_is_not_a_lead_without_reward():
    logged = log()
    logged.loc[logged.index % 4 == 0, "reward"] = np.nan
    value = policy_value(logged, np.ones(400, bool), expected=np.zeros(400))
    assert value.snips.value == pytest.approx(logged["reward"].mean())
    assert value.seen == 100


def test_where_every_reward_is_the_same_no_interval_is_claimed():
    logged = log().assign(reward=-1.0)
    value = policy_value(logged, np.arange(400) < 200, expected=np.zeros(400))
    assert value.snips.value == pytest.approx(-0.5)
    assert np.isnan([value.snips.low, value.doubly_robust.high]).all()
    assert "no interval: every reward seen is the same" in value.words()
    assert json.loads(json.dumps(plain(value)))["snips"]["low"] is None


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        pytest.param(
            log(38),
            "19 settled leads of the pass-through arm have a known reward; 20 are needed",
            id="too few passed through",
        ),
        pytest.param(
            log(400).assign(reward=np.nan), "0 settled leads of the pass-through arm", id="none settled"
        ),
        pytest.param(
            log(400, arms=(POLICY,)), "0 settled leads of the policy arm", id="no arm and no choice seen"
        ),
        pytest.param(log(0), "0 settled leads", id="no lead at all"),
    ],
)
def test_too_little_to_go_by_is_refused(logged, words):
    with pytest.raises(TooLittleDataError, match=f"{words}.*No policy was valued"):
        policy_value(logged, np.ones(len(logged), bool), expected=np.zeros(len(logged)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"chosen": np.ones(399)},
        {"chosen": np.full(400, np.nan)},
        {"expected": np.full(400, np.nan)},
        {"expected": np.zeros((400, 2))},
        {"held": np.full(400, np.inf)},
    ],
)
def test_choices_and_expectations_that_do_not_fit_are_refused(wrong):
    given = {"chosen": np.ones(400), "expected": np.zeros(400), **wrong}
    with pytest.raises(ValueError, match=r"400 leads|shape"):
        policy_value(log(), given.pop("chosen"), **given)


def test_words_tell_the_value_its_interval_and_what_it_rests_on():
    value = policy_value(log(), np.arange(400) < 100, expected=np.zeros(400))
    assert value.words().endswith(
        "per lead, 25.0 % of leads handed off: randomised, from 200 leads of the pass-through arm"
    )
    more = policy_value(log(), np.arange(400) < 100, rival=np.arange(400) < 50, expected=np.zeros(400))
    assert "more per lead than the other policy, +12.5 % of leads handed off" in more.words()
    assert set(plain(more)) == {
        "basis",
        "arm",
        "leads",
        "seen",
        "chosen_share",
        "snips",
        "doubly_robust",
        "difference",
    }


@pytest.mark.slow
def test_intervals_from_the_randomised_arm_cover_the_truth_as_often_as_they_say():
    table = coverage_grid(runs=120, seed=1)
    # 92 to 97 %, give or take two standard errors of so many runs.
    slack = 2 * np.sqrt(0.95 * 0.05 / 120)
    assert table.loc[table["of"] == "value", "covered"].between(0.92 - slack, 0.97 + slack).all(), table
    # Two policies may differ in a dozen customers of the arm: hardly enough for any interval.
    assert (table["covered"] > 0.88).all(), table
    assert (abs(table["mean"] - table["truth"]) < 0.1 * table["width"]).all(), table
