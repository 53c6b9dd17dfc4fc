"""Where a model is poor: groups that differ beyond chance are named, and others are not."""

import numpy as np
import pandas as pd
import pytest

from models.evaluation import uncertainty
from models.evaluation.performance import ranking
from models.evaluation.segments import EMPTY, gaps, segment_figures
from models.evaluation.uncertainty import account_weights, ratio_of_sums


def market(seed: int, leads: int = 8_000, groups: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judged leads of a true model, in groups that mean nothing; accounts of three leads."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(2 - random.normal(size=leads)))
    judged = pd.DataFrame(
        {
            "account_id": np.arange(leads) // 3,
            "block": np.arange(leads) * 4 // leads,
            "outcome": (random.random(leads) < p) * 1.0,
            "p": p,
        }
    )
    return judged, pd.DataFrame(
        {
            "channel": random.choice([f"c{n}" for n in range(groups)], leads),
            "sex": random.choice(["f", "m"], leads),
        }
    )


def poor(judged: pd.DataFrame, groups: pd.DataFrame, **others) -> dict[tuple[str, str], str]:
    found = segment_figures(judged, groups, below=(judged["p"] < 0.05).to_numpy(), **others)
    return {(each.column, each.group): each.poor for each in found if each.poor}


@pytest.mark.slow
def test_of_a_hundred_true_models_at_most_a_few_are_told_that_any_group_is_poor():
    alarms = sum(bool(poor(*market(seed, leads=4_000, groups=6))) for seed in range(100))
    assert alarms <= 10  # .05, and two standard errors more


def test_a_group_whose_customers_come_less_often_than_foretold_is_named():
    judged, groups = market(1)
    spoilt = (groups["channel"] == "c3") & (np.arange(len(judged)) % 2 == 0)
    judged.loc[spoilt, "outcome"] = 0.0
    assert poor(judged, groups) == {("channel", "c3"): "promises too much"}


def test_a_group_within_which_the_score_means_nothing_is_named():
    judged, groups = market(2, leads=20_000, groups=4)
    own = (groups["channel"] == "c1").to_numpy()
    judged.loc[own, "p"] = np.random.default_rng(0).permutation(judged.loc[own, "p"])
    assert poor(judged, groups).get(("channel", "c1")) in (
        "ranks no better than chance",
        "misses more of its customers",
    )


def test_a_group_whose_customers_the_filter_holds_more_often_is_named_and_the_gap_told():
    judged, groups = market(3, leads=20_000)
    own = (groups["sex"] == "f").to_numpy()
    won = judged["outcome"].to_numpy() == 1
    below = (judged["p"] < 0.03).to_numpy() | (own & won & (np.arange(len(judged)) % 5 == 0))
    found = segment_figures(judged, groups, below=below, audited=("sex",))
    assert {(each.column, each.group): each.poor for each in found if each.poor} == {
        ("sex", "f"): "misses more of its customers"
    }
    told = {gap.figure: gap for gap in gaps(found)}
    assert set(told) == {"held", "held_wins", "ratio", "auc"}
    gap = told["held_wins"]
    assert (gap.column, gap.most, gap.least, gap.beyond_chance) == ("sex", "f", "m", True)
    assert gap.difference == pytest.approx(0.2, abs=0.04)
    assert 0 < gap.low < gap.difference < gap.high
    assert not told["ratio"].beyond_chance
    assert not told["auc"].beyond_chance


@pytest.mark.slow
def test_of_a_hundred_models_that_treat_all_groups_alike_a_few_at_most_are_told_of_a_gap():
    alarms = 0
    for seed in range(100):
        judged, groups = market(seed, leads=3_000, groups=4)
        found = segment_figures(
            judged, groups[["channel"]], below=(judged["p"] < 0.08).to_numpy(), audited=("channel",)
        )
        alarms += any(gap.beyond_chance for gap in gaps(found))
    assert alarms <= 10  # .05, and two standard errors more


def test_figures_of_a_group_are_those_of_its_leads_and_leads_without_an_outcome_count_where_they_are_held():
    judged, groups = market(6)
    judged.loc[::2, "outcome"] = np.nan
    below = (judged["p"] < 0.1).to_numpy()
    own = groups["sex"] == "f"
    (found,) = (
        each
        for each in segment_figures(judged, groups[["sex"]], below=below, audited=("sex",))
        if each.group == "f"
    )
    known = judged[own & judged["outcome"].notna()]
    assert (found.leads, found.wins) == (len(known), known["outcome"].sum())
    assert found.base_rate.value == pytest.approx(known["outcome"].mean())
    assert found.predicted == pytest.approx(known["p"].mean())
    assert found.held.value == pytest.approx(below[own].mean())
    assert found.held_wins.value == pytest.approx(below[own & (judged["outcome"] == 1)].mean())
    assert found.base_rate.low < found.base_rate.value < found.base_rate.high


def test_where_all_leads_are_promised_too_little_only_groups_that_are_worse_than_they_are_named():
    judged, groups = market(7, leads=20_000, groups=4)
    judged["p"] /= 1.6
    assert poor(judged, groups[["channel"]]) == {}
    judged.loc[groups["channel"] == "c2", "p"] /= 1.5
    assert poor(judged, groups[["channel"]]) == {("channel", "c2"): "promises too little"}
    judged.loc[groups["channel"] == "c2", "p"] *= (
        1.6 * 1.5
    )  # the one group that is promised what comes true is none to be named
    assert poor(judged, groups[["channel"]]) == {}


@pytest.mark.slow
def test_errors_without_resampling_are_those_of_resampled_accounts():
    judged, _ = market(8, leads=6_000)
    block = judged["block"].to_numpy()
    judged["outcome"] = judged.groupby("account_id")["outcome"].transform(
        "max"
    )  # leads of an account share a fate
    account, outcome, p = (judged[name].to_numpy() for name in ("account_id", "outcome", "p"))
    weights = account_weights(account.max() + 1, resamples=1_000, seed=0)
    drawn = ranking(p, outcome, block, account, weights)
    ones = np.ones(len(p))
    pairs = [
        (uncertainty.auc(p, outcome, block, account), drawn.auc),
        (
            uncertainty.jackknife_ratio(p, outcome, account),
            ratio_of_sums(p, outcome, account=account, weights=weights),
        ),
        (
            uncertainty.share(outcome == 1, account),
            ratio_of_sums(outcome, ones, account=account, weights=weights),
        ),
    ]
    for ours, theirs in pairs:
        assert ours.value == pytest.approx(theirs.value, abs=1e-9)
        assert uncertainty.error_of(ours) == pytest.approx(uncertainty.error_of(theirs), rel=0.1)
    naive = uncertainty.share(outcome == 1, np.arange(len(p)))
    assert uncertainty.error_of(naive) < 0.8 * uncertainty.error_of(pairs[2][0])


@pytest.mark.parametrize(
    ("part", "low", "high"), [([False] * 20, 0.0, 0.1684), ([True] * 20, 0.8316, 1.0), ([], np.nan, np.nan)]
)
def test_a_share_of_none_or_of_all_has_the_exact_interval(part, low, high):
    found = uncertainty.share(np.array(part, bool), np.arange(len(part)))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4, nan_ok=True)


def test_small_groups_and_columns_of_one_group_are_passed_over_and_emptiness_is_a_group():
    judged, groups = market(4)
    groups["country"] = np.where(np.arange(len(groups)) < 50, "tiny", None)
    groups["plan"] = np.where(np.arange(len(groups)) % 2 == 0, "pro", None)
    found = segment_figures(judged, groups, below=None)
    assert {each.group for each in found if each.column == "plan"} == {"pro", EMPTY}
    assert not [each for each in found if each.column == "country"]
    assert all(np.isnan(each.held_wins.value) for each in found)
    assert gaps(found) == ()


def test_of_no_judged_leads_nothing_is_said():
    judged, groups = market(5)
    assert segment_figures(judged.iloc[:0], groups.iloc[:0], below=None) == ()
