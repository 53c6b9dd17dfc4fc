"""The hazard: right against textbook estimators, against finite differences, against plain logistic
regression, and against simple bugs.
"""

import json

import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from lightgbm import Booster
from sklearn.linear_model import LogisticRegression

from features.errors import TooLittleDataError
from features.labels import Labels
from features.serialization import dump, load
from models.evaluation.metrics import auc
from models.survival.discrete_time import GroupedTime, bins_at_risk, edges_for
from models.survival.encoding import binned
from models.survival.hazard import Hazard, HazardParameters, fit_hazard, tree_settings
from models.survival.linear import Design, fit_linear

HORIZON = 90.0


def kept_and_read(hazard: Hazard) -> Hazard:
    """The same, by way of JSON and of the trees' text."""
    values = json.loads(json.dumps(dump(hazard)))
    return load(Hazard, values | {"booster": Booster(model_str=hazard.booster.model_to_string())})


def labels(age, delay, horizon: float = HORIZON) -> Labels:
    """Labels of leads watched for ``age`` days whose event comes after ``delay`` days (inf: never)."""
    age, delay = np.asarray(age, dtype=float), np.asarray(delay, dtype=float)
    seen = np.where(delay < age, delay, np.nan)
    mature = age >= horizon
    positive = seen <= horizon
    settled = mature | positive
    return Labels(
        at_risk=np.ones(len(age), dtype=bool),
        start=np.zeros(len(age), dtype="datetime64[us]"),
        age=age,
        delay=seen,
        open=~settled,
        outcome=np.where(settled, positive.astype(float), np.nan),
        mature=mature,
    )


def flat(outcome) -> Labels:
    """Labels of a flat export: outcomes without a time; nan is not known yet."""
    outcome = np.asarray(outcome, dtype=float)
    known = ~np.isnan(outcome)
    return Labels(
        at_risk=np.ones(len(outcome), dtype=bool),
        start=np.zeros(len(outcome), dtype="datetime64[us]"),
        age=np.where(known, np.inf, 0.0),
        delay=np.where(outcome == 1, 0.0, np.nan),
        open=~known,
        outcome=outcome,
        mature=known,
    )


def frame(block: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        np.asfortranarray(block, dtype=np.float32),
        columns=[f"x{i}" for i in range(block.shape[1])],
        copy=False,
    )


def world(seed: int, leads: int, *, drift: float = 0.0, history: float = 240.0):
    """Leads over ``history`` days: features, true 90-day probability, days to a win (inf: never), age today."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(leads, 4))
    age = rng.uniform(0, history, leads)
    truth = 1 / (1 + np.exp(2.0 - 0.9 * x[:, 0] + 0.6 * x[:, 1] - drift * (1 - age / history)))
    days = 45 * rng.weibull(1.3, leads)
    truth = truth * (1 - np.exp(-((HORIZON / 45) ** 1.3)))
    wins = rng.random(leads) * (1 - np.exp(-((HORIZON / 45) ** 1.3))) < truth
    return frame(x), truth, np.where(wins, days, np.inf), age


@pytest.mark.parametrize(
    ("age", "delay", "bins", "event"),
    [
        pytest.param(200, np.inf, 8, False, id="old and never won: at risk in every bin"),
        pytest.param(200, 0, 1, True, id="won at once: the first bin holds it"),
        pytest.param(200, 7, 1, True, id="won on an edge: belongs to the bin that ends there"),
        pytest.param(200, 50, 6, True, id="won in the sixth bin: not at risk after it"),
        pytest.param(200, 120, 8, False, id="won after the horizon: not within it"),
        pytest.param(20, np.inf, 2, False, id="twenty days old: two bins seen to their end"),
        pytest.param(20, 17, 2, False, id="won in a bin that is not over: does not count yet"),
        pytest.param(3, 1, 0, False, id="younger than the first bin: tells nothing"),
        pytest.param(200, -2, 1, True, id="back-dated before its start: first bin"),
    ],
)
def test_a_lead_is_at_risk_in_bins_seen_to_their_end_until_its_event(age, delay, bins, event):
    told = labels([age], [delay])
    counted, happened = bins_at_risk(told, edges_for(HORIZON, told))
    assert (counted[0], happened[0]) == (bins, event)


def test_a_lead_outside_the_population_tells_nothing():
    told = labels([200.0, 200.0], [5.0, np.inf])
    told.at_risk[:] = False
    assert bins_at_risk(told, edges_for(HORIZON, told))[0].tolist() == [0, 0]


def test_outcomes_without_a_time_make_one_bin_and_unknown_ones_none():
    told = flat([1, 0, np.nan])
    bins, event = bins_at_risk(told, edges_for(HORIZON, told))
    assert edges_for(HORIZON, told).tolist() == [HORIZON]
    assert (bins.tolist(), event.tolist()) == ([1, 1, 0], [True, False, False])


def test_derivatives_agree_with_finite_differences_of_the_likelihood():
    rng = np.random.default_rng(3)
    _, _, delay, age = world(3, 400)
    told = labels(age, delay)
    edges = edges_for(HORIZON, told)
    bins, event = bins_at_risk(told, edges)
    use = bins > 0
    weights = rng.uniform(0.1, 1, use.sum())
    task = GroupedTime(bins[use], event[use], weights, edges)
    scores = rng.normal(size=use.sum())

    def loss(f):
        h = 1 / (1 + np.exp(-(f[:, None] + task.alphas)))
        here = np.arange(len(edges)) < bins[use][:, None]
        last = np.arange(len(edges)) == bins[use][:, None] - 1
        won = here & last & event[use][:, None]
        return -weights * np.where(won, np.log(h), np.where(here, np.log1p(-h), 0)).sum(axis=1)

    step = 1e-4
    gradient, hessian = task.derivatives(scores)
    assert gradient == pytest.approx((loss(scores + step) - loss(scores - step)) / (2 * step), abs=1e-5)
    assert hessian == pytest.approx(
        (loss(scores + step) - 2 * loss(scores) + loss(scores - step)) / step**2, abs=1e-5
    )


@pytest.mark.parametrize("horizon", [None, 30.0, 52.5])
def test_without_features_it_is_the_kaplan_meier_estimator(horizon):
    _, _, delay, age = world(5, 20_000)
    hazard = fit_hazard(
        frame(np.zeros((len(age), 1))), labels(age, delay), horizon=HORIZON, parameters=HazardParameters()
    )
    oracle = KaplanMeierFitter().fit(np.minimum(age, delay), delay < age)
    at = HORIZON if horizon is None else horizon
    assert hazard.probability(np.zeros(1), horizon)[0] == pytest.approx(1 - oracle.predict(at), abs=0.006)


def test_lost_leads_stay_at_risk_so_it_is_the_cumulative_incidence_of_aalen_and_johansen():
    rng = np.random.default_rng(6)
    _, _, delay, age = world(6, 20_000)
    lost = np.where(
        np.isinf(delay), rng.exponential(40, len(delay)), np.inf
    )  # a lead that was lost is never won
    hazard = fit_hazard(
        frame(np.zeros((len(age), 1))), labels(age, delay), horizon=HORIZON, parameters=HazardParameters()
    )
    first = np.minimum(delay, lost)
    kind = np.where(first >= age, 0, np.where(delay < lost, 1, 2))
    oracle = AalenJohansenFitter(calculate_variance=False, seed=1).fit(
        np.minimum(first, age) + rng.random(len(age)) * 1e-6, kind, event_of_interest=1
    )
    incidence = oracle.cumulative_density_.iloc[:, 0]
    assert hazard.probability(np.zeros(1))[0] == pytest.approx(
        incidence[incidence.index <= HORIZON].iloc[-1], abs=0.006
    )


def test_with_one_bin_the_linear_part_is_plain_ridge_logistic_regression():
    x, truth, _, _ = world(7, 3000)
    outcome = (np.random.default_rng(7).random(3000) < truth).astype(float)
    told = flat(outcome)
    bins, event = bins_at_risk(told, edges_for(HORIZON, told))
    design = Design(x.to_numpy(), [])
    task = GroupedTime(bins, event, np.ones(3000), edges_for(HORIZON, told))
    coefficients, _ = fit_linear(design, task, 5.0)
    plain = LogisticRegression(C=1 / 5.0, tol=1e-8, max_iter=1000).fit(design.matrix, outcome)
    ours, theirs = (design.matrix @ each for each in (coefficients, plain.coef_[0]))
    # The level leans on the overall rate with the weight of twenty leads, scikit-learn's leans on nothing.
    assert ours == pytest.approx(theirs, abs=0.02)


def test_the_linear_fit_ends_where_the_penalised_likelihood_is_level():
    x, _, delay, age = world(7, 3000)
    told = labels(age, delay)
    edges = edges_for(HORIZON, told)
    bins, event = bins_at_risk(told, edges)
    use = bins > 0
    design = Design(x.to_numpy()[use], [])
    task = GroupedTime(bins[use], event[use], np.ones(use.sum()), edges)
    best, _ = fit_linear(design, task, 10.0)

    def loss(coefficients):
        logits = (design.matrix @ coefficients)[:, None] + task.alphas
        here = np.arange(len(edges)) < bins[use][:, None]
        won = (np.arange(len(edges)) == bins[use][:, None] - 1) & event[use][:, None]
        return (np.where(here, np.logaddexp(0, logits), 0) - np.where(won, logits, 0)).sum() + 5.0 * (
            coefficients @ coefficients
        )

    step = 1e-3 * np.eye(len(best))
    slopes = [(loss(best + each) - loss(best - each)) / 2e-3 for each in step]
    assert np.abs(slopes).max() < 0.1  # at the start the steepest is in the hundreds
    assert max(abs(loss(each) - loss(-each)) / 2e-3 for each in step) > 100


def later_auc(hazard: Hazard, x: np.ndarray, outcome: np.ndarray) -> float:
    return auc(outcome, hazard.raw(frame(x)))


def test_where_the_truth_is_linear_trees_cost_little():
    rng = np.random.default_rng(17)
    x = rng.normal(size=(40_000, 12))
    score = x[:, :6].sum(axis=1) / 3
    outcome = (rng.random(40_000) < 1 / (1 + np.exp(2 - score))).astype(float)
    known, later = slice(0, 20_000), slice(20_000, None)
    hazard = fit_hazard(frame(x[known]), flat(outcome[known]), horizon=HORIZON, parameters=HazardParameters())
    assert later_auc(hazard, x[later], outcome[later]) > auc(outcome[later], score[later]) - 0.005


def test_where_columns_work_only_together_trees_carry_it():
    rng = np.random.default_rng(18)
    x = rng.normal(size=(16_000, 4))
    score = 0.5 * x[:, 0] + 1.5 * np.sign(x[:, 1] * x[:, 2])
    outcome = (rng.random(16_000) < 1 / (1 + np.exp(1 - score))).astype(float)
    known, later = slice(0, 8_000), slice(8_000, None)
    hazard = fit_hazard(frame(x[known]), flat(outcome[known]), horizon=HORIZON, parameters=HazardParameters())
    lines, trees = (
        auc(outcome[later], hazard.linear.raw(frame(x[later]))),
        auc(outcome[later], hazard.booster.predict(x[later], raw_score=True)),
    )
    both = later_auc(hazard, x[later], outcome[later])
    assert both > lines + 0.15
    assert both > trees - 0.05  # what the mean costs where lines tell next to nothing


def test_leads_beyond_all_that_was_seen_are_told_apart_by_the_slope_and_a_wild_value_is_not_believed():
    """A world that drifts: tomorrow's values lie beyond yesterday's."""
    rng = np.random.default_rng(8)
    x = np.r_[rng.normal(size=4_000), rng.uniform(3.5, 6.0, 2_000)][:, None]
    outcome = (rng.random(6_000) < 1 / (1 + np.exp(2 + 0.7 * x[:, 0]))).astype(float)
    known = frame(x[:4_000])
    hazard = fit_hazard(known, flat(outcome[:4_000]), horizon=HORIZON, parameters=HazardParameters())
    beyond = hazard.raw(frame(np.array([[3.5], [4.5], [5.5]])))
    assert np.diff(beyond) == pytest.approx([-0.35, -0.35], abs=0.1)  # half of the score is lines
    assert later_auc(hazard, x[4_000:], outcome[4_000:]) > 0.6  # of .5 where all lie beyond the last knot
    wild = hazard.raw(frame(np.array([[9.0], [1e30], [np.inf]])))
    assert np.ptp(wild) == 0
    assert wild[0] > beyond[-1] - 1.0


def test_the_penalty_is_the_one_that_the_coefficients_were_drawn_with():
    rng = np.random.default_rng(20)
    x = rng.choice([-1.0, 1.0], size=(8_000, 120))
    found = []
    for spread in (0.05, 0.2):
        score = x @ rng.normal(scale=spread, size=120)
        told = flat((rng.random(8_000) < 1 / (1 + np.exp(1 - score))).astype(float))
        edges = edges_for(HORIZON, told)
        bins, event = bins_at_risk(told, edges)
        design = Design(x, [])
        _, penalty = fit_linear(design, GroupedTime(bins, event, np.ones(8_000), edges))
        found.append(penalty * spread**2)
    assert found == pytest.approx([1.0, 1.0], rel=0.4)


def test_columns_that_tell_nothing_are_held_back():
    rng = np.random.default_rng(21)
    x = rng.normal(size=(6_000, 100))
    score = x[:, 0]
    outcome = (rng.random(6_000) < 1 / (1 + np.exp(2.5 - score))).astype(float)
    known, later = slice(0, 2_000), slice(2_000, None)
    told = flat(outcome[known])
    edges = edges_for(HORIZON, told)
    bins, event = bins_at_risk(told, edges)

    def later_of(penalty: float | None) -> float:
        design = Design(x[known], [])
        coefficients, _ = fit_linear(design, GroupedTime(bins, event, np.ones(2_000), edges), penalty)
        return auc(outcome[later], design.linear(coefficients).raw(frame(x[later])))

    assert later_of(None) > later_of(1.0) + 0.02
    assert later_of(None) > max(later_of(penalty) for penalty in (3.0, 30.0, 300.0)) - 0.01


def test_values_never_seen_and_empty_ones_have_a_finite_score_and_a_saved_hazard_gives_the_same():
    rng = np.random.default_rng(19)
    group = rng.integers(0, 4, 3000).astype(float)
    number = np.where(rng.random(3000) < 0.2, np.nan, rng.normal(size=3000))
    outcome = (rng.random(3000) < 0.1 + 0.1 * group).astype(float)
    hazard = fit_hazard(
        frame(np.column_stack([group, number])),
        flat(outcome),
        horizon=HORIZON,
        parameters=HazardParameters(rounds=20),
        categorical=[0],
    )
    asked = frame(np.array([[np.nan, np.nan], [9.0, 1e9], [3.0, -1e9], [0.0, 0.0]]))
    again = kept_and_read(hazard)
    assert np.isfinite(hazard.raw(asked)).all()
    assert again.raw(asked).tolist() == hazard.raw(asked).tolist()


def test_levels_of_the_bins_are_found_again_after_the_trees_have_spread_the_leads():
    x, truth, delay, age = world(8, 30_000)
    hazard = fit_hazard(x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters())
    early = 1 - np.exp(-((30.0 / 45) ** 1.3))
    whole = 1 - np.exp(-((HORIZON / 45) ** 1.3))
    raw = hazard.raw(x)
    assert hazard.probability(raw).mean() == pytest.approx(truth.mean(), rel=0.05)
    assert hazard.probability(raw, 30.0).mean() == pytest.approx((truth / whole * early).mean(), rel=0.07)


@pytest.mark.slow
def test_young_leads_neither_bias_it_up_nor_down_where_not_yet_equals_no_does():
    ratios, naive = [], []
    for seed in range(5):
        x, _, delay, age = world(seed, 8_000, drift=0.8)
        fresh, truth, _, _ = world(100 + seed, 8_000, drift=0.8)
        truth = np.clip(truth, 0, 1)
        told = labels(age, delay)
        hazard = fit_hazard(x, told, horizon=HORIZON, parameters=HazardParameters())
        ratios.append(hazard.probability(hazard.raw(fresh)).mean() / truth.mean())
        today = flat(np.nan_to_num(told.outcome))
        hazard = fit_hazard(x, today, horizon=HORIZON, parameters=HazardParameters())
        naive.append(hazard.probability(hazard.raw(fresh)).mean() / truth.mean())
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert np.mean(naive) < 0.85


def test_a_shorter_horizon_is_never_more_likely_and_each_lead_may_have_its_own():
    x, _, delay, age = world(9, 2000)
    hazard = fit_hazard(x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters(rounds=20))
    raw = hazard.raw(x)[:100]
    days = np.linspace(0, 90, 100)
    own = hazard.probability(raw, days)
    assert own == pytest.approx([hazard.probability(raw[[i]], day)[0] for i, day in enumerate(days)])
    assert (own <= hazard.probability(raw) + 1e-12).all()
    assert own[0] == 0


def test_a_weight_of_nothing_is_the_same_as_not_being_there():
    x, _, delay, age = world(10, 4000)
    half = np.arange(4000) < 2000
    told = labels(age, delay)
    parameters = HazardParameters(rounds=20)
    data = binned(x)
    weighted = fit_hazard(
        x, told, data=data, horizon=HORIZON, parameters=parameters, weights=half.astype(float)
    )
    chosen = fit_hazard(x, told, data=data, horizon=HORIZON, parameters=parameters, rows=np.flatnonzero(half))
    assert weighted.raw(x).tolist() == chosen.raw(x).tolist()


def test_heavier_leads_count_for_more():
    outcome = np.r_[np.ones(300), np.zeros(300)]
    weights = np.r_[np.full(300, 3.0), np.ones(300)]
    hazard = fit_hazard(
        frame(np.zeros((600, 1))),
        flat(outcome),
        horizon=HORIZON,
        parameters=HazardParameters(),
        weights=weights,
    )
    assert hazard.probability(np.zeros(1))[0] == pytest.approx(0.75, abs=0.01)


def test_two_runs_on_two_threads_agree_to_the_bit():
    x, _, delay, age = world(11, 40_000)
    texts = {
        str(dump(fit_hazard(x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters(rounds=30))))
        for _ in range(2)
    }
    assert len(texts) == 1


def test_one_win_in_a_new_group_does_not_make_the_group_a_winner():
    rng = np.random.default_rng(12)
    outcome = (rng.random(2000) < 0.1).astype(float)
    group = rng.integers(0, 5, 2000).astype(float)
    group[0], outcome[0] = 5.0, 1.0  # a team with a single lead, which was won
    hazard = fit_hazard(
        frame(group[:, None]), flat(outcome), horizon=HORIZON, parameters=HazardParameters(), categorical=[0]
    )
    assert hazard.probability(hazard.raw(frame(np.array([[5.0]]))))[0] < 0.2


@pytest.fixture
def of_channels() -> tuple[pd.DataFrame, Labels]:
    """300 leads and 40 wins, 30 of them of one of three channels; one lone lead of a fourth was won."""
    channel = np.repeat([0.0, 1.0, 2.0, 3.0], [100, 100, 99, 1])
    outcome = np.zeros(300)
    outcome[np.r_[0:30, 100:105, 200:204, 299]] = 1
    noise = np.random.default_rng(4).normal(size=300)
    return pd.DataFrame({"channel": channel, "noise": noise}, dtype=np.float32), flat(outcome)


def test_few_outcomes_are_drawn_to_the_rate_of_the_channel_and_that_to_the_rate_of_all(of_channels):
    encoded, known = of_channels
    hazard = fit_hazard(
        encoded, known, horizon=HORIZON, parameters=HazardParameters(threads=1), categorical=[0]
    )
    chance = hazard.probability(hazard.raw(encoded))
    first, second, lone = chance[:100].mean(), chance[100:200].mean(), chance[299]
    assert first == pytest.approx(0.3, abs=0.06)
    assert second == pytest.approx(0.05, abs=0.04)
    assert 0.1 < lone < 0.35  # one win in a new channel, and not 92 %
    again = kept_and_read(hazard)
    np.testing.assert_array_equal(again.raw(encoded), hazard.raw(encoded))


def test_by_another_name_a_column_is_no_channel(of_channels):
    encoded, known = of_channels
    other = encoded.rename(columns={"channel": "colour"})
    fitted = [
        fit_hazard(each, known, horizon=HORIZON, parameters=HazardParameters(threads=1), categorical=[0])
        for each in (encoded, other)
    ]
    spread = [np.ptp([each.linear.terms[0].of(np.array([0.0, 1.0]))]) for each in fitted]
    assert spread[0] > spread[1] + 0.1


def test_too_few_wins_give_everybody_the_overall_rate():
    rng = np.random.default_rng(13)
    x = rng.normal(size=(300, 2))
    outcome = (np.argsort(np.argsort(-x[:, 0])) < 12).astype(
        float
    )  # twelve wins that one column tells perfectly
    hazard = fit_hazard(frame(x), flat(outcome), horizon=HORIZON, parameters=HazardParameters())
    assert np.ptp(hazard.raw(frame(x))) == 0
    assert hazard.probability(hazard.raw(frame(x)))[0] == pytest.approx(12 / 300, abs=0.005)


def test_fewer_wins_grow_smaller_trees_with_larger_leaves():
    few, many = (tree_settings(HazardParameters(), rows=rows, events=rows / 10) for rows in (300, 30_000))
    assert few["num_leaves"] < many["num_leaves"]
    assert few["lambda_l2"] > many["lambda_l2"]


def test_history_shorter_than_the_horizon_still_gives_a_probability_for_all_of_it():
    x, truth, delay, age = world(14, 20_000, history=60)
    hazard = fit_hazard(x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters())
    assert 0.6 < hazard.probability(hazard.raw(x)).mean() / truth.mean() < 1.7


def test_nobody_watched_long_enough_is_too_little_data():
    with pytest.raises(TooLittleDataError, match="nothing was fitted"):
        fit_hazard(
            frame(np.zeros((5, 1))),
            labels(np.ones(5), np.full(5, np.inf)),
            horizon=HORIZON,
            parameters=HazardParameters(),
        )


@pytest.mark.slow
def test_past_so_many_leads_a_tree_learns_from_a_draw_of_them_and_ranks_as_well(monkeypatch):
    x, _, delay, age = world(19, 20_000)
    told = labels(age, delay)
    whole = fit_hazard(x, told, horizon=HORIZON, parameters=HazardParameters())
    monkeypatch.setattr("models.survival.hazard.ROWS_PER_TREE", 5_000)
    monkeypatch.setattr("models.survival.hazard.LINEAR_ROWS", 5_000)
    drawn, again = (fit_hazard(x, told, horizon=HORIZON, parameters=HazardParameters()) for _ in range(2))
    assert drawn.raw(x).tolist() == again.raw(x).tolist()
    assert drawn.raw(x).tolist() != whole.raw(x).tolist()
    assert drawn.probability(drawn.raw(x)).mean() == pytest.approx(
        whole.probability(whole.raw(x)).mean(), rel=0.1
    )
    assert np.corrcoef(drawn.raw(x), whole.raw(x))[0, 1] > 0.95
