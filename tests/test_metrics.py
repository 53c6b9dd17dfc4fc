import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from features.serialization import plain
from models.evaluation import metrics
from models.evaluation.metrics import Counts, counts_by_score
from models.evaluation.uncertainty import account_weights, estimate, ratio_of_sums


def leads(seed: int, rows: int = 300, levels: int = 20):
    random = np.random.default_rng(seed)
    score = random.integers(0, levels, rows) / levels
    outcome = (random.random(rows) < 0.1 + 0.5 * score).astype(float)
    return score, outcome


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [2, 20, 100_000])
def test_auc_and_average_precision_are_those_of_scikit_learn_ties_included(seed, levels):
    score, outcome = leads(seed, levels=levels)
    counts = counts_by_score(score, outcome)
    assert metrics.area(counts)[0] == pytest.approx(roc_auc_score(outcome, score))
    assert metrics.average_precision(counts)[0] == pytest.approx(average_precision_score(outcome, score))


@pytest.mark.parametrize("seed", range(3))
def test_weighted_auc_counts_every_pair_by_the_product_of_its_weights(seed):
    score, outcome = leads(seed, rows=80)
    account = np.random.default_rng(seed).integers(0, 30, 80)
    weights = account_weights(30, resamples=20, seed=seed)
    drawn = metrics.area(counts_by_score(score, outcome, account=account, weights=weights))
    for resample in range(20):
        weight = weights[account, resample].astype(float)
        right = all_pairs = 0.0
        for i in np.flatnonzero(outcome == 1):
            for j in np.flatnonzero(outcome == 0):
                right += weight[i] * weight[j] * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
                all_pairs += weight[i] * weight[j]
        assert drawn[resample] == pytest.approx(right / all_pairs)


def test_joining_neighbouring_scores_hardly_moves_the_figures():
    random = np.random.default_rng(0)
    score = random.normal(size=50_000)
    outcome = (random.random(50_000) < 1 / (1 + np.exp(2 - score))).astype(float)
    exact, joined = counts_by_score(score, outcome), counts_by_score(score, outcome, most_groups=2_000)
    assert len(joined.positives) <= 2_001
    assert metrics.area(joined)[0] == pytest.approx(metrics.area(exact)[0], abs=2e-5)
    assert metrics.average_precision(joined)[0] == pytest.approx(
        metrics.average_precision(exact)[0], abs=3e-3
    )
    assert metrics.lift(joined)[0] == pytest.approx(metrics.lift(exact)[0], abs=1e-2)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param(0, 0.0, id="nobody worked"),
        pytest.param(1, 1.0, id="the best lead, a win"),
        pytest.param(3, 2.0, id="half of four tied leads, two of them wins: one more on average"),
        pytest.param(5, 3.0, id="the whole tie"),
        pytest.param(9, 3.0, id="everybody and more"),
    ],
)
def test_a_tie_at_capacity_is_shared_evenly(taken, expected):
    score, outcome = [0.9, 0.5, 0.5, 0.5, 0.5, 0.1], [1, 1, 1, 0, 0, 0]
    assert metrics.captured(counts_by_score(score, outcome), taken)[0] == expected


def test_lift_of_equal_scores_is_one_and_of_perfect_scores_the_most_possible():
    outcome = np.repeat([1.0, 0.0], [25, 75])
    assert metrics.lift(counts_by_score(np.zeros(100), outcome))[0] == pytest.approx(1.0)
    assert metrics.lift(counts_by_score(outcome, outcome))[0] == pytest.approx(4.0)


def test_a_single_kind_of_outcome_has_no_auc():
    assert np.isnan(metrics.area(counts_by_score([0.1, 0.2], [1, 1]))[0])
    empty = Counts(np.zeros((0, 3)), np.zeros((0, 3)))
    assert np.isnan(metrics.area(empty)).all()


def test_losses_are_those_of_scikit_learn():
    p, outcome = leads(1)
    p = 0.01 + 0.9 * p
    assert metrics.log_losses(outcome, p).mean() == pytest.approx(log_loss(outcome, p))
    assert metrics.brier_losses(outcome, p).mean() == pytest.approx(brier_score_loss(outcome, p))


def test_a_certain_prediction_that_fails_costs_much_but_not_everything():
    assert metrics.log_losses(np.array([0.0]), np.array([1.0]))[0] == pytest.approx(-np.log(1e-6))


def test_the_calibration_line_finds_by_how_much_scores_boast():
    random = np.random.default_rng(0)
    logit = random.normal(size=60_000)
    outcome = (random.random(60_000) < 1 / (1 + np.exp(-logit))).astype(float)
    slope, intercept = metrics.calibration_line(outcome, 1 / (1 + np.exp(-(2 * logit + 1))))
    assert slope == pytest.approx(0.5, abs=0.02)
    assert intercept == pytest.approx(-0.5, abs=0.03)
    assert np.isnan(metrics.calibration_line(outcome, np.full(60_000, 0.3))).all()


def test_expected_calibration_error_is_the_mean_gap_of_groups():
    p = np.repeat([0.2, 0.6], 100)
    outcome = np.concatenate([np.repeat([1, 0], [30, 70]), np.repeat([1, 0], [40, 60])])
    assert metrics.expected_calibration_error(outcome, p, groups=2) == pytest.approx((0.1 + 0.2) / 2)


def test_account_weights_repeat_with_the_seed_and_average_one():
    weights = account_weights(5_000, resamples=100, seed=3)
    assert (weights == account_weights(5_000, resamples=100, seed=3)).all()
    assert (weights != account_weights(5_000, resamples=100, seed=4)).any()
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.var() == pytest.approx(1.0, abs=0.02)


def test_many_accounts_are_drawn_less_often():
    assert account_weights(100_001, resamples=200, seed=0).shape == (100_001, 100)


def test_a_ratio_has_no_interval_where_nothing_can_be_divided():
    nothing = ratio_of_sums(
        np.ones(3), np.zeros(3), account=np.arange(3), weights=account_weights(3, resamples=50, seed=0)
    )
    assert plain(nothing) == {"value": None, "low": None, "high": None}


@pytest.mark.slow
def test_intervals_over_accounts_cover_where_intervals_over_leads_are_too_narrow():
    """Ten leads of an account share its fate: a bootstrap over leads would believe it had ten times the data."""
    runs, covered, narrow = 150, 0, 0
    for run in range(runs):
        random = np.random.default_rng(run)
        quality = random.normal(size=80)
        account = np.repeat(np.arange(80), 10)
        score = quality[account]
        outcome = (random.random(80) < 1 / (1 + np.exp(-quality))).astype(float)[account]
        truth = 0.7395  # of this world, by 4,000,000 leads
        for target, codes in (("accounts", account), ("leads", np.arange(800))):
            weights = account_weights(codes.max() + 1, resamples=200, seed=run)
            draws = metrics.area(counts_by_score(score, outcome, account=codes, weights=weights))
            interval = estimate(metrics.area(counts_by_score(score, outcome))[0], draws)
            inside = interval.low <= truth <= interval.high
            covered += inside and target == "accounts"
            narrow += inside and target == "leads"
    assert 0.88 <= covered / runs <= 0.99
    assert narrow / runs < 0.6
