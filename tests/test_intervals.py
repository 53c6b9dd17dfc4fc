"""The interval on every lead: it is Venn–Abers to the last digit, holds the true rate on average, and never
claims more than it knows.
"""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from models.scoring.venn_abers import MOST_EDGES, NEWEST, ScoreInterval, fit_interval


def world(rows: int, *, shift: float = 0.0, slope: float = 1.0, seed: int = 1):
    """Scores whose truth is another shift and slope of their logit."""
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-2, 1, rows))
    return probability, (rng.random(rows) < expit(shift + slope * logit(probability))).astype(float)


def by_definition(probability, outcome, score):
    """The slow twin: add the lead once as not won and once as won, and fit isotonic regression anew."""
    added = [
        IsotonicRegression().fit(np.append(probability, score), np.append(outcome, label))
        for label in (0.0, 1.0)
    ]
    return [float(fit.predict([score])[0]) for fit in added]


def everywhere(probability):
    """The scores themselves, between them, and beyond them."""
    scores = np.unique(probability)
    return np.concatenate([scores, (scores[1:] + scores[:-1]) / 2, [scores[0] - 0.01, scores[-1] + 0.01]])


@pytest.mark.parametrize(
    ("rows", "decimals"),
    [
        pytest.param(1, 9, id="one pair"),
        pytest.param(2, 9, id="two pairs"),
        pytest.param(7, 9, id="seven pairs"),
        pytest.param(40, 1, id="a few scores shared by many leads"),
        pytest.param(150, 9, id="many scores"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_isotonic_regression_fitted_anew_for_every_lead(rows, decimals, seed):
    probability, outcome = world(rows, shift=1.0, slope=0.5, seed=seed)
    probability = probability.round(decimals)
    scores = everywhere(probability)
    expected = np.transpose([by_definition(probability, outcome, score) for score in scores])
    assert np.abs(np.array(fit_interval(probability, outcome).of(scores)) - expected).max() < 1e-9


def test_past_its_number_of_steps_the_table_is_wider_than_the_definition_and_hardly_so():
    probability, outcome = world(NEWEST)
    interval = fit_interval(probability, outcome)
    assert len(interval.edges) == MOST_EDGES
    low, high = interval.of(probability[:40])
    exact_low, exact_high = np.transpose(
        [by_definition(probability, outcome, score) for score in probability[:40]]
    )
    assert (low <= exact_low + 1e-12).all()
    assert (high >= exact_high - 1e-12).all()
    assert ((high - low) - (exact_high - exact_low)).mean() < 0.005


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "slope"),
    [
        pytest.param(0, 1, id="calibrated"),
        pytest.param(0.8, 1, id="too low"),
        pytest.param(-0.5, 0.4, id="too sure of itself"),
    ],
)
@pytest.mark.parametrize("rows", [5, 19, 300, 5000])
def test_on_fresh_leads_the_rate_of_wins_lies_between_the_mean_bounds(rows, shift, slope):
    """Over many calibration sets, within three standard errors of the mean over them."""
    runs = 300 if rows < 1000 else 60
    gaps = []
    for seed in range(runs):
        interval = fit_interval(*world(rows, shift=shift, slope=slope, seed=seed))
        probability, outcome = world(2000, shift=shift, slope=slope, seed=10_000 + seed)
        low, high = interval.of(probability)
        gaps.append([outcome.mean() - low.mean(), high.mean() - outcome.mean()])
    gaps = np.array(gaps)
    assert (gaps.mean(axis=0) > -3 * gaps.std(axis=0) / np.sqrt(runs)).all()


def test_a_score_that_is_wrong_is_set_right_and_with_many_pairs_closely():
    probability, outcome = world(NEWEST, shift=1.0)
    low, high = fit_interval(probability, outcome).of(np.array([0.05, 0.1, 0.3]))
    truth = expit(1.0 + logit(np.array([0.05, 0.1, 0.3])))
    assert np.maximum(low - truth, truth - high).max() < 0.04
    assert (high - low).max() < 0.03


def test_more_pairs_make_it_narrower():
    fresh, _ = world(2000, seed=99)
    widths = [
        np.mean(np.subtract(*fit_interval(*world(rows)).of(fresh)[::-1])) for rows in (10, 100, 1000, 10_000)
    ]
    assert (np.diff(widths) < 0).all()
    assert widths[-1] < 0.02


@pytest.mark.parametrize(
    ("outcome", "bounds"),
    [
        pytest.param([0.0] * 9, (0.0, 0.1), id="nine leads and no win: up to one in ten"),
        pytest.param([1.0] * 9, (0.9, 1.0), id="nine wins: from nine in ten"),
        pytest.param([1.0], (0.5, 1.0), id="one lone win is no certainty"),
        pytest.param([0.0], (0.0, 0.5), id="one lone loss neither"),
    ],
)
def test_with_one_kind_of_outcome_it_stays_wide(outcome, bounds):
    low, high = fit_interval(np.full(len(outcome), 0.2), np.array(outcome)).of(np.array([0.2]))
    assert (low[0], high[0]) == pytest.approx(bounds)


def test_scores_beyond_all_that_were_seen_can_be_anything_on_the_far_side():
    interval = fit_interval(*world(300))
    assert interval.of(np.array([-1.0]))[0] == 0.0
    assert interval.of(np.array([2.0]))[1] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_both_bounds_rise_with_the_score_and_never_cross(seed):
    low, high = fit_interval(*world(400, slope=-1.0 + seed / 2, seed=seed)).of(np.linspace(-0.1, 1.1, 2000))
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    assert (low < high).all()
    assert low.min() >= 0
    assert high.max() <= 1


def test_without_a_pair_there_is_no_interval():
    assert fit_interval(np.zeros(0), np.zeros(0)) is None
    assert fit_interval(np.array([0.1, np.nan]), np.array([np.nan, 1.0])) is None


def test_pairs_with_something_unknown_are_passed_over():
    probability, outcome = world(50)
    assert fit_interval(
        np.append(probability, [0.5, np.nan]), np.append(outcome, [np.nan, 1.0])
    ) == fit_interval(probability, outcome)


def test_only_the_newest_pairs_count():
    probability, outcome = world(NEWEST)
    older = np.append(np.full(500, 0.5), probability), np.append(np.ones(500), outcome)
    assert fit_interval(*older) == fit_interval(probability, outcome)


def test_an_empty_score_has_an_empty_interval_and_no_score_none():
    interval = fit_interval(*world(50))
    assert np.isnan(interval.of(np.array([np.nan, 0.2]))).tolist() == [[True, False], [True, False]]
    assert [side.shape for side in interval.of(np.zeros(0))] == [(0,), (0,)]


def test_it_comes_back_from_json_as_it_was():
    interval = fit_interval(*world(5000))
    text = json.dumps(interval.to_json(), allow_nan=False)
    assert ScoreInterval.from_json(json.loads(text)) == interval
    assert len(text) < 60_000


def test_a_million_leads_take_a_moment():
    interval = fit_interval(*world(NEWEST))
    probability, _ = world(1_000_000)
    started = time.process_time()
    interval.of(probability)
    assert time.process_time() - started < 0.3


def test_the_library_leaves_the_process_as_it_was():
    code = """
import numpy as np
before = np.geterr()
from models.scoring.venn_abers import fit_interval
fit_interval(np.array([.1, .1, .2]), np.array([0., 1., 1.]))
assert np.geterr() == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
