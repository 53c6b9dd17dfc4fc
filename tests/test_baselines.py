import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from math import sqrt

import numpy as np
import pandas as pd
import pytest

from models.evaluation.baselines import (
    BASELINES,
    base_rate,
    best_column,
    column_score,
    fit_naive_bayes,
    logistic,
    opinions,
)
from models.evaluation.metrics import auc


def categories(**columns) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Categorical(values) for name, values in columns.items()})


def world(seed: int = 0, rows: int = 2_000):
    """One number and one category that tell something, one of each that do not, and some empty."""
    random = np.random.default_rng(seed)
    visits, noise = random.normal(size=rows), random.normal(size=rows)
    channel = random.choice(["paid", "organic", "event"], rows)
    logit = 1.2 * visits + np.select([channel == "paid", channel == "event"], [-0.7, 0.7], 0.0) - 1
    outcome = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    noise[::7] = np.nan
    frame = pd.DataFrame(
        {
            "visits": visits,
            "noise": noise,
            "channel": pd.Categorical(channel),
            "junk": pd.Categorical(random.choice(list("xyz"), rows)),
        }
    )
    return frame.assign(as_of=pd.date_range("2026-01-01", periods=rows, freq="h")), outcome


# The CRM's naive Bayes


def test_one_lone_win_makes_every_other_lead_91_67_percent():
    seen = categories(source=["fair"], country=["PT"])
    asked = categories(source=["fair", "mail", None], country=["PT", "ES", None])
    assert fit_naive_bayes(seen, np.array([1])).probability(asked) == pytest.approx([0.9167] * 3, abs=5e-5)


def test_naive_bayes_by_hand():
    """Won: fair, fair, mail; lost: fair, mail, mail, mail."""
    seen = categories(source=["fair", "fair", "mail", "fair", "mail", "mail", "mail"])
    model = fit_naive_bayes(seen, np.array([1, 1, 1, 0, 0, 0, 0]))
    won = 3.1 / 7.2 * (2.1 / 3.2)
    lost = 4.1 / 7.2 * (1.1 / 4.2)
    assert model.probability(categories(source=["fair"]))[0] == pytest.approx(won / (won + lost))


def test_naive_bayes_counts_a_repeated_field_twice():
    once = categories(source=["fair"] * 30 + ["mail"] * 30)
    outcome = np.repeat([1, 0, 1, 0], [20, 10, 10, 20])
    twice = once.assign(medium=once["source"])
    p, repeated = (fit_naive_bayes(frame, outcome).probability(frame)[0] for frame in (once, twice))
    assert p == pytest.approx(2 / 3, abs=0.01)
    assert repeated == pytest.approx(4 / 5, abs=0.01)


def test_naive_bayes_says_nothing_of_empty_and_unseen_values_and_never_reads_numbers():
    seen = categories(source=["fair", "mail", None, "fair"]).assign(visits=[1.0, 2.0, 3.0, 4.0])
    model = fit_naive_bayes(seen, np.array([1, 0, 0, 1]))
    neutral = 2.1 / 4.2
    assert model.probability(categories(source=[None, "new"])) == pytest.approx([neutral, neutral])
    assert list(model.evidence) == ["source"]


def test_naive_bayes_is_never_certain():
    seen = categories(**{f"field{n}": ["good"] * 50 + ["bad"] * 50 for n in range(10)})
    p = fit_naive_bayes(seen, np.repeat([1, 0], 50)).probability(seen)
    assert (p.min(), p.max()) == (0.0001, 0.9999)


def test_naive_bayes_reaches_the_published_level_on_real_calls(shared_data):
    calls = pd.read_csv(shared_data / "uci_bank" / "bank-additional-full.csv", sep=";").drop(
        columns="duration"
    )
    won = (calls.pop("y") == "yes").to_numpy(int)
    fields = calls.select_dtypes("str").astype("category")
    p = fit_naive_bayes(fields[:-8239], won[:-8239]).probability(fields[-8239:])
    assert auc(won[-8239:], p) == pytest.approx(0.712, abs=0.001)


# The others


def test_every_baseline_scores_every_lead():
    frame, outcome = world()
    found = opinions(frame[:1500], outcome[:1500], frame[1500:], ["visits", "noise", "channel", "junk"])
    assert tuple(found.scores) == BASELINES
    assert all(np.isfinite(score).all() and len(score) == 500 for score in found.scores.values())
    assert found.best_column == "visits"


def test_newest_first_prefers_the_newest():
    frame, outcome = world()
    assert (np.diff(opinions(frame, outcome, frame, ["visits"]).scores["newest_first"]) > 0).all()


def test_without_two_kinds_of_outcome_all_say_the_base_rate():
    frame, _ = world(rows=50)
    scores = opinions(frame, np.zeros(50), frame, ["visits", "channel"]).scores
    assert {name: np.ptp(score) for name, score in scores.items() if name != "newest_first"} == dict.fromkeys(
        set(BASELINES) - {"newest_first"}, 0.0
    )


def test_the_base_rate_is_never_quite_nought_or_one():
    assert base_rate(np.zeros(9)) == 0.05
    assert base_rate(np.ones(9)) == 0.95


def test_a_number_that_lowers_the_chance_is_read_downwards():
    values, outcome = pd.Series(np.arange(100.0)), np.repeat([1.0, 0.0], 50)
    scores = column_score(values, outcome, pd.Series([5.0, np.nan, 90.0]))
    assert scores.tolist() == [-5.0, -49.5, -90.0]


def test_a_rare_category_is_drawn_to_the_base_rate():
    known = pd.Series(pd.Categorical(["often"] * 99 + ["once"]))
    outcome = np.append(np.repeat([1.0, 0.0], [49, 50]), 1.0)
    often, once, unseen, empty = column_score(
        known, outcome, pd.Series(pd.Categorical(["often", "once", "new", None]))
    )
    assert once == pytest.approx((1 + 20 * 0.5) / 21)
    assert often == pytest.approx((49 + 20 * 0.5) / 119)
    assert (unseen, empty) == (0.5, 0.5)


def test_a_column_that_only_remembers_is_not_the_best():
    """A key with one value per lead ranks its own leads perfectly and later ones not at all."""
    frame, outcome = world()
    remembering = frame.assign(key=pd.Categorical([f"lead {n}" for n in range(len(frame))]))
    assert best_column(remembering[["key", "channel"]], outcome) == "channel"


def test_logistic_regression_finds_what_is_linear():
    frame, outcome = world(rows=4_000)
    columns = ["visits", "noise", "channel", "junk"]
    p = logistic(frame[columns][:3000], outcome[:3000], frame[columns][3000:])
    truth = frame["visits"] * 1.2 + frame["channel"].astype(str).map(
        {"paid": -0.7, "event": 0.7, "organic": 0.0}
    )
    best = auc(outcome[3000:], truth[3000:].to_numpy())
    assert auc(outcome[3000:], p) > best - 0.01
    assert p.mean() == pytest.approx(outcome[3000:].mean(), abs=3 * sqrt(0.25 / 1000))


def test_logistic_regression_stands_empty_constant_and_wild_columns():
    frame, outcome = world(rows=400)
    frame = frame.assign(empty=np.nan, constant=1.0, wild=np.where(np.arange(400) == 7, 1e12, 0.0))
    columns = ["visits", "empty", "constant", "wild"]
    asked = frame[columns].assign(wild=-1e12)
    p = logistic(frame[columns], outcome, asked)
    assert np.isfinite(p).all()
    assert auc(outcome, p) > 0.7
    assert np.ptp(logistic(frame[["empty", "constant"]], outcome, frame[["empty", "constant"]])) == 0.0


@pytest.mark.slow
def test_an_empty_column_is_no_trouble_to_blocks_judged_side_by_side():
    """What silences warnings is shared by all threads: switched often, some see them as errors."""
    empty, won = pd.Series(np.full(50, np.nan)), np.arange(50) % 2 == 0
    often = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
            warnings.simplefilter("error")
            said = list(pool.map(lambda _: column_score(empty, won, empty), range(5_000)))
    finally:
        sys.setswitchinterval(often)
    assert all(not one.any() for one in said)
