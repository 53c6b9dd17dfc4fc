"""Selection: what a forced slice mends, what is flagged without one, and the warning light."""

import numpy as np
import pytest
from scipy.special import expit, logit

from benchmarks.evidence_selection import picture, selection_grid
from features.errors import TooLittleDataError
from models.policy.selective_labels import (
    extrapolated,
    leniency,
    recalibrate,
    worked_as_measured,
    worked_within_bounds,
)
from models.scoring.calibration import fit_platt


def forced_slice(leads: int, *, shift: float, seed: int = 1):
    """Probabilities that promise too much or too little by ``shift`` on the logit, what came of them, and
    accounts of two leads.
    """
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-2, 0.9, leads))
    return (
        probability,
        (rng.random(leads) < expit(logit(probability) - shift)).astype(float),
        np.arange(leads) // 2,
    )


def test_a_forced_slice_shows_how_far_the_model_was_off_and_sets_it_right():
    found = recalibrate(*forced_slice(4_000, shift=0.7))
    assert found.leads == 4_000
    assert found.ratio_before.low > 1.4
    assert found.ratio_after.low < 1 < found.ratio_after.high
    assert found.platt.shift == pytest.approx(-0.7, abs=0.15)


def test_the_correction_is_that_of_platt_on_the_whole_slice():
    probability, outcome, accounts = forced_slice(500, shift=0.3)
    assert recalibrate(probability, outcome, accounts).platt == fit_platt(probability, outcome)


def test_no_lead_is_corrected_by_what_its_own_account_taught():
    probability, outcome, _ = forced_slice(200, shift=0.0)
    # One account owns every win: the other folds then teach, or are judged, without a single one.
    accounts = np.where(outcome > 0, 0, np.arange(1, 201))
    apart, mixed = (
        recalibrate(probability, outcome, each).ratio_after.value for each in (accounts, np.arange(200))
    )
    assert apart < mixed


def test_a_correction_without_need_changes_little():
    found = recalibrate(*forced_slice(850, shift=0.0))
    assert abs(found.platt.shift) < 0.35
    assert found.ratio_before.low < 1 < found.ratio_before.high


def test_the_same_seed_gives_the_same_figures():
    slice_of_leads = forced_slice(300, shift=0.5)
    assert recalibrate(*slice_of_leads, seed=3) == recalibrate(*slice_of_leads, seed=3)


@pytest.mark.parametrize(
    ("leads", "wins", "words"),
    [
        pytest.param(
            19, 5, "19 leads of the forced arm are settled and 5 of them were won", id="too few leads"
        ),
        pytest.param(400, 0, "400 leads of the forced arm are settled and 0 of them were won", id="no win"),
        pytest.param(0, 0, "0 leads", id="nobody"),
    ],
)
def test_too_small_a_slice_is_refused_with_what_is_missing(leads, wins, words):
    outcome = np.arange(leads) < wins
    with pytest.raises(TooLittleDataError, match=f"{words}.*Probabilities were not corrected"):
        recalibrate(np.full(leads, 0.1), outcome, np.arange(leads))


def test_leads_unlike_those_ever_accepted_are_flagged_and_unknown_ones_are_not():
    assert extrapolated(np.array([0.0, 0.0199, 0.02, 0.5, np.nan])).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_leads_that_sales_hardly_ever_takes_up_are_extrapolated():
    assert extrapolated(np.array([0.01, 0.02, 0.5, np.nan])).tolist() == [True, False, False, False]


def test_where_nobody_was_worked_at_random_only_bounds_are_told_and_what_would_narrow_them():
    found = worked_within_bounds(
        np.array([0.5, 0.1]), np.array([0.2, 0.2]), leads_a_week=500, horizon_days=111
    )
    assert (found.low, found.high) == (pytest.approx(0.06), pytest.approx(0.2))
    assert np.isnan(found.value)
    # A share of .11 among 778 leads is known to a fifth; 15 a week are worked, and the last have to settle.
    assert found.weeks == np.ceil(778 / 15 + 111 / 7)
    assert "between 6.0 and 20.0 %" in found.words()
    assert "forced = 0.03) would tell to within a fifth in about 68 weeks" in found.words()


def test_without_dates_no_time_is_foretold():
    found = worked_within_bounds(np.array([0.5]), np.array([0.2]), leads_a_week=np.nan, horizon_days=111)
    assert "weeks" not in found.words()


def test_leads_worked_at_random_give_a_figure_with_its_interval():
    rng = np.random.default_rng(3)
    p = np.full(600, 0.2)
    won = (rng.random(600) < 0.1).astype(float)
    correction = recalibrate(p, won, np.arange(600))
    found = worked_as_measured(correction.platt.apply(p), correction)
    assert found.low < found.value < found.high
    assert found.low < 0.1 < found.high
    assert "measured on 600 leads" in found.words()


def dealt(rng: np.random.Generator, *, unseen: float, reps: int = 12, leads: int = 15_000):
    """Accepted leads dealt by turn to reps of different leniency, who may see a factor that the model does
    not.
    """
    rep = np.arange(leads) % reps
    visible, hidden = rng.normal(-2, 0.9, leads), rng.standard_normal(leads)
    won = rng.random(leads) < expit(visible + unseen * hidden)
    rating = visible + unseen * hidden + 0.6 * rng.standard_normal(reps)[rep] + rng.gumbel(size=leads)
    accepted = rating > np.quantile(rating, 0.65)
    expected = fit_platt(expit(visible[accepted]), won[accepted]).apply(expit(visible[accepted]))
    acceptance = {
        f"rep {one}": (int(accepted[rep == one].sum()), int((rep == one).sum())) for one in range(reps)
    }
    return won[accepted], expected, np.array([f"rep {one}" for one in rep[accepted]]), acceptance


@pytest.mark.slow
def test_the_warning_light_is_lit_where_reps_see_more_and_rarely_where_they_do_not():
    rng = np.random.default_rng(5)
    lit = {
        unseen: np.mean([leniency(*dealt(rng, unseen=unseen)).warns for _ in range(120)])
        for unseen in (0.0, 1.0)
    }
    assert lit[0.0] <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / 120)
    assert lit[1.0] > 0.6


def test_the_light_tells_what_it_saw_and_what_it_rests_on():
    rng = np.random.default_rng(7)
    rates = {f"rep {one}": (10 * (one + 1), 100) for one in range(6)}
    reps = np.repeat(list(rates), 400)
    log_rate = np.log(np.repeat([accepted / offered for accepted, offered in rates.values()], 400))
    won = (rng.random(2_400) < 0.2 - 0.1 * (log_rate - log_rate.mean())).astype(float)
    found = leniency(won, np.full(2_400, 0.2), reps, rates)
    assert found.slope == pytest.approx(np.polyfit(log_rate, won - 0.2, 1)[0])
    assert (found.low < -0.1 < found.high < 0, found.reps, found.leads) == (True, 6, 2_400)
    assert found.words().startswith(
        "people who take up fewer of their leads win more of those than the model expects: "
    )
    assert "They see something that the model does not" in found.words()
    assert found.words().endswith("only where leads are given out by turn")
    reverse = leniency(1 - won, np.full(2_400, 0.8), reps, rates)
    assert not reverse.warns
    assert "no clear sign" in reverse.words()


@pytest.mark.parametrize(
    "acceptance",
    [
        pytest.param({"a": (1, 2), "b": (1, 3), "c": (1, 4)}, id="three reps with a rate"),
        pytest.param(
            {"a": (1, 2), "b": (1, 3), "c": (1, 4), "d": (0, 4), "e": (3, 0)},
            id="the others took nobody or were offered nobody",
        ),
        pytest.param(dict.fromkeys("abcde", (1, 2)), id="all accept alike"),
        pytest.param({}, id="no rate known"),
    ],
)
def test_without_four_reps_who_differ_there_is_no_light(acceptance):
    reps = np.repeat(list("abcde"), 20)
    assert leniency(np.zeros(100), np.full(100, 0.1), reps, acceptance) is None


@pytest.fixture(scope="module")
def grid():
    return selection_grid((11, 12, 13), rhos=(0.9, -0.4), skills=(0.0,)).set_index(["unseen", "rho"])


@pytest.mark.slow
def test_with_an_unseen_factor_accepted_leads_promise_too_much_and_weighting_them_does_not_help(grid):
    assert (grid.loc[True, "naive_ratio"] > 1.3).all(), grid
    assert (grid.loc[True, "ipw_ratio"] > 1.3).all(), grid
    assert (abs(grid.loc[False, "naive_ratio"] - 1) < 0.15).all(), grid


@pytest.mark.slow
def test_recalibrated_on_a_forced_slice_it_is_right_within_two_standard_errors(grid):
    assert grid["forced"].between(750, 950).all()
    assert (abs(grid["ours_ratio"] - 1) <= 2 * grid["ours_ratio_sd"]).all(), grid
    assert (grid["ours_ratio_sd"] < 0.2).all(), grid


@pytest.mark.slow
def test_before_any_lead_was_forced_the_luck_of_who_got_it_tells_the_level_and_ranks_better(grid):
    assert (abs(grid["luck_ratio"] - 1) < 0.15).all(), grid
    assert (grid.loc[True, "luck_auc"] > grid.loc[True, "naive_auc"] + 0.004).all(), grid
    assert (grid["naive_auc"] - grid["luck_auc"] < 0.005).all(), grid
    assert (grid["luck_value"] > grid["naive_value"] - 0.03).all(), grid
    assert (grid.loc[True, "luck_value"] > grid.loc[True, "naive_value"] + 0.05).all(), grid


@pytest.mark.slow
def test_the_correction_costs_no_ranking_and_with_nothing_unseen_hardly_any_money(grid):
    assert (grid["naive_auc"] - grid["ours_auc"] < 0.005).all(), grid
    assert (grid.loc[False, "naive_value"] - grid.loc[False, "ours_value"] < 0.03).all(), grid


@pytest.mark.slow
def test_where_reps_choose_well_the_naive_model_ranks_as_well_and_earns_less(grid):
    cell = grid.loc[True, 0.9]
    assert cell["ours_auc"] == pytest.approx(cell["naive_auc"], abs=0.005)
    assert cell["ours_value"] > cell["naive_value"] + 0.05


@pytest.mark.slow
def test_the_picture_shows_every_cell(grid):
    (axes,) = picture(grid.reset_index()).axes
    assert len(axes.get_yticklabels()) == 4
