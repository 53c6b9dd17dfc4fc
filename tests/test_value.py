"""What a lead is worth, and the chance from which taking it up pays."""

import numpy as np
import pytest

from models.policy.capacity import stream
from models.policy.economics import economic_cut, expected_value, unpursued_share


@pytest.mark.parametrize(
    ("p1", "margin", "share", "cost", "value"),
    [
        pytest.param(0.1, 5000, 0.0, 60, 440, id="chance times margin less cost"),
        pytest.param(0.1, 5000, 0.2, 60, 340, id="what comes without sales is not sales' merit"),
        pytest.param(0.0, 5000, 0.2, 60, -60, id="without a chance it only costs"),
        pytest.param(0.1, 0, 0.0, 60, -60, id="nothing to win"),
        pytest.param(np.nan, 5000, 0.0, 60, np.nan, id="no chance known: no value known"),
        pytest.param(0.1, np.nan, 0.0, 60, np.nan, id="no margin known: no value known"),
    ],
)
def test_a_lead_is_worth_what_pursuing_it_adds(p1, margin, share, cost, value):
    found = expected_value(np.array([p1]), np.array([margin]), unpursued_share=share, cost=cost)
    assert found == pytest.approx([value], nan_ok=True)


@pytest.mark.parametrize(
    ("margin", "share", "cost", "price", "hours", "cut"),
    [
        pytest.param(5000, 0.0, 50, 0, 1, 0.01, id="the chance that covers the cost"),
        pytest.param(5000, 0.2, 60, 0, 1, 0.015, id="of what sales adds alone"),
        pytest.param(5000, 0.0, 50, 100, 2, 0.05, id="and the hours that others would have used"),
        pytest.param(5000, 0.0, 0, 0, 1, 0.0, id="what costs nothing is never held"),
        pytest.param(0, 0.0, 0, 0, 1, 0.0, id="not even where there is nothing to win"),
        pytest.param(50, 0.0, 50, 0, 1, 1.0, id="only a certain win pays"),
        pytest.param(49, 0.0, 50, 0, 1, np.inf, id="no chance would pay"),
        pytest.param(0, 0.0, 50, 0, 1, np.inf, id="no margin, no chance"),
        pytest.param(np.nan, 0.0, 50, 0, 1, np.inf, id="unknown margin: another cut decides"),
        pytest.param(5000, 0.0, 50, np.inf, 1, np.inf, id="no capacity: nobody"),
        pytest.param(5000, 0.0, 50, np.inf, 0, 0.01, id="unless it takes no time"),
    ],
)
def test_the_economic_cut_is_the_chance_from_which_a_lead_pays(margin, share, cost, price, hours, cut):
    found = economic_cut(
        np.array([margin], dtype=float), unpursued_share=share, cost=cost, price=price, hours=hours
    )
    assert found == pytest.approx([cut])


def test_value_and_cut_agree_on_who_is_worked():
    rng = np.random.default_rng(1)
    p1, margin, hours = rng.random(5000) ** 3, rng.lognormal(7, 1, 5000), rng.choice([0.5, 1.0, 2.0], 5000)
    terms = {"unpursued_share": 0.1, "cost": 60.0}
    worked = stream(expected_value(p1, margin, **terms), hours, 35.0)
    assert 0.2 < worked.mean() < 0.8
    assert (worked == (p1 >= economic_cut(margin, price=35.0, hours=hours, **terms))).all()


def world(leads: int, share: float, *, seed: int = 1):
    """Leads that sales turned down, won without it for a share of their chance."""
    p1 = np.random.default_rng(seed).beta(1, 9, leads)
    return (
        p1,
        (np.random.default_rng(seed + 1).random(leads) < share * p1).astype(float),
        np.ones(leads, dtype=bool),
    )


@pytest.mark.parametrize("share", [0.08, 0.3, 0.8])
def test_the_share_that_comes_without_sales_is_found_among_rejected_leads(share):
    found, sentence = unpursued_share(*world(100_000, share))
    assert found == pytest.approx(share, abs=0.02)
    assert "100,000 leads that sales turned down" in sentence
    assert f"{found:.0%}" in sentence


@pytest.mark.parametrize(
    ("wins", "share"),
    [pytest.param(4, 0.0, id="four are too few"), pytest.param(5, 0.05, id="five are enough")],
)
def test_a_few_wins_of_rejected_leads_are_no_evidence(wins, share):
    won = np.zeros(1000)
    won[:wins] = 1
    found, sentence = unpursued_share(np.full(1000, 0.1), won, np.ones(1000, dtype=bool))
    assert found == pytest.approx(share)
    assert f"{wins} were won all the same" in sentence
    assert ("too few" in sentence) == (share == 0)


def test_only_rejected_leads_whose_horizon_has_passed_count():
    p1, won, rejected = world(20_000, 0.3)
    others = (
        np.full(500, 0.5),
        np.ones(500),
        np.zeros(500, dtype=bool),
    )  # accepted: what sales did is no evidence
    open_yet = np.full(500, 0.5), np.full(500, np.nan), np.ones(500, dtype=bool)
    unscored = np.full(500, np.nan), np.ones(500), np.ones(500, dtype=bool)
    joined = [
        np.concatenate(each) for each in zip((p1, won, rejected), others, open_yet, unscored, strict=True)
    ]
    assert unpursued_share(*joined) == unpursued_share(p1, won, rejected)


@pytest.mark.parametrize("p1", [0.0, 1e-6, 0.01])
def test_the_share_never_takes_all_of_a_leads_worth(p1):
    assert unpursued_share(np.full(10, p1), np.ones(10), np.ones(10, dtype=bool))[0] == 0.95


def test_without_rejected_leads_nothing_is_known_and_it_says_so():
    share, sentence = unpursued_share(np.array([0.5]), np.array([1.0]), np.array([False]))
    assert share == 0.0
    assert sentence.startswith("Nothing is known of leads that sales turned down")
