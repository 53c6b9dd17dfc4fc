"""The promise after launch: what counts, what it proves, and that the bound covers."""

import json

import numpy as np
import pytest

from benchmarks.evidence_selection import promise_recheck_grid
from models.policy.arms import FORCED, PASS_THROUGH, POLICY
from models.policy.impact import promise_recheck


def recheck(held_wins: int, wins: int, **changed):
    """``wins`` customers of whom ``held_wins`` were below the cut and passed through."""
    given = {
        "score": np.r_[np.zeros(held_wins), np.ones(wins - held_wins)],
        "cut": 0.5,
        "arm": np.full(wins, PASS_THROUGH, dtype=object),
        "won": np.ones(wins, bool),
    }
    return promise_recheck(
        **given, **{"pass_through": 0.1, "max_lost_share": 0.05, "confidence": 0.95, **changed}
    )


@pytest.mark.parametrize(
    ("held_wins", "wins", "kept", "missing"),
    [
        pytest.param(0, 571, True, 0, id="as many as it takes, none below"),
        pytest.param(0, 570, None, 1, id="one customer short"),
        pytest.param(0, 0, None, 571, id="nobody yet"),
        pytest.param(2, 900, None, 846, id="a few below: many more are needed"),
        pytest.param(5, 400, None, None, id="more below than promised: no number would confirm it"),
        pytest.param(30, 300, False, None, id="clearly broken"),
    ],
)
def test_the_promise_is_kept_broken_or_open(held_wins, wins, kept, missing):
    found = recheck(held_wins, wins)
    assert (found.held_wins, found.wins, found.kept, found.wins_missing) == (held_wins, wins, kept, missing)


def test_with_the_wins_that_were_missing_the_promise_is_certified():
    found = recheck(2, 900)
    total = 900 + found.wins_missing
    assert recheck(-(-2 * total // 900), total).kept


def test_the_estimate_weighs_a_customer_who_passed_through_by_the_odds_of_passing():
    assert recheck(3, 812).estimate == pytest.approx(30 / (30 + 809))
    assert np.isnan(recheck(0, 0).estimate)
    assert recheck(3, 812).bound > recheck(3, 812).estimate


@pytest.mark.parametrize(
    ("arm", "score", "counted"),
    [
        (PASS_THROUGH, 0.1, (1, 1)),
        (PASS_THROUGH, 0.5, (0, 1)),
        (POLICY, 0.9, (0, 1)),
        (POLICY, np.nan, (0, 1)),
        (POLICY, 0.1, (0, 0)),
        (FORCED, 0.1, (0, 0)),
        (FORCED, 0.9, (0, 0)),
    ],
)
def test_which_customers_are_counted(arm, score, counted):
    found = promise_recheck(
        score=[score], cut=0.5, arm=[arm], won=[True], pass_through=0.1, max_lost_share=0.05, confidence=0.95
    )
    assert (found.held_wins, found.wins) == counted


def test_a_forced_arm_makes_passing_through_likelier_among_the_others():
    assert recheck(3, 812, forced=0.2, pass_through=0.08).bound == pytest.approx(
        recheck(3, 812, pass_through=0.1).bound
    )
    assert recheck(0, 812, forced=1.0, pass_through=0.0).bound == 1.0


def test_without_pass_through_nothing_can_be_told_and_no_number_would_help():
    found = recheck(0, 5_000, pass_through=0.0)
    assert (found.bound, found.kept, found.wins_missing) == (1.0, None, None)
    assert "cannot be confirmed" in found.words()


def test_each_lead_may_have_had_a_cut_of_its_own():
    found = promise_recheck(
        score=[0.3, 0.3],
        cut=np.array([0.2, 0.4]),
        arm=[PASS_THROUGH] * 2,
        won=[1, 1],
        pass_through=0.1,
        max_lost_share=0.05,
        confidence=0.95,
    )
    assert (found.held_wins, found.wins) == (1, 2)


@pytest.mark.parametrize(
    ("held_wins", "wins", "words"),
    [
        (0, 571, "the promise of 5 % is kept"),
        (
            0,
            570,
            "at most 5.1 % of customers with 95 % confidence (most likely 0.0 %); the promise of 5 % needs 1 more customer at",
        ),
        (30, 300, "is broken: lower the cut, or train anew"),
        (5, 400, "more customers at this share would not change that"),
    ],
)
def test_a_recheck_says_in_one_sentence_what_it_found(held_wins, wins, words):
    assert words in recheck(held_wins, wins).words()


def test_a_recheck_goes_into_json_whole():
    written = json.loads(json.dumps(recheck(0, 0).to_json()))
    assert written == {
        "wins": 0,
        "held_wins": 0,
        "estimate": None,
        "bound": 1.0,
        "kept": None,
        "wins_missing": 571,
        "max_lost_share": 0.05,
        "confidence": 0.95,
        "why": recheck(0, 0).words(),
    }


@pytest.mark.slow
def test_the_bound_after_launch_covers_what_the_filter_loses_with_a_forced_arm_and_without():
    table = promise_recheck_grid(runs=120, seed=1)
    least = 0.95 - 2 * np.sqrt(0.95 * 0.05 / 120)
    assert (table["covered"] >= least).all(), table
    assert table.loc[table["lost_share"] > 0.05, "kept"].max() <= 1 - least
    assert table.loc[table["lost_share"] <= 0.05, "broken"].max() <= 1 - least
