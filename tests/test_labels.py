from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.labels import Horizons, both_labels, convert_labels, pursue_labels, taken_up_before
from features.matrix import fetch
from features.online.ledger import Histories
from features.outcomes import days_taken, fates, outcomes, realised_margins
from features.recipe import FeatureSettings, recipe_for
from features.tables import scoring_cohort, training_cohort
from tests.twin import became
from tests.worlds import STAGES, random_world, row_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name
HORIZONS = Horizons(pursue_days=10, convert_days=20)
AS_OF = datetime(2024, 3, 1)


def day(number):
    return AS_OF + timedelta(days=number)


def fate(**days) -> pd.DataFrame:
    """One lead scored on day 0; stages by the day on which they were recorded."""
    times = {f"{stage}_at": [day(days[stage]) if stage in days else None] for stage in STAGES}
    frame = pd.DataFrame(
        {
            "lead_id": ["1"],
            "account_id": ["1"],
            "created_at": [AS_OF],
            "as_of": [AS_OF],
            **times,
            "amount": [np.nan],
        }
    )
    return frame.astype({name: "datetime64[us]" for name in ("as_of", *times)})


def label(labels):
    """State, outcome and maturity of the one lead."""
    outcome = labels.outcome[0]
    return str(labels.state[0]), None if np.isnan(outcome) else int(outcome), bool(labels.mature[0])


@pytest.mark.parametrize(
    ("days", "until", "expected"),
    [
        pytest.param(
            {"accepted": 3}, 5, ("settled", 1, False), id="accepted: settled, but too young to be judged on"
        ),
        pytest.param({"accepted": 3}, 12, ("settled", 1, True), id="accepted, and the horizon is over"),
        pytest.param({"accepted": 11}, 12, ("settled", 0, True), id="accepted after the horizon: no"),
        pytest.param(
            {"accepted": 5}, 5, ("open", None, False), id="accepted at the very moment: not yet seen"
        ),
        pytest.param(
            {"won": 4}, 5, ("settled", 1, False), id="won without an acceptance: accepted at the win"
        ),
        pytest.param({"rejected": 2}, 5, ("settled", 0, False), id="rejected: settled at once"),
        pytest.param({"lost": 2}, 5, ("settled", 0, False), id="lost: settled at once"),
        pytest.param(
            {"rejected": 2, "accepted": 4}, 5, ("settled", 1, False), id="rejected, then taken up after all"
        ),
        pytest.param({}, 5, ("open", None, False), id="nothing yet"),
        pytest.param({}, 10, ("settled", 0, True), id="nothing within the horizon: no"),
        pytest.param(
            {"accepted": -1},
            12,
            ("unknown", None, False),
            id="accepted before the as-of time: nothing left to predict",
        ),
        pytest.param({"rejected": -1}, 12, ("unknown", None, False), id="rejected before the as-of time"),
    ],
)
def test_a_lead_is_pursued_if_it_is_accepted_within_the_horizon(days, until, expected):
    assert label(pursue_labels(fate(**days), HORIZONS, day(until), STAGES, True)) == expected


@pytest.mark.parametrize(
    ("days", "until", "expected"),
    [
        pytest.param({"accepted": 3, "won": 8}, 9, ("settled", 1, False), id="won"),
        pytest.param({"accepted": 3, "won": 8}, 30, ("settled", 1, True), id="won, and the horizon is over"),
        pytest.param({"accepted": 3, "won": 24}, 30, ("settled", 0, True), id="won after the horizon: no"),
        pytest.param({"accepted": 3, "lost": 8}, 9, ("settled", 0, False), id="lost"),
        pytest.param({"accepted": 3}, 22, ("open", None, False), id="still running"),
        pytest.param(
            {"accepted": 3}, 23, ("settled", 0, True), id="nothing within the horizon of the acceptance: no"
        ),
        pytest.param(
            {"accepted": -4},
            19,
            ("open", None, False),
            id="accepted before the as-of time: the clock starts there",
        ),
        pytest.param(
            {"accepted": -4, "won": -2},
            19,
            ("unknown", None, False),
            id="won before the as-of time: nothing left to predict",
        ),
        pytest.param({"won": 8}, 9, ("settled", 1, False), id="won without an acceptance"),
        pytest.param({}, 5, ("open", None, False), id="may still be taken up: open"),
        pytest.param({}, 100, ("unknown", None, False), id="never taken up: unknown for ever, not a no"),
        pytest.param({"rejected": 2}, 100, ("unknown", None, False), id="rejected: unknown, not a no"),
        pytest.param(
            {"lost": 2}, 100, ("unknown", None, False), id="lost without being taken up: unknown, not a no"
        ),
    ],
)
def test_only_an_accepted_lead_has_a_conversion_outcome(days, until, expected):
    assert label(convert_labels(fate(**days), HORIZONS, day(until), STAGES, True)) == expected


@pytest.mark.parametrize(
    ("days", "until", "expected"),
    [
        ({}, 29, None),  # passed over, but others of its day may still be won
        ({}, 30, 0),
        ({"rejected": 1}, 30, 0),
        ({"accepted": 2, "won": 5}, 29, None),
        ({"accepted": 2, "won": 5}, 30, 1),
        ({"accepted": 2}, 30, 0),
        ({"accepted": 12, "won": 14}, 40, 0),  # not taken up in time
    ],
)
def test_who_is_passed_over_is_no_customer_once_everybody_of_its_day_can_be_told(days, until, expected):
    labels = both_labels(fate(**days), HORIZONS, day(until), STAGES, True)
    outcome = labels.outcome[0]
    assert (None if np.isnan(outcome) else int(outcome)) == expected
    assert labels.judged.tolist() == [expected is not None]


def test_a_lead_is_taken_up_already_if_it_was_accepted_or_won_strictly_before_it_was_scored():
    for days, expected in (
        ({"accepted": -1}, True),
        ({"won": -1}, True),
        ({"accepted": 0}, False),
        ({}, False),
    ):
        assert taken_up_before(fate(**days), STAGES, True).tolist() == [expected]
    assert taken_up_before(fate(accepted=-1), STAGES, False).tolist() == [False]


def test_how_long_sales_has_had_a_lead_is_told_alike_in_batches_and_one_by_one():
    tables = random_world(3).tables(ibis.duckdb.connect(threads=1))
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    cohort = scoring_cohort(tables, tables.end)
    ids = cohort.lead_id.to_pyarrow().to_pylist()
    taken = pd.Series(days_taken(tables, cohort, HORIZONS.delay, pd.Series(ids)), ids)
    at = np.full(len(ids), np.datetime64(tables.end, "us").astype(int))
    one_by_one = Histories.of(tables, recipe).days_taken(ids, at, HORIZONS.delay)
    known = pd.Series(one_by_one, ids).dropna()
    assert 0 < len(known) < len(ids)
    assert taken.reindex(known.index).to_numpy() == pytest.approx(known.to_numpy())


def test_age_and_delay_are_days_from_the_start():
    labels = convert_labels(fate(accepted=3, won=8.5), HORIZONS, day(9.25), STAGES, True)
    assert (labels.age[0], labels.delay[0]) == (6.25, 5.5)
    assert labels.start[0] == np.datetime64(day(3), "us")


def test_where_acceptance_cannot_be_told_every_lead_counts_as_worked():
    stages = ("won", "lost")
    assert label(convert_labels(fate(), HORIZONS, day(30), stages, True)) == ("settled", 0, True)
    assert not pursue_labels(fate(won=2), HORIZONS, day(30), stages, True).at_risk.any()


@pytest.mark.parametrize(
    ("days", "expected", "age", "delay"),
    [
        pytest.param({"won": 0}, ("settled", 1, True), np.inf, 0.0, id="won: final"),
        pytest.param({"lost": 0}, ("settled", 0, True), np.inf, np.nan, id="lost: final"),
        pytest.param({}, ("open", None, False), 0.0, np.nan, id="no outcome told: open however old"),
    ],
)
def test_an_outcome_without_a_time_is_final(days, expected, age, delay):
    labels = convert_labels(fate(**days), HORIZONS, day(500), ("won", "lost"), False)
    assert label(labels) == expected
    np.testing.assert_equal((labels.age[0], labels.delay[0]), (age, delay))


@pytest.mark.parametrize("made", [pursue_labels, convert_labels])
@pytest.mark.parametrize("seed", range(5))
def test_every_mature_row_at_risk_has_an_outcome_and_no_other_row_has_one_unsettled(made, seed):
    labels = made(world_fates(seed), HORIZONS, datetime(2024, 7, 1), STAGES, True)
    assert labels.mature.any()
    assert np.isfinite(labels.outcome[labels.mature]).all()
    np.testing.assert_array_equal(np.isfinite(labels.outcome), labels.state == "settled")
    assert (labels.state[labels.at_risk] != "unknown").all()
    assert (labels.delay[labels.outcome == 1] >= 0).all()


@pytest.mark.parametrize("made", [pursue_labels, convert_labels])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_recorded_later_changes_no_label_of_an_earlier_time(made, seed):
    until = datetime(2024, 5, 15)
    whole = world_fates(seed)
    cut = world_fates(seed, until)
    both = whole["as_of"] < until
    early, late = made(cut, HORIZONS, until, STAGES, True), made(whole[both], HORIZONS, until, STAGES, True)
    for field in ("at_risk", "start", "age", "delay", "state", "outcome", "mature"):
        np.testing.assert_array_equal(getattr(early, field), getattr(late, field), err_msg=field)


def world_fates(seed, until=None) -> pd.DataFrame:
    tables = random_world(seed).tables(ibis.duckdb.connect(threads=1))
    tables = tables if until is None else tables.until(until)
    return fetch(fates(tables, training_cohort(tables, timedelta(days=1)))).to_pandas()


def test_fates_tell_the_first_time_each_stage_was_recorded():
    world = random_world(0)
    found = world_fates(0)
    assert len(found) > 50
    for row in found.itertuples():
        for stage in STAGES:
            own = world.outcomes[
                (world.outcomes.lead_id == row.lead_id)
                & (world.outcomes.stage == stage)
                & (world.outcomes.recorded_at < world.end)
            ]
            first = own.recorded_at.min()
            assert pd.isna(first) == pd.isna(getattr(row, f"{stage}_at"))
            assert pd.isna(first) or first == getattr(row, f"{stage}_at")


OF_SEVERAL_KINDS = {
    "all stages": lambda seed: random_world(seed),
    "no acceptance": lambda seed: untold(random_world(seed)),
    "outcomes without times": lambda seed: replace(random_world(seed), outcome_times=False),
    "rows in order": lambda seed: row_world(seed),
}


def untold(world):
    told = world.outcomes[world.outcomes.stage.isin(["won", "lost"])]
    return replace(world, outcomes=told, stages=("won", "lost"))


@pytest.mark.parametrize("kind", OF_SEVERAL_KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_what_became_of_each_lead_is_what_one_reads_off_its_outcomes_one_by_one(kind, seed):
    world = OF_SEVERAL_KINDS[kind](seed)
    tables = world.tables(ibis.duckdb.connect(threads=1))
    fate = fetch(fates(tables, training_cohort(tables, timedelta(days=1)))).to_pandas()
    for days in (30, 75, 200) if world.clock == "time" else (0,):
        until = min(AS_OF + timedelta(days=days), world.end) if days else world.end
        found = outcomes(fate, HORIZONS, until, tables)
        twin = pd.DataFrame([became(world, HORIZONS, row, until) for row in fate.itertuples()])
        pd.testing.assert_frame_equal(found[list(twin.columns)], twin, check_dtype=False)


def test_an_open_lead_is_no_lost_customer_and_one_never_taken_up_is_none():
    leads = [fate(accepted=3), fate(), fate(accepted=3, won=8), fate(rejected=2)]
    leads = pd.concat(leads, ignore_index=True).assign(margin=np.nan)
    tables = random_world(0).tables(ibis.duckdb.connect(threads=1))
    early, late = (outcomes(leads, HORIZONS, day(end), tables)["customer"].tolist() for end in (12, 31))
    assert np.isnan(early).all()
    assert late == [0, 0, 1, 0]


def test_a_share_of_the_amount_stands_for_the_margin_only_where_no_win_has_one():
    sums = pd.DataFrame({"amount": [100.0, 200.0, np.nan], "margin": [np.nan, 30.0, np.nan]})
    np.testing.assert_array_equal(realised_margins(sums, 0.5), [np.nan, 30.0, np.nan])
    np.testing.assert_array_equal(realised_margins(sums.assign(margin=np.nan), 0.5), [50.0, 100.0, np.nan])


@pytest.mark.parametrize(
    ("delay", "said"),
    [
        (timedelta(0), "scored at creation"),
        (timedelta(hours=1), "scored 1 hour after creation"),
        (timedelta(days=3), "scored 3 days after creation"),
        (timedelta(minutes=90), "scored 1.5 hours after creation"),
    ],
)
def test_the_delay_is_told_in_the_largest_unit_that_it_fills(delay, said):
    assert Horizons(delay=delay).scored == said
