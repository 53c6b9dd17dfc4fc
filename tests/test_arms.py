"""The arms: drawn by account, the same on every day, nested in their rates, and never by chance of the order
of leads.
"""

from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from models.policy.arms import FORCED, PASS_THROUGH, POLICY, Arms

ACCOUNTS = [f"A{number:05d}" for number in range(20_000)]
ARMS = Arms(pass_through=0.1, forced=0.04, salt="first")


def place(salt: str, account: str) -> float:
    """The slow twin: where the hash puts an account, in whole numbers."""
    return int.from_bytes(sha256(f"{salt}|{account}".encode()).digest()[:8], "big") / 2**64


def test_an_account_falls_where_its_hash_says():
    for account, arm in zip(ACCOUNTS[:500], ARMS.draw(ACCOUNTS[:500]), strict=True):
        where = place("first", account)
        assert arm == (FORCED if where < 0.04 else PASS_THROUGH if where < 0.14 else POLICY)


def test_each_arm_gets_its_share_of_accounts():
    drawn = ARMS.draw(ACCOUNTS)
    for arm, share in ARMS.propensities.items():
        assert (drawn == arm).mean() == pytest.approx(
            share, abs=4 * np.sqrt(share * (1 - share) / len(ACCOUNTS))
        )


def test_leads_of_one_account_share_its_arm_whatever_their_order_and_company():
    rng = np.random.default_rng(1)
    leads = rng.choice(ACCOUNTS, 5_000)
    together = pd.Series(ARMS.draw(leads)).groupby(leads)
    assert together.nunique().max() == 1
    alone = {account: ARMS.draw([account])[0] for account in leads[:200]}
    assert together.first()[list(alone)].to_dict() == alone


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0.05, 0.0), (0.1, 0.0)),
        ((0.05, 0.02), (0.1, 0.02)),
        ((0.05, 0.02), (0.05, 0.08)),
        ((0.0, 0.0), (0.5, 0.5)),
        ((0.1, 0.0), (0.1, 0.3)),
    ],
)
def test_raising_a_rate_only_takes_accounts_in(before, after):
    old, new = (
        Arms(pass_through=rates[0], forced=rates[1], salt="s").draw(ACCOUNTS) for rates in (before, after)
    )
    assert (new[old == FORCED] == FORCED).all()
    assert (new[old == PASS_THROUGH] != POLICY).all()
    if before[1] == after[1]:
        assert (new[old == PASS_THROUGH] == PASS_THROUGH).all()


def test_another_salt_draws_anew():
    first, second = (
        Arms(pass_through=0.5, forced=0.0, salt=salt).draw(ACCOUNTS) for salt in ("first", "second")
    )
    assert (first == second).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param((0.0, 0.0), {POLICY}, id="no rate: everybody follows the policy"),
        pytest.param((1.0, 0.0), {PASS_THROUGH}, id="everybody passes"),
        pytest.param((0.0, 1.0), {FORCED}, id="everybody is worked"),
        pytest.param((0.7, 0.3), {PASS_THROUGH, FORCED}, id="nobody follows the policy"),
    ],
)
def test_the_ends_of_the_scale(rates, expected):
    assert set(Arms(pass_through=rates[0], forced=rates[1], salt="s").draw(ACCOUNTS)) == expected


@pytest.mark.parametrize(("byte", "rate", "arm"), [(b"\xff", 1.0, PASS_THROUGH), (b"\x00", 0.0, POLICY)])
def test_the_greatest_and_the_smallest_hash_there_are_still_keep_to_rates_of_one_and_nothing(
    monkeypatch, byte, rate, arm
):
    class Extreme:
        def __init__(self, text):
            pass

        def digest(self):
            return byte * 32

    monkeypatch.setattr("models.policy.arms.sha256", Extreme)
    assert Arms(pass_through=rate, forced=0.0, salt="s").draw(["A1"]).tolist() == [arm]


def test_a_propensity_is_the_probability_of_the_arm_that_was_drawn():
    assert ARMS.propensity(np.array([POLICY, FORCED, PASS_THROUGH, "unknown"], object)) == pytest.approx(
        [0.86, 0.04, 0.1, np.nan], nan_ok=True
    )
    assert sum(ARMS.propensities.values()) == pytest.approx(1)


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT])
def test_a_lead_without_an_account_is_refused_rather_than_thrown_together_with_others(nothing):
    with pytest.raises(ValueError, match="2 leads have no account id; pass the lead's own id instead"):
        ARMS.draw(["A1", nothing, nothing])


@pytest.mark.parametrize(
    "ids",
    [
        ["7", "8"],
        np.array(["7", "8"]),
        pd.Series(["7", "8"], index=[5, 5]),
        pd.Series([7, 8]),
        pd.Categorical(["7", "8"]),
    ],
)
def test_ids_of_any_type_are_drawn_by_how_they_are_written(ids):
    assert ARMS.draw(ids).tolist() == ARMS.draw(["7", "8"]).tolist()


def test_no_leads_draw_no_arms():
    assert ARMS.draw([]).shape == (0,)


@pytest.mark.parametrize("rates", [(-0.1, 0.0), (0.0, 1.1), (np.nan, 0.0), (0.6, 0.6)])
def test_rates_that_are_no_shares_are_refused(rates):
    with pytest.raises(ValueError, match=r"a share of accounts|together exceed 1"):
        Arms(pass_through=rates[0], forced=rates[1], salt="s")


def test_words_say_what_each_rate_measures_and_what_stays_unknown_without_it():
    assert Arms(pass_through=0, forced=0, salt="s").words() == (
        "pass_through = 0: nobody passes whatever the score, so what the filter loses cannot be measured after launch",
        "forced = 0: how leads that sales never takes up would fare stays unknown",
    )
    passing, forcing = ARMS.words()
    assert passing.startswith("pass_through = 0.1: 10 % of accounts")
    assert forcing.startswith("forced = 0.04: sales is asked to work every lead of 4 % of accounts")
