import numpy as np
import pytest

from models.scoring.grades import grade_figures


def test_a_grade_is_told_with_its_realised_rate_and_exact_interval():
    grades = np.array(["A", "A", "A", "A", "B", "B", "D"], dtype=object)
    chance = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.2, 0.1])
    outcome = np.array([1, 1, 0, np.nan, 0, 0, np.nan])
    best, second = grade_figures(grades, chance, outcome)
    assert (best.grade, best.leads, best.wins, best.rate, best.predicted) == (
        "A",
        3,
        2,
        pytest.approx(2 / 3),
        pytest.approx(0.8),
    )
    assert (best.low, best.high) == (pytest.approx(0.0943, abs=1e-4), pytest.approx(0.9916, abs=1e-4))
    assert (second.grade, second.rate, second.low) == ("B", 0.0, 0.0)


def test_without_a_judged_lead_there_is_nothing_to_tell():
    assert grade_figures(np.array(["A"], dtype=object), np.array([0.5]), np.array([np.nan])) == ()
