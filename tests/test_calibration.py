"""Platt scaling: it finds a known distortion, holds still without evidence, and never leaves 0 to 1."""

import numpy as np
import pytest
from scipy.special import expit, logit

from models.scoring.calibration import Platt, fit_platt


def world(rows: int, *, shift: float, slope: float, seed: int = 1):
    """Scores whose truth is another shift and slope of their logit."""
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-2, 1, rows))
    return probability, (rng.random(rows) < expit(shift + slope * logit(probability))).astype(float)


@pytest.mark.parametrize(("shift", "slope"), [(0.0, 1.0), (0.5, 1.0), (-0.4, 0.8), (0.3, 1.2)])
def test_with_many_outcomes_it_finds_what_the_model_got_wrong(shift, slope):
    platt = fit_platt(*world(100_000, shift=shift, slope=slope))
    assert (platt.shift, platt.slope) == pytest.approx((shift, slope), abs=0.06)


def test_without_evidence_it_changes_nothing():
    platt = fit_platt(np.zeros(0), np.zeros(0))
    assert platt == Platt()
    assert platt.apply(np.array([0.0, 0.2, 1.0])).tolist() == [0.0, 0.2, 1.0]


def test_one_win_moves_a_probability_only_a_little():
    platt = fit_platt(np.array([0.1]), np.array([1.0]))
    assert 0.1 < platt.apply(np.array([0.1]))[0] < 0.25


def test_its_minimum_is_where_the_gradient_of_the_penalised_loss_vanishes():
    probability, outcome = world(500, shift=1.0, slope=1.5)
    weights = np.random.default_rng(2).uniform(0.2, 2, 500)
    platt = fit_platt(probability, outcome, weights)
    residual = weights * (platt.apply(probability) - outcome)
    assert residual.sum() + platt.shift / 0.7**2 == pytest.approx(0, abs=1e-6)
    assert (residual * logit(probability)).sum() + (platt.slope - 1) / 0.15**2 == pytest.approx(0, abs=1e-6)


def test_a_weight_of_two_is_the_same_lead_twice():
    probability, outcome = world(200, shift=0.5, slope=1.0)
    doubled = fit_platt(np.r_[probability, probability], np.r_[outcome, outcome])
    weighted = fit_platt(probability, outcome, np.full(200, 2.0))
    assert (weighted.shift, weighted.slope) == pytest.approx((doubled.shift, doubled.slope))


def test_it_keeps_the_order_of_leads_and_stays_between_nothing_and_certain():
    platt = fit_platt(*world(1000, shift=2.0, slope=0.5))
    calibrated = platt.apply(np.array([0.0, 1e-12, 0.3, 0.31, 1 - 1e-12, 1.0]))
    assert (np.diff(calibrated) >= 0).all()
    assert calibrated[0] > 0
    assert calibrated[-2] < 1
    assert calibrated[-1] == 1, "what is known is no guess, and stays so"


def test_an_empty_score_stays_empty():
    assert np.isnan(Platt(0.1, 1.0).apply(np.array([np.nan])))[0]


def test_scores_that_ranked_the_wrong_way_round_are_drawn_together_but_never_turned_round():
    probability, outcome = world(20_000, shift=-1.0, slope=-1.0)
    platt = fit_platt(probability, outcome)
    calibrated = platt.apply(probability)
    assert (np.argsort(calibrated) == np.argsort(probability)).all()
    assert np.std(calibrated) < 0.2 * np.std(probability)
    assert calibrated.mean() == pytest.approx(outcome.mean(), abs=1e-3)
