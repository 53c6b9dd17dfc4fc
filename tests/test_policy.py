import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import TooLittleDataError
from models.policy import Policy, PolicySettings, decide, fixed_cut

TENTHS = np.arange(10) / 10


@pytest.mark.parametrize(
    ("share", "cut", "held"),
    [
        pytest.param(0.0, 0.0, 0.0, id="nobody is held"),
        pytest.param(0.2, 0.2, 0.2, id="the lowest fifth"),
        pytest.param(0.7, 0.7, 0.7, id="a share that binary fractions miss by a hair"),
        pytest.param(0.25, 0.2, 0.2, id="never more than asked for"),
    ],
)
def test_the_cut_holds_the_lowest_scored_share(share, cut, held):
    policy = fixed_cut(TENTHS, PolicySettings(hold_share=share))
    assert (policy.cut, policy.held_share) == (cut, held)


def test_equal_scores_are_decided_alike_even_if_fewer_are_held():
    policy = fixed_cut(np.array([0.1, 0.3, 0.3, 0.3, 0.9]), PolicySettings(hold_share=0.4))
    assert (policy.cut, policy.held_share) == (0.3, 0.2)


def test_a_score_at_the_cut_is_handed_off_and_one_below_is_held():
    scores = pd.DataFrame({"p_convert": [0.1999, 0.2, 0.3, np.nan], "p_pursue": [0.9, 0.1, 0.1, 0.1]})
    assert decide(scores, Policy(cut=0.2, held_share=0.2)).tolist() == ["hold", "hand off", "hand off", "hand off"]
    assert decide(scores, Policy(cut=0.2, held_share=0.2, score="p_pursue")).tolist() == ["hand off", "hold", "hold", "hold"]


def test_leads_without_a_forward_score_do_not_move_the_cut():
    assert fixed_cut(np.append(TENTHS, np.nan), PolicySettings()) == fixed_cut(TENTHS, PolicySettings())


def test_without_forward_scores_there_is_no_cut():
    with pytest.raises(TooLittleDataError, match="no cut was fixed"):
        fixed_cut(np.array([np.nan]), PolicySettings())


def test_a_policy_comes_back_from_json_as_it_was():
    policy = fixed_cut(TENTHS, PolicySettings(), score="p_both")
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert policy.to_json()["promise"] is None


@pytest.mark.parametrize("wrong", [{"hold_share": 1.0}, {"hold_share": -0.1}, {"confidence": 1.0}, {"hold_shares": 0.2}])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        PolicySettings(**wrong)
