"""The rule of promotion: as a table of cases, and what it lets through when it is tried many times in worlds
whose truth is known.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.policy.settings import PolicySettings
from models.promotion.comparison import Honest, comparable, compare, newest, worked_share
from models.promotion.record import unanswered
from models.promotion.rule import (
    CAPTURED,
    LOSS,
    Comparison,
    Difference,
    Leaking,
    PromotionSettings,
    Rival,
    rule,
)

CHAMPION, CHALLENGER = Rival("1", "ready"), Rival("2", "ready")
BETTER = Difference(
    LOSS,
    "becoming a customer",
    champion=0.3141,
    challenger=0.3123,
    worse=-0.005,
    at_worst=0.002,
    allowed=0.01,
)
UNSURE = Difference(
    LOSS, "becoming a customer", champion=0.3141, challenger=0.3144, worse=0.001, at_worst=0.014, allowed=0.01
)
WORSE = Difference(
    CAPTURED, "customers", champion=200, challenger=150, worse=0.25, at_worst=0.31, allowed=0.05
)
FAIR = Comparison(
    leads=4_000, wins=400, span=", from 2026-01-01 to 2026-03-31", worked=0.3, differences=(BETTER,)
)


@pytest.mark.parametrize(
    ("challenger", "champion", "comparison", "promoted", "reason"),
    [
        pytest.param(CHALLENGER, None, None, True, "it is the first", id="there is no champion"),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            FAIR,
            True,
            "harm is excluded with 95 % confidence",
            id="every bad end is within its margin",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            FAIR,
            True,
            "compared with version 1 on the newest 4,000 settled leads, from 2026-01-01",
            id="says on what",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            replace(FAIR, differences=(BETTER, UNSURE)),
            False,
            "harm is not excluded: log-loss of becoming a customer 0.3144 against 0.3141, 0.1 % of the entropy higher, at worst 1.4 % higher",
            id="one bad end is not",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            replace(FAIR, differences=(BETTER, WORSE)),
            False,
            "it is worse: among the best 30 % of leads, which sales would work: customers 150 against 200, 25 % fewer, at worst 31 % fewer",
            id="one figure is worse",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            replace(FAIR, differences=(replace(BETTER, at_worst=np.inf),)),
            False,
            "by how much that may be worse cannot be told",
            id="what cannot be told excludes nothing",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            replace(FAIR, wins=29),
            False,
            "too few settled leads to exclude harm: both versions can be judged on 4,000 leads with 29 wins; 30 wins are needed",
            id="too few wins, however good they look",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            Comparison(0, 0, "", 1.0, obstacle="the two answer"),
            False,
            "the two answer",
            id="not to be compared",
        ),
        pytest.param(
            CHALLENGER,
            CHAMPION,
            None,
            False,
            "it was not compared with the champion",
            id="nobody compared them",
        ),
        pytest.param(
            Rival("2", "no better than chance"),
            None,
            None,
            False,
            "verdict is 'no better than chance'",
            id="useless, even as the first",
        ),
        pytest.param(
            Rival("2", "too little data"),
            CHAMPION,
            FAIR,
            False,
            "verdict is 'too little data'",
            id="useless, whatever the figures",
        ),
        pytest.param(
            Rival("2", "ready", (Leaking("Tags", "suspicious", "AUC .92 alone"),)),
            CHAMPION,
            FAIR,
            False,
            "it reads 'Tags', which is suspicious: AUC .92 alone",
            id="a leak, however good the figures",
        ),
        pytest.param(
            Rival("2", "ready", (Leaking("amount", "known too late", ""),)),
            None,
            None,
            False,
            "it reads 'amount', which is known too late",
            id="a leak, even in the first version",
        ),
        pytest.param(
            CHALLENGER,
            Rival("1", "ready", (Leaking("amount", "known too late", ""),)),
            replace(FAIR, differences=(WORSE,)),
            False,
            "mind that the champion, version 1, reads 'amount' (known too late): its figures flatter it",
            id="against a leaking champion",
        ),
    ],
)
def test_a_version_is_promoted_only_where_harm_is_excluded_and_the_reasons_say_why(
    challenger, champion, comparison, promoted, reason
):
    ruling = rule(challenger, champion, comparison)
    assert ruling.promoted is promoted
    assert reason in "\n".join(ruling.reasons)


@pytest.mark.parametrize(
    ("leak", "counts"),
    [
        ({"column": "a", "verdict": "known too late"}, True),
        ({"column": "a", "verdict": "known too late", "trusted": True}, True),
        ({"column": "a", "verdict": "suspicious", "trusted": False}, True),
        ({"column": "a", "verdict": "suspicious", "trusted": True}, False),
        ({"column": "a", "verdict": "ok"}, False),
        ({"column": "b", "verdict": "known too late"}, False),
    ],
    ids=[
        "blocked",
        "nobody can answer for what is known too late",
        "suspicious",
        "trusted",
        "fine",
        "not read by the model",
    ],
)
def test_a_leak_counts_where_the_model_reads_it_and_nobody_has_answered_for_it(leak, counts):
    assert bool(unanswered([leak], ["a"])) is counts


# ── on which leads ──


def side(*, until: str, forward: list[float], cutoff: list[str], fresh: list[bool]) -> Honest:
    scores = pd.DataFrame({"p_pursue": np.nan, "p_convert": forward}, index=list("abcd"))
    return Honest(scores, np.array(fresh), np.array(cutoff, "datetime64[us]"), np.datetime64(until, "us"))


def test_leads_count_where_both_scores_are_honest_and_the_newer_version_knows_more():
    champion = side(
        until="2026-03-01", forward=[0.1, 0.1, np.nan, np.nan], cutoff=["2026-01-01", "2026-02-01", "2026-03-01", "NaT"],
        fresh=[False, False, True, False],
    )  # fmt: skip
    challenger = side(
        until="2026-06-01",
        forward=[0.2] * 4,
        cutoff=["2026-01-15", "2026-01-15", "2026-04-01", "2026-04-01"],
        fresh=[False] * 4,
    )
    assert comparable(champion, challenger, ("convert",)).tolist() == [True, False, True, False]
    assert comparable(challenger, champion, ("convert",)).tolist() == [True, False, True, False]


def test_the_finished_model_is_asked_about_what_it_never_saw_and_nobody_else():
    known = side(
        until="2026-03-01",
        forward=[0.1, 0.2, 0.3, np.nan],
        cutoff=["2026-01-01"] * 4,
        fresh=[False, False, True, False],
    )
    finished = pd.DataFrame({"p_pursue": 0.5, "p_convert": [0.9, 0.8]}, index=["c", "a"])
    assert known.scores(finished)["p_convert"].tolist()[:3] == [0.1, 0.2, 0.9]


def test_the_newest_leads_are_taken():
    days = pd.date_range("2026-01-01", periods=6)
    leads = pd.DataFrame(
        {"as_of": days, "pursued": 0.0, "converted": np.nan, "became": [0, 1, 0, 0, 1, np.nan]}
    )
    assert newest(leads, np.array([True, True, True, False, True, True]), 2).tolist() == [
        False,
        False,
        True,
        False,
        True,
        True,
    ]


def test_sales_works_as_many_leads_as_its_hours_allow():
    arrivals = (np.datetime64("2026-01-01") + np.arange(280) * np.timedelta64(144, "m")).astype(
        "datetime64[us]"
    )
    weeks = float((arrivals[-1] - arrivals[0]) / np.timedelta64(7, "D"))
    policy = PolicySettings(weekly_capacity=20, hours_per_lead=2)
    settings = PromotionSettings()
    assert worked_share(arrivals, policy, settings, dated=True) == pytest.approx(10 * weeks / 280)
    assert (
        worked_share(arrivals, policy, settings, dated=False)
        == worked_share(arrivals, PolicySettings(), settings, dated=True)
        == 0.3
    )


# ── what is let through ──


def market(seed: int, leads: int, *, noise: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Leads of which a champion sees all but a little, and a challenger all but some more; two leads an
    account.
    """
    random = np.random.default_rng(seed)
    logit = random.normal(-1.9, 0.9, leads)
    won = (random.random(leads) < 1 / (1 + np.exp(-logit))).astype(float)
    table = pd.DataFrame(
        {
            "account_id": np.arange(leads) // 2,
            "pursued": np.nan,
            "converted": won,
            "became": won,
            "margin": np.nan,
        }
    )
    sides = [
        pd.DataFrame(
            {"p_pursue": np.nan, "p_convert": 1 / (1 + np.exp(-logit - random.normal(0, spread, leads)))}
        )
        for spread in (0.15, np.hypot(0.15, noise))
    ]
    return table, *sides


def contest(seed: int, leads: int, *, noise: float) -> Comparison:
    settings = PromotionSettings(resamples=200, seed=seed)
    return compare(
        *market(seed, leads, noise=noise),
        score="p_convert",
        names=("convert",),
        worked=0.3,
        settings=settings,
    )


def truly_worse(kind: str, noise: float) -> float:
    """By what share a challenger of so much noise is worse: on many leads."""
    return next(each.worse for each in contest(0, 400_000, noise=noise).differences if each.kind == kind)


def test_figures_are_those_that_anybody_can_recompute():
    table, champion, challenger = market(3, 2_000, noise=0.8)
    loss, customers = contest(3, 2_000, noise=0.8).differences
    won, p, q = (
        table["converted"].to_numpy(),
        champion["p_convert"].to_numpy(),
        challenger["p_convert"].to_numpy(),
    )
    assert loss.champion == pytest.approx(-np.mean(np.where(won > 0, np.log(p), np.log1p(-p))))
    assert loss.challenger == pytest.approx(-np.mean(np.where(won > 0, np.log(q), np.log1p(-q))))
    rate = won.mean()
    assert loss.worse == pytest.approx(
        (loss.challenger - loss.champion) / -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    )
    assert (customers.champion, customers.challenger) == tuple(
        won[np.argsort(-each)[:600]].sum() for each in (p, q)
    )
    assert loss.worse < loss.at_worst
    assert customers.worse < customers.at_worst


def test_the_margin_of_wins_is_compared_where_it_is_known():
    table, champion, challenger = market(4, 1_000, noise=0.5)
    table["margin"] = np.where(table["became"] == 1, 10.0, np.nan)
    settings = PromotionSettings(resamples=100)
    found = compare(
        table, champion, challenger, score="p_convert", names=("convert",), worked=0.3, settings=settings
    )
    _, customers, margin = found.differences
    assert (margin.what, margin.allowed) == ("margin", settings.max_lost_margin)
    assert margin.challenger == pytest.approx(10 * customers.challenger)
    assert margin.worse == pytest.approx(customers.worse)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "noise"), [(LOSS, 0.29), (CAPTURED, 0.46)])
def test_a_version_that_is_truly_worse_by_its_margin_passes_in_at_most_a_twentieth_of_all_trials(kind, noise):
    allowed = {LOSS: PromotionSettings().max_log_loss, CAPTURED: PromotionSettings().max_lost_wins}[kind]
    assert allowed < truly_worse(kind, noise) < 1.4 * allowed, (
        "as little worse as it may be, or the test says nothing"
    )
    trials = [contest(seed, 3_000, noise=noise) for seed in range(1, 81)]
    passed = np.mean([each.harmless for trial in trials for each in trial.differences if each.kind == kind])
    assert passed <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(trials))
    assert np.mean([rule(CHALLENGER, CHAMPION, trial).promoted for trial in trials]) <= passed


@pytest.mark.slow
def test_an_equal_version_mostly_passes():
    trials = [rule(CHALLENGER, CHAMPION, contest(seed, 6_000, noise=0.0)).promoted for seed in range(1, 41)]
    assert np.mean(trials) > 0.8
