import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from pydantic import ValidationError

from features.serialization import dump, load
from models.policy.arms import Arms
from models.policy.economics import Economics
from models.policy.policy import Policy, lowest_share_cut
from models.policy.risk_control import Promise
from models.policy.settings import PolicySettings

TENTHS = np.arange(10) / 10
PROMISE = Promise(
    of="customers",
    max_lost_share=0.05,
    confidence=0.95,
    wins=412,
    start=datetime(2025, 3, 1),
    end=datetime(2025, 8, 14),
    certified=True,
    why="so",
)
POLICY = Policy(
    cut=0.031,
    basis="certified",
    held_share=0.21,
    promise=PROMISE,
    arms=Arms(pass_through=0.05, forced=0.02, salt="s"),
    economics=Economics(None, 900.0, 0.08, 60.0, 1.5, 40.0, {"north": 20.0}, price=3.5, notes=("so",)),
)


@pytest.mark.parametrize(
    ("share", "cut"),
    [
        pytest.param(0.0, 0.0, id="nobody is held"),
        pytest.param(0.2, 0.2, id="the lowest fifth"),
        pytest.param(0.7, 0.7, id="a share that binary fractions miss by a hair"),
        pytest.param(0.25, 0.2, id="never more than asked for"),
    ],
)
def test_the_cut_holds_the_lowest_scored_share(share, cut):
    assert lowest_share_cut(TENTHS, share) == cut
    assert np.mean(cut > TENTHS) <= share


def test_equal_scores_are_decided_alike_even_if_fewer_are_held():
    assert lowest_share_cut(np.array([0.1, 0.3, 0.3, 0.3, 0.9]), 0.4) == 0.3


def test_a_policy_comes_back_from_what_is_kept_as_it_was():
    back = load(Policy, json.loads(json.dumps(dump(POLICY))))
    assert back == POLICY
    assert back.name == POLICY.name


def test_policies_that_decide_otherwise_have_other_names():
    assert (
        len(
            {
                POLICY.name,
                replace(POLICY, cut=0.03).name,
                replace(POLICY, arms=Arms(pass_through=0.05, forced=0.02, salt="t")).name,
            }
        )
        == 3
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold_share": 1.0},
        {"hold_share": -0.1},
        {"confidence": 1.0},
        {"hold_shares": 0.2},
        {"max_lost_share": 0},
        {"weekly_capacity": -1},
        {"promise": "revenue"},
        {"team_capacity": {"north": -1}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        PolicySettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hold_share": 0.2, "cut": 0.1}, "both name a cut"),
        ({"pass_through": 0.8, "forced": 0.4}, "more than all"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        PolicySettings(**wrong)


def test_a_capacity_of_nothing_can_be_meant():
    assert PolicySettings(weekly_capacity=0).weekly_capacity == 0
