"""The hazard: right against textbook estimators, against finite differences, against plain logistic
regression, and against simple bugs.
"""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter

from features.errors import TooLittleDataError
from features.labels import Labels
from models.evaluation.metrics import auc
from models.survival.discrete_time import GroupedTime, bins_at_risk, edges_for
from models.survival.encoding import BINNING, binned
from models.survival.hazard import HazardParameters, fit_hazard, newest, tree_settings

HORIZON = 90.0


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
        state=np.where(settled, "settled", "open"),
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
        state=np.where(known, "settled", "open"),
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


def test_with_one_bin_it_is_plain_logistic_lightgbm():
    x, truth, _, _ = world(7, 3000)
    outcome = (np.random.default_rng(7).random(3000) < truth).astype(float)
    parameters = HazardParameters(
        rounds=40, column_share=1.0, recent_share=1
    )  # both draw columns, but not the same ones
    hazard = fit_hazard(x, flat(outcome), horizon=HORIZON, parameters=parameters)
    settings = tree_settings(parameters, rows=3000, events=outcome.sum()) | {"objective": "binary"}
    data = lgb.Dataset(x.to_numpy(), outcome, init_score=np.full(3000, hazard.alphas[0]), params=BINNING)
    plain = (
        lgb.train(settings, data, num_boost_round=40).predict(x.to_numpy(), raw_score=True) + hazard.alphas[0]
    )
    assert hazard.probability(hazard.raw(x)) == pytest.approx(1 / (1 + np.exp(-plain)), abs=1e-6)


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
    weighted = fit_hazard(data, told, horizon=HORIZON, parameters=parameters, weights=half.astype(float))
    chosen = fit_hazard(data, told, horizon=HORIZON, parameters=parameters, rows=np.flatnonzero(half))
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
        fit_hazard(
            x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters(rounds=30)
        ).booster.model_to_string()
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


def test_where_the_world_has_turned_the_newest_trees_know_it():
    rng = np.random.default_rng(15)
    x = rng.normal(size=(20_000, 1))
    sign = np.where(np.arange(20_000) < 15_000, 1.0, -1.0)  # what was good has become bad since row 15,000
    outcome = (rng.random(20_000) < 1 / (1 + np.exp(1 - 1.5 * sign * x[:, 0]))).astype(float)
    fresh = frame(np.array([[-1.0], [1.0]]))
    one, two = (
        fit_hazard(
            frame(x), flat(outcome), horizon=HORIZON, parameters=HazardParameters(recent_share=share)
        ).raw(fresh)
        for share in (1, 0.25)
    )
    assert one[0] < one[1]
    assert two[1] - two[0] < 0.3 * (one[1] - one[0])


def test_two_memories_are_two_fits_weighed_two_to_one():
    x, _, delay, age = world(16, 20_000)
    told = labels(age, delay)
    data = binned(x)
    parameters = HazardParameters(rounds=20, recent_share=1)
    bins, _ = bins_at_risk(told, edges_for(HORIZON, told))
    used = np.flatnonzero(bins)
    both = fit_hazard(data, told, horizon=HORIZON, parameters=HazardParameters(rounds=20, recent_share=0.25))
    apart = [
        fit_hazard(data, told, horizon=HORIZON, parameters=parameters, rows=rows)
        for rows in (used, newest(used, 0.25))
    ]
    assert both.raw(x) == pytest.approx(
        np.average([each.raw(x) for each in apart], axis=0, weights=[2, 1]), abs=1e-6
    )
    assert both.alphas == pytest.approx(
        np.average([each.alphas for each in apart], axis=0, weights=[2, 1]), abs=1e-6
    )


def test_where_nothing_has_changed_a_second_memory_costs_next_to_nothing():
    rng = np.random.default_rng(17)
    x = rng.normal(size=(40_000, 30))
    truth = 1 / (1 + np.exp(2 - x[:, :10].sum(axis=1) / 3))
    outcome = (rng.random(40_000) < truth).astype(float)
    known, later = slice(0, 20_000), slice(20_000, None)
    two, one = (
        fit_hazard(
            frame(x[known]),
            flat(outcome[known]),
            horizon=HORIZON,
            parameters=HazardParameters(recent_share=share),
        )
        for share in (0.25, 1)
    )
    assert (
        auc(outcome[later], two.raw(frame(x[later]))) > auc(outcome[later], one.raw(frame(x[later]))) - 0.003
    )


def test_too_few_newest_leads_make_no_memory_of_their_own():
    x, _, delay, age = world(18, 8000)
    two, one = (
        fit_hazard(
            x, labels(age, delay), horizon=HORIZON, parameters=HazardParameters(rounds=10, recent_share=share)
        ).raw(x)
        for share in (0.25, 1)
    )
    assert two.tolist() == one.tolist()


def test_past_so_many_leads_a_tree_learns_from_a_draw_of_them_and_ranks_as_well(monkeypatch):
    x, _, delay, age = world(19, 20_000)
    told = labels(age, delay)
    parameters = HazardParameters(recent_share=1)
    whole = fit_hazard(x, told, horizon=HORIZON, parameters=parameters)
    monkeypatch.setattr("models.survival.hazard.ROWS_PER_TREE", 5_000)
    drawn = fit_hazard(x, told, horizon=HORIZON, parameters=parameters)
    assert (
        drawn.raw(x).tolist() == fit_hazard(x, told, horizon=HORIZON, parameters=parameters).raw(x).tolist()
    )
    assert drawn.raw(x).tolist() != whole.raw(x).tolist()
    assert drawn.probability(drawn.raw(x)).mean() == pytest.approx(
        whole.probability(whole.raw(x)).mean(), rel=0.02
    )
    assert np.corrcoef(drawn.raw(x), whole.raw(x))[0, 1] > 0.95
