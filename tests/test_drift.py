"""The alarm on outcomes: what it counts, how seldom it cries wolf, how soon it is right, and what leaves it
cold.
"""

import numpy as np
import pandas as pd
import pytest

from models.monitoring.data_drift import psi, score_shift
from models.monitoring.expected_outcomes import LATE_EDGES, Expectation, late_factors, lateness
from models.monitoring.outcome_drift import WEEK, looks_of, reference_level, segments_of, tally, watch
from models.monitoring.sequential_test import Level, evidence, level_of, shares_of, since, surplus, z_scores
from models.scoring.calibration import CalibratedHazard, Platt
from models.survival.discrete_time import SHARES
from models.survival.hazard import Hazard
from models.survival.linear import Linear

HORIZON = 90.0
DAYS = SHARES * HORIZON
LEVELS = np.array([-4.2, -3.9, -3.8, -3.6, -3.4, -3.7, -4.0, -4.4])
MODEL = CalibratedHazard(Hazard(Linear({}), None, LEVELS, DAYS, 100), Platt(shift=-0.2, slope=1.1))
NOW = np.datetime64("2026-06-29T00:00:00", "us")
GRADES, CHANNELS = (
    np.array([0.10, 0.22, 0.30, 0.38]),
    np.array([0.35, 0.25, 0.20, 0.12, 0.08]),
)  # shares of the wins
COLUMNS = ["", *["grade"] * 4, *["channel"] * 5]
FAMILIES = (slice(0, 1), slice(1, 5), slice(5, 10))
WEEKS = 26


# ── what is counted ──


def test_what_is_expected_by_the_horizon_is_the_probability_on_record():
    p = np.array([0.001, 0.1, 0.5, 0.97])
    expectation = Expectation(MODEL, p)
    np.testing.assert_allclose(-np.expm1(-expectation.by(np.full(4, HORIZON))), p, rtol=1e-6)
    np.testing.assert_allclose(expectation.by(np.full(4, 1000.0)), expectation.by(np.full(4, HORIZON)))
    assert (expectation.by(np.zeros(4)) == 0).all()


def test_between_now_and_the_horizon_it_is_spread_as_the_hazard_spreads_it():
    raw = np.array([-1.0, 0.0, 1.5])
    whole = MODEL.platt.apply(MODEL.hazard.probability(raw))
    for days in (3.0, 14.0, 50.0):
        part = whole * MODEL.hazard.probability(raw, days) / MODEL.hazard.probability(raw)
        np.testing.assert_allclose(
            -np.expm1(-Expectation(MODEL, whole).by(np.full(3, days))), part, rtol=1e-4
        )


def market(rng, *, weeks=WEEKS, leads=300, turned=None, shift=0.0) -> pd.DataFrame:
    """Leads decided over some weeks whose outcomes come exactly as the model says; from week ``turned`` on
    the other way round.
    """
    week = np.repeat(np.arange(weeks), leads)
    raw = rng.normal(-0.4, 0.9, len(week)) + np.where(week >= weeks // 2, shift, 0.0)
    true = raw if turned is None else np.where(week >= turned, -0.8 - raw, raw)
    p = MODEL.platt.apply(MODEL.hazard.probability(raw))
    reached = MODEL.platt.apply(MODEL.hazard.probability(true))
    spread = np.stack(
        [MODEL.hazard.probability(true, days) for days in np.arange(0, 91)]
    ) / MODEL.hazard.probability(true)
    luck = rng.random(len(week))
    day = (spread * reached < luck).sum(axis=0) - rng.random(len(week))
    decided = NOW - WEEK * (weeks - week) + (rng.random(len(week)) * 6.9 * 86400e6).astype("timedelta64[us]")
    return pd.DataFrame(
        {
            "decided_at": decided,
            "start": decided + np.timedelta64(1, "D"),
            "entry": 0.0,
            "delay": np.where(luck < reached, np.maximum(day, 0), np.nan),
            "factor": 1.0,
            "p": p,
            "grade": np.array(list("DCBA"))[
                np.searchsorted(np.quantile(p[: leads * weeks // 2], [0.25, 0.5, 0.75]), p)
            ],
            "channel": rng.choice(["web", "fair", "partner"], len(week)),
        }
    )


def reference(rng, rows=8000) -> pd.DataFrame:
    """What the model said before its training, and what came of it: as it said."""
    before = market(rng, weeks=20, leads=rows // 20)
    return before.assign(
        outcome=before["delay"].notna().astype(float), span=np.arange(len(before)) * 5 // len(before)
    )


@pytest.mark.slow
def test_as_long_as_the_model_is_right_outcomes_less_expectation_average_to_nothing_and_vary_by_the_expectation():
    rng = np.random.default_rng(5)
    looks = looks_of((NOW - WEEK * 12 + np.array([0], "timedelta64[us]")), NOW)
    found = []
    for _ in range(60):
        observed, expected = tally(
            market(rng, weeks=12, leads=60), MODEL, looks, segments_of(pd.DataFrame({"grade": []}), ())
        )
        found.append((observed[0].sum(axis=0) - expected[0].sum(axis=0), expected[0].sum(axis=0)))
    gap, due = np.array(found).transpose(1, 0, 2)
    z = gap / np.sqrt(due)
    assert np.abs(z[:, 3:].mean(axis=0)).max() < 0.45  # 3.5 standard errors
    assert 0.7 < z[:, 3:].std() < 1.25


def test_z_is_the_gap_over_the_root_of_what_was_expected_where_the_level_is_known():
    known = Level(ratio=np.ones(1), weight=np.full(1, 1e12))
    z = z_scores(np.array([[[70.0, 0.0]]]), np.array([[[100.0, 0.0]]]), known)
    np.testing.assert_allclose(z, [[[-3.0, 0.0]]])
    unsure = z_scores(
        np.array([[[70.0]]]), np.array([[[100.0]]]), Level(ratio=np.ones(1), weight=np.full(1, 100.0))
    )
    np.testing.assert_allclose(unsure, [[[-3.0 / np.sqrt(2)]]])


def test_who_still_waits_days_later_is_expected_to_answer_as_such_leads_did_before():
    rng = np.random.default_rng(2)
    leads = market(rng, weeks=20, leads=1500)
    p, accepted = leads["p"].to_numpy(), leads["delay"].to_numpy()
    raw = Expectation(MODEL, p)
    rejected = np.where(np.isnan(accepted) & (rng.random(len(p)) < 0.6), rng.exponential(5, len(p)), np.inf)
    factors = late_factors(raw, accepted, np.fmin(accepted, rejected))
    late = rng.uniform(0, 12, len(p))
    waits = np.fmin(accepted, rejected) > late
    came = (accepted > late) & waits
    due = factors[lateness(late)] * (
        raw.by(np.fmin(accepted, HORIZON)) - raw.by(np.fmin(late, np.fmin(accepted, HORIZON)))
    )
    assert len(factors) == len(LATE_EDGES) + 1
    assert factors[0] == 1 < factors[-6]  # rejected leads have left
    for low in range(0, 12, 3):
        some = waits & (late >= low) & (late < low + 3)
        assert came[some].sum() == pytest.approx(due[some].sum(), rel=0.15)


# ── the model's own error ──


def test_a_segment_that_was_always_off_has_not_drifted_and_one_that_swings_has_to_move_further():
    once = level_of(np.array([[80.0] * 5]), np.array([[100.0] * 5]))
    assert once.ratio[0] == pytest.approx((400 + 100) / (500 + 100))
    swinging = level_of(np.array([[60.0, 100, 60, 100, 80]]), np.array([[100.0] * 5]))
    assert swinging.ratio[0] == once.ratio[0]
    assert swinging.weight[0] < 0.5 * once.weight[0]
    unknown = level_of(np.zeros((1, 0)), np.zeros((1, 0)))
    assert unknown.ratio[0] == 1
    assert unknown.weight[0] < 100.001
    gap = (np.full((1, 1, 1), 160.0), np.full((1, 1, 1), 200.0))
    assert (
        evidence(*gap, once)[0].item()
        < 0
        < evidence(*gap, level_of(np.array([[100.0] * 5]), np.array([[100.0] * 5])))[0].item()
    )


def test_the_budget_is_shared_out_to_the_last_bit():
    assert shares_of(COLUMNS, outcomes=2).sum() == pytest.approx(0.5)
    assert shares_of([""]).tolist() == [1.0]


# ── half-years by the hundred ──


def ripening() -> np.ndarray:
    """Share of the wins of a week's leads that falls into each later week: acceptance takes days, winning
    weeks.
    """
    rng = np.random.default_rng(0)
    day = rng.exponential(3, 200_000) + 25 * rng.weibull(1.3, 200_000)
    week = (day + 7 * rng.random(len(day))) // 7
    return np.bincount(week[day < HORIZON].astype(int), minlength=WEEKS)[:WEEKS] / len(day)


def half_years(runs: int, *, wins: float, seed: int, factor: float = 1.0, start: int = 0) -> np.ndarray:
    """In which look each of many simulated half-years raises its first alarm; 99 for never.

    ``wins`` a week are expected. Every segment has an error of its own, of 5 % as standard deviation, that it
    also had before the training, and the level swings by 2 % between spans of time. From week ``start`` on
    the leads win ``factor`` times as often.
    """
    rng = np.random.default_rng(seed)
    cells = wins * np.outer(GRADES, CHANNELS)
    off = np.exp(0.05 * rng.standard_normal((runs, 4, 5)))
    earlier = rng.poisson(9 * (cells * off)[..., None] * np.exp(0.02 * rng.standard_normal((runs, 1, 1, 5))))
    new = np.stack([np.pad(ripening()[: WEEKS - week], (week, 0)) for week in range(WEEKS)])
    changed = np.where(np.arange(WEEKS) >= start, factor, 1.0)[:, None] * np.exp(
        0.02 * rng.standard_normal((runs, 1, 1, 1, 1))
    )
    observed = rng.poisson((cells * off)[..., None, None] * new * changed).cumsum(axis=-1)
    expected = cells[..., None, None] * new.cumsum(axis=-1)

    def segments(counts: np.ndarray, behind: int) -> np.ndarray:
        grade, channel = (-behind - 2, -behind - 1)
        whole = counts.sum(axis=(grade, channel))
        parts = [np.expand_dims(whole, -behind - 1), counts.sum(axis=channel), counts.sum(axis=grade)]
        return np.concatenate(parts, axis=-behind - 1)

    before, foretold = (
        segments(earlier, 1),
        segments(np.broadcast_to(9 * cells[..., None], (*cells.shape, 5)), 1),
    )
    levels = [
        level_of(before[:, family], np.broadcast_to(foretold, before.shape)[:, family]) for family in FAMILIES
    ]
    level = Level(
        *(np.concatenate([getattr(each, name) for each in levels], axis=1) for name in ("ratio", "weight"))
    )
    counts = since(segments(observed, 2))
    told = evidence(counts, np.broadcast_to(since(segments(expected, 2)), counts.shape), level)
    raised = (surplus(told, shares_of(COLUMNS, outcomes=2), 0.01) >= 0).any(axis=(0, 2, 3))
    return np.where(raised.any(axis=1), raised.argmax(axis=1) + 1, 99)


@pytest.mark.slow
def test_of_a_hundred_quiet_half_years_at_most_one_sees_an_alarm_over_all_segments_and_both_outcomes():
    quiet = [
        np.minimum(half_years(50, wins=taken_up, seed=seed), half_years(50, wins=won, seed=100 + seed)) == 99
        for seed, (taken_up, won) in enumerate(4 * [(130, 33), (50, 25), (150, 60)])
    ]
    assert np.mean(quiet) >= 0.99


@pytest.mark.slow
def test_when_a_third_of_the_wins_stay_away_the_median_alarm_comes_by_week_seven_whenever_that_begins():
    assert (
        np.median(half_years(300, wins=33, seed=11, factor=0.7)) <= 7
    )  # as many as the simulated market has
    assert np.median(half_years(60, wins=50, seed=12, factor=0.7, start=9)) - 9 <= 10
    assert np.median(half_years(40, wins=150, seed=13, factor=0.7, start=9)) - 9 <= 6


@pytest.mark.slow
def test_a_relationship_that_turns_round_is_raised_though_no_score_has_moved():
    rng = np.random.default_rng(3)
    weeks = []
    for _ in range(7):
        leads, before = market(rng, turned=8, leads=200), reference(rng)
        assert score_shift(before["p"].to_numpy(), leads["p"].to_numpy(), limit=0.25) is None
        assert psi(leads["p"].to_numpy()[: 200 * 8], leads["p"].to_numpy()[200 * 8 :]) < 0.1
        found = followed(leads, before)
        assert {alarm.segment.column for alarm in found.alarms} >= {"grade"}
        weeks.append(min(np.flatnonzero(found.alarmed.any(axis=0))) - 7)
        low = next(alarm for alarm in found.alarms if alarm.segment.group == "A")
        assert low.direction == "fewer"
        assert abs((low.since - (NOW - WEEK * (WEEKS - 8))) / WEEK) <= 4
    assert np.median(weeks) <= 8


@pytest.mark.slow
def test_leads_that_become_other_leads_and_win_as_foretold_raise_a_hint_and_no_alarm():
    rng = np.random.default_rng(4)
    for _ in range(7):
        leads, before = market(rng, shift=-1.2, leads=200), reference(rng)
        found = followed(leads, before)
        assert (
            score_shift(before["p"].to_numpy(), leads["p"].to_numpy()[-800:], limit=0.25).kind
            == "score shift"
        )
        assert not found.alarms
        assert not found.alarmed.any()


def followed(leads: pd.DataFrame, before: pd.DataFrame):
    looks = looks_of(leads["decided_at"].to_numpy("datetime64[us]"), NOW)
    return watch("convert", leads, before, MODEL, looks=looks, columns=("channel",), false_alarms=0.01)


def test_the_words_of_an_alarm_say_what_where_since_when_and_how_much():
    rng = np.random.default_rng(9)
    leads = market(rng, weeks=12, leads=400)
    gone = (leads["channel"] == "fair") & (rng.random(len(leads)) < 0.7)
    found = followed(leads.assign(delay=leads["delay"].mask(gone)), reference(rng))
    alarm = next(each for each in found.alarms if each.segment.group == "fair")
    assert alarm.words().startswith(
        f"channel fair, decided since {alarm.since.astype('datetime64[D]')}: {alarm.observed:.0f} won so far where "
    )
    told = alarm.to_json()
    assert (told["column"], told["group"], told["direction"]) == ("channel", "fair", "fewer")
    assert told["ratio"] < 0.5
    assert told["since"] < told["raised"] <= "2026-06-29"
    assert "channel web" not in [each.segment.words for each in found.alarms]


def test_groups_too_small_to_say_anything_are_passed_over():
    leads = pd.DataFrame({"grade": ["A"] * 200 + ["B"] * 100, "channel": ["web"] * 270 + ["fair"] * 30})
    assert [each.words for each in segments_of(leads, ("channel",))] == ["all leads", "grade A", "grade B"]


def test_without_a_reference_nothing_is_known_of_the_level():
    empty = pd.DataFrame({"outcome": [], "p": [], "span": [], "grade": []})
    level = reference_level(empty, segments_of(pd.DataFrame({"grade": ["A"] * 60 + ["B"] * 60}), ()))
    assert level.ratio.tolist() == [1.0, 1.0, 1.0]
