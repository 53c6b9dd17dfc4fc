"""Where a model is poor: groups that differ beyond chance are named, and others are not."""

import numpy as np
import pandas as pd
import pytest

from models.segments import EMPTY, gaps, segment_figures


def market(seed: int, leads: int = 8_000, groups: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judged leads of a true model, in groups that mean nothing; accounts of three leads."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(2 - random.normal(size=leads)))
    judged = pd.DataFrame(
        {"account_id": np.arange(leads) // 3, "block": np.arange(leads) * 4 // leads, "outcome": (random.random(leads) < p) * 1.0, "p": p}
    )
    return judged, pd.DataFrame(
        {"channel": random.choice([f"c{n}" for n in range(groups)], leads), "sex": random.choice(["f", "m"], leads)}
    )


def poor(judged: pd.DataFrame, groups: pd.DataFrame, **others) -> dict[tuple[str, str], str]:
    found = segment_figures(judged, groups, below=(judged["p"] < 0.05).to_numpy(), **others)
    return {(each.column, each.group): each.poor for each in found if each.poor}


@pytest.mark.slow
def test_of_a_hundred_true_models_at_most_a_few_are_told_that_any_group_is_poor():
    alarms = sum(bool(poor(*market(seed, leads=4_000, groups=6), resamples=60)) for seed in range(100))
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
    assert poor(judged, groups).get(("channel", "c1")) in ("ranks no better than chance", "misses more of its customers")


def test_a_group_whose_customers_the_filter_holds_more_often_is_named_and_the_gap_told():
    judged, groups = market(3, leads=20_000)
    own = (groups["sex"] == "f").to_numpy()
    won = judged["outcome"].to_numpy() == 1
    below = (judged["p"] < 0.03).to_numpy() | (own & won & (np.arange(len(judged)) % 5 == 0))
    found = segment_figures(judged, groups, below=below, audited=("sex",))
    assert {(each.column, each.group): each.poor for each in found if each.poor} == {("sex", "f"): "misses more of its customers"}
    (gap,) = gaps(found)
    assert (gap.column, gap.most, gap.least) == ("sex", "f", "m")
    assert gap.difference == pytest.approx(0.2, abs=0.04)
    assert 0 < gap.error < 0.03


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
