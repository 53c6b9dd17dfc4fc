"""Whose wins certify, and what a policy becomes with and without them."""

import numpy as np
import pandas as pd
import pytest

from features.labels import Labels
from models.policy.arms import FORCED, PASS_THROUGH
from models.policy.arms import POLICY as BY_SCORE
from models.policy.policy_fit import policy_of, withhold
from models.policy.risk_control import certified_cut
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
        ~everybody,
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
    return withhold(labels(outcome), times(len(outcome)), accounts, PolicySettings(**settings), logged=logged)


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
    withheld = aside(wins)
    assert (len(withheld.wins), len(withheld.wins) + len(withheld.older)) == (number, wins)
    assert withheld.learn.all() == (number == 0)


def test_the_wins_that_certify_are_drawn_from_twice_as_many_of_the_newest():
    withheld = aside(800)
    assert withheld.wins.min() >= 800  # the newer half of 1,600 leads
    assert withheld.learn[:800].all()
    newest = np.arange(800, 1600)
    assert 0.4 < withheld.learn[newest].mean() < 0.6
    assert withheld.learn[-20:].any(), "what is learned from reaches up to today"


def test_an_account_is_withheld_whole_with_its_older_leads_and_its_losses():
    accounts = np.arange(1600) // 2  # of two leads: a win and a loss
    withheld = aside(800, accounts=accounts)
    kept = pd.Series(withheld.learn).groupby(accounts).nunique()
    assert (kept == 1).all()
    assert len(withheld.wins) == 200
    accounts = np.arange(1600)
    accounts[3] = accounts[withheld.wins[0]]
    again = aside(800, accounts=accounts)
    assert again.learn[3] == again.learn[withheld.wins[0]]


def test_who_is_drawn_hangs_on_the_account_and_the_salt_alone():
    ids = np.array([f"A{number}" for number in range(1600)], dtype=object)
    first, again, other = (aside(800, accounts=ids, salt=salt) for salt in ("a", "a", "b"))
    assert (first.learn == again.learn).all()
    assert not (first.learn == other.learn).all()


def test_nobody_is_withheld_for_a_model_that_promises_nothing():
    withheld = aside(800)
    nobody = withheld.nobody()
    assert nobody.learn.all()
    assert (len(nobody.wins), len(nobody.older)) == (0, 800)


@pytest.mark.slow
def test_the_promise_holds_for_a_model_that_has_not_learned_from_the_withheld_accounts():
    """600 runs of a small market; a wrong draw, such as certifying on wins that were learned from, breaks it."""
    runs, leads, columns, share = 600, 1_500, 12, 0.1
    rng = np.random.default_rng(7)
    broken = held = flattered = 0

    def market(leads: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(leads, columns))
        return x, rng.random(leads) < 1 / (1 + np.exp(2 - x[:, 0]))

    fresh, won_later = market(20_000)
    for run in range(runs):
        x, won = market(leads)
        settings = PolicySettings(max_lost_share=share, salt=str(run))
        withheld = withhold(labels(won), times(leads), np.arange(leads), settings)

        def lost(learn: np.ndarray, wins: np.ndarray) -> tuple[float, float]:
            weight = np.linalg.lstsq(x[learn], won[learn] - won[learn].mean(), rcond=None)[0]  # noqa: B023
            cut = certified_cut((x @ weight)[wins], max_lost_share=share, confidence=0.95)  # noqa: B023
            return float(np.mean((fresh @ weight)[won_later] < cut)), float(np.mean(fresh @ weight < cut))

        share_lost, share_held = lost(withheld.learn, withheld.wins)
        broken, held = broken + (share_lost > share), held + share_held
        few = np.zeros(leads, bool)
        few[withheld.wins[:60]] = few[np.flatnonzero(~won)[:60]] = True
        flattered += lost(few, withheld.wins[:60])[0] > share
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert broken / runs <= allowed, broken
    assert held / runs > 0.1
    assert flattered / runs > 2 * allowed, "the trial can tell a promise that does not hold"


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
    withheld = aside(wins, every=4, **settings)
    leads = wins * 4
    drawn = np.random.default_rng(1).random(leads) if chance is None else chance
    return policy_of(
        withheld,
        lambda rows: drawn[rows],
        times(leads),
        np.full(leads, np.nan),
        PolicySettings(**settings),
        None,
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
