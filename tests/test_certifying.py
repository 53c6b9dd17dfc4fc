"""Which wins are set aside to certify on, and what a policy becomes with and without them."""

import numpy as np
import pandas as pd
import pytest

from features.labels import Labels
from models.policy.arms import FORCED, PASS_THROUGH
from models.policy.arms import POLICY as BY_SCORE
from models.policy.certification import policy_of, set_aside
from models.policy.settings import PolicySettings

DAY = np.timedelta64(1, "D")


def times(leads: int) -> np.ndarray:
    return np.datetime64("2025-01-01", "us") + np.arange(leads) * DAY


def labels(outcome: np.ndarray) -> Labels:
    everybody, nothing = np.ones(len(outcome), bool), np.full(len(outcome), np.nan)
    return Labels(
        everybody,
        times(len(outcome)),
        nothing,
        nothing,
        np.full(len(outcome), "settled"),
        outcome.astype(float),
        everybody,
    )


def aside(
    wins: int,
    *,
    logged: pd.DataFrame | None = None,
    accounts: np.ndarray | None = None,
    every: int = 2,
    **settings,
):
    """One lead a day, of which every so many is won, until there are as many wins as asked for."""
    outcome = (np.arange(wins * every) % every == 0).astype(float)
    accounts = np.arange(len(outcome)) if accounts is None else accounts
    return set_aside(
        labels(outcome), times(len(outcome)), accounts, PolicySettings(**settings), logged=logged
    )


@pytest.mark.parametrize(
    ("wins", "number"),
    [
        pytest.param(0, 0, id="no win"),
        pytest.param(117, 0, id="one too few: half of them would certify nothing"),
        pytest.param(118, 59, id="as many as it takes, up to half of all"),
        pytest.param(800, 200, id="a quarter"),
        pytest.param(4000, 400, id="never more than are worth it"),
    ],
)
def test_a_quarter_of_the_wins_certifies_or_as_many_as_it_takes_or_none(wins, number):
    window = aside(wins)
    assert (len(window.wins), len(window.wins) + len(window.older)) == (number, wins)


def test_the_newest_wins_certify_and_nothing_later_is_learned_from():
    window = aside(800)
    assert window.wins.min() > window.older.max()
    assert not window.learn[window.wins.min() :].any()
    assert window.learn[: window.wins.min()].all()


def test_no_lead_of_a_certifying_account_is_learned_from():
    accounts = np.arange(1600)
    accounts[3] = accounts[1598]  # a win of the window
    assert not aside(800, accounts=accounts).learn[3]


def test_wins_of_one_moment_stand_on_one_side():
    outcome = np.ones(400)
    at = times(400)
    at[290:310] = at[300]
    window = set_aside(labels(outcome), np.sort(at), np.arange(400), PolicySettings())
    assert len(window.wins) == 110


def test_where_nothing_is_promised_nothing_is_set_aside():
    assert aside(4000, promise="none").learn.all()


def test_wins_that_a_filter_let_through_certify_nothing_but_those_that_passed_whatever_their_score_do():
    arms = np.tile([BY_SCORE, BY_SCORE, PASS_THROUGH, PASS_THROUGH, FORCED, FORCED, None, None], 200)
    logged = pd.DataFrame({"arm": arms, "cut": 0.1})
    window = aside(800, logged=logged)
    assert set(logged["arm"].iloc[np.append(window.wins, window.older)].fillna("never decided")) == {
        PASS_THROUGH,
        "never decided",
    }
    held_nobody = aside(800, logged=logged.assign(cut=np.nan))
    assert len(held_nobody.wins) + len(held_nobody.older) == 800


def decided(wins: int, chance=None, **settings):
    window = aside(wins, every=4, **settings)
    leads = wins * 4
    drawn = np.random.default_rng(1).random(leads) if chance is None else chance
    return policy_of(
        window,
        lambda rows: drawn[rows],
        times(leads),
        np.full(leads, np.nan),
        PolicySettings(**settings),
        None,
        score="p_convert",
        forward=drawn,
        moment=lambda time: str(time)[:10],
    )


def test_enough_wins_make_a_promise_and_the_cut_keeps_it_among_them():
    policy = decided(1600)
    assert (policy.basis, policy.promise.certified, policy.promise.wins) == ("certified", True, 400)
    assert 0.01 < policy.cut < 0.06
    assert policy.held_share == pytest.approx(policy.cut, abs=0.01)


@pytest.mark.parametrize(("wins", "missing"), [(0, 118), (1, 117), (10, 108), (100, 18)])
def test_too_few_wins_hold_nobody_and_say_how_many_are_missing(wins, missing):
    policy = decided(wins) if wins else decided(0, chance=np.array([0.5]))
    assert (policy.cut, policy.basis, policy.held_share, policy.promise.certified) == (
        None,
        "none",
        0.0,
        False,
    )
    assert f"{missing} are missing" in policy.promise.why


def test_a_configured_cut_is_in_force_where_nothing_can_be_promised_and_is_marked_so():
    for settings, cut in (({"cut": 0.3}, 0.3), ({"hold_share": 0.2}, pytest.approx(0.2, abs=0.04))):
        policy = decided(100, **settings)
        assert (policy.basis, policy.promise.certified, policy.cut) == ("configured", False, cut)


def test_a_promise_that_can_be_made_goes_before_a_configured_cut():
    assert decided(1600, cut=0.3).basis == "certified"


def test_equal_scores_hold_nobody():
    policy = decided(1600, chance=np.full(6400, 0.1))
    assert policy.held_share == 0.0
