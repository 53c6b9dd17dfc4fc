"""The made-up market: what METHODS promises of it, so that what is measured on it can be believed."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import weibull_min
from sklearn.metrics import roc_auc_score

from features.errors import UsageError
from pipelines.simulation.market import SimulatorSettings, settings_from_url, simulate, simulate_tables


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["all is seen", "with an unseen factor"])
def world(request):
    return simulate(SimulatorSettings(gamma=request.param))


@pytest.fixture(scope="module")
def default_world():
    return simulate(SimulatorSettings())


def test_about_an_eighth_of_leads_would_become_customers_if_pursued(world):
    assert 0.10 <= world.truth["p1"].to_numpy().mean() <= 0.14
    assert world.truth["would_win_if_pursued"].to_numpy().mean() == pytest.approx(
        world.truth["p1"].to_numpy().mean(), abs=0.01
    )


def test_what_can_be_seen_ranks_with_an_auc_of_about_73(world):
    auc = roc_auc_score(world.truth["would_win_if_pursued"], world.truth["visible_logit"])
    assert auc == pytest.approx(0.735, abs=0.02)


def test_an_unseen_factor_ranks_better_than_anything_visible_only_where_there_is_one():
    for gamma, gap in ((0.0, 0.0), (1.0, 0.08)):
        truth = simulate(SimulatorSettings(gamma=gamma)).truth
        won = truth["would_win_if_pursued"]
        gained = roc_auc_score(won, truth["p1"]) - roc_auc_score(won, truth["visible_logit"])
        assert gained == pytest.approx(gap, abs=0.02)


def test_leads_nobody_takes_up_rarely_win_on_their_own_and_pursuit_never_costs_a_win(default_world):
    truth = default_world.truth.to_pandas()
    np.testing.assert_allclose(truth["p0"], 0.08 * truth["p1"])
    assert not (truth["would_win_if_not"] & ~truth["would_win_if_pursued"]).any()


def test_sales_takes_up_35_percent_of_every_week(default_world):
    selected = default_world.truth["selected"].to_numpy()
    assert selected.mean() == pytest.approx(0.35, abs=0.005)
    created = default_world.leads["created_at"].to_pandas()
    week = (created - pd.Timestamp(default_world.start)).dt.days // 7
    weekly = pd.Series(selected).groupby(week).agg(["mean", "size"])
    assert (abs(weekly["mean"] * weekly["size"] - 0.35 * weekly["size"]) <= 0.5 + 1e-9).all()


def test_sales_chooses_by_what_wins_as_well_as_rho_says():
    def preference(rho: float) -> float:
        truth = simulate(SimulatorSettings(rho=rho, leads=10_000)).truth.to_pandas()
        return truth.groupby("selected")["visible_logit"].mean().diff().iloc[-1]

    assert preference(0.9) > 0.5
    assert abs(preference(0.0)) < 0.1
    assert preference(-0.4) < -0.2


def test_reps_differ_in_how_readily_they_take_up(default_world):
    shares = (
        default_world.truth.to_pandas().groupby(default_world.leads["owner"].to_pandas())["selected"].mean()
    )
    assert len(shares) == 12
    assert shares.std() > 0.05


@pytest.mark.parametrize("slow", [False, True])
def test_wins_take_a_weibull_time_that_grows_with_the_firm(slow):
    truth = simulate(SimulatorSettings(slow=slow)).truth.to_pandas()
    shape, _, scale = weibull_min.fit(truth["delay_days"] / truth["delay_scale_days"], floc=0)
    assert shape == pytest.approx(1.3, abs=0.03)
    assert scale == pytest.approx(1.0, abs=0.02)
    assert truth["delay_scale_days"].median() == pytest.approx(50 if slow else 25, rel=0.05)
    assert truth["delay_scale_days"].std() > 3


def test_the_true_chance_within_a_horizon_is_what_happens(default_world):
    truth = default_world.truth.to_pandas()
    arrived = truth["would_win_if_pursued"] & (truth["delay_days"] <= 30)
    assert default_world.probability_within(30).mean() == pytest.approx(arrived.mean(), abs=0.006)
    assert default_world.probability_within(1e9) == pytest.approx(truth["p1"])


def test_sales_answers_three_days_after_creation_on_average(default_world):
    accepted = default_world.outcomes.filter(pc.field("stage") == "accepted").join(
        default_world.leads.select(["lead_id", "created_at"]), "lead_id"
    )
    lag = (
        accepted["recorded_at"].to_pandas() - accepted["created_at"].to_pandas()
    ).dt.total_seconds() / 86400
    assert lag.mean() == pytest.approx(3.0, abs=0.1)


def test_the_market_grows_and_the_paid_share_doubles(default_world):
    created = default_world.leads["created_at"].to_pandas()
    paid = default_world.leads["channel"].to_pandas().str.startswith("paid")
    quarter = pd.cut(created, 8, labels=False)
    sizes, shares = paid.groupby(quarter).size(), paid.groupby(quarter).mean()
    assert sizes[7] / sizes[0] == pytest.approx(np.exp(0.35 * 2 * 7 / 8), rel=0.1)
    assert shares[0] == pytest.approx(0.2125, abs=0.03)
    assert shares[7] == pytest.approx(0.3875, abs=0.03)


def test_recent_visits_tell_more_than_old_ones(default_world):
    leads = default_world.leads.select(["lead_id", "created_at"]).to_pandas()
    visits = (
        default_world.events.filter(pc.field("kind") == "page_view").to_pandas().merge(leads, on="lead_id")
    )
    age = visits["created_at"] - visits["occurred_at"]

    def auc(young: timedelta, old: timedelta) -> float:
        counts = (
            visits["lead_id"][(age > young) & (age <= old)]
            .value_counts()
            .reindex(leads["lead_id"], fill_value=0)
        )
        return roc_auc_score(default_world.truth["would_win_if_pursued"], counts)

    assert auc(timedelta(0), timedelta(days=7)) > auc(timedelta(days=7), timedelta(days=30)) + 0.015


def test_the_same_settings_give_equal_tables_and_another_seed_others():
    first, second, other = (simulate(SimulatorSettings(leads=500, seed=seed)) for seed in (4, 4, 5))
    for name in ("leads", "events", "outcomes", "truth"):
        assert getattr(first, name).equals(getattr(second, name))
        assert not getattr(first, name).equals(getattr(other, name))


def test_leaks_are_added_to_the_same_market():
    plain, leaky = (simulate(SimulatorSettings(leads=2000, leaks=leaks)) for leaks in (False, True))
    assert leaky.leads.select(plain.leads.column_names).equals(plain.leads)
    assert set(leaky.leads.column_names) - set(plain.leads.column_names) == {
        *("amount", "discount_code", "rating", "activity_count", "last_activity", "lost_reason")
    }
    won = set(leaky.outcomes.filter(pc.field("stage") == "won")["lead_id"].to_pylist())
    assert set(leaky.leads.filter(pc.field("amount").is_valid())["lead_id"].to_pylist()) == won


@pytest.mark.parametrize("extra", ["", "&leaks=1", "&dirt=1"])
def test_the_truth_is_never_among_what_a_pipeline_may_see(extra):
    tables = simulate_tables(f"simulated:?leads=200&months=6{extra}")
    assert list(tables) == ["leads", "events", "outcomes"]
    hidden = set(simulate(SimulatorSettings(leads=10)).truth.column_names) - {"lead_id"}
    assert not hidden & {*tables["events"].column_names, *tables["leads"].column_names} - {"amount"}
    assert tables["outcomes"].column_names == [
        "lead_id",
        "stage",
        "occurred_at",
        "recorded_at",
        "amount",
        "margin",
        "reason",
        "rep",
    ]


@pytest.mark.parametrize("months", [1, 8, 24])
def test_nothing_is_recorded_after_the_end_and_the_last_leads_stay_open(months):
    world = simulate(SimulatorSettings(leads=3000, months=months))
    assert world.end == (pd.Timestamp(world.start) + pd.DateOffset(months=months)).to_pydatetime()
    for table, column in (
        (world.leads, "created_at"),
        (world.events, "recorded_at"),
        (world.outcomes, "recorded_at"),
    ):
        assert table.schema.field(column).type == pa.timestamp("us")
        assert pc.max(table[column]).as_py() < world.end
    young = world.leads.filter(pc.field("created_at") > world.end - timedelta(days=7))["lead_id"]
    closed = world.outcomes.filter(pc.field("stage").isin(["won", "lost"]))["lead_id"]
    assert pc.mean(pc.is_in(young, closed).cast(pa.float64())).as_py() < 0.1


def test_the_tables_keep_the_contract(default_world):
    leads, events, outcomes = (
        getattr(default_world, name).to_pandas() for name in ("leads", "events", "outcomes")
    )
    assert leads["lead_id"].is_unique
    assert leads[["lead_id", "account_id", "created_at"]].notna().all(axis=None)
    assert leads["created_at"].is_monotonic_increasing
    assert not outcomes.duplicated(["lead_id", "stage"]).any()
    born = leads.set_index("lead_id")["created_at"]
    for table in (events, outcomes):
        assert table["lead_id"].isin(born.index).all()
        assert (table["recorded_at"] >= table["occurred_at"]).all()
    assert (outcomes["occurred_at"] >= born[outcomes["lead_id"]].to_numpy()).all()
    stages = outcomes.pivot(index="lead_id", columns="stage", values="recorded_at")
    assert not (stages["accepted"].notna() & stages["rejected"].notna()).any()
    assert stages["accepted"][stages["lost"].notna()].notna().all()
    assert outcomes["amount"].notna().equals(outcomes["stage"] == "won")


def test_the_light_dirt_of_every_market_is_there(default_world):
    leads, events = default_world.leads.to_pandas(), default_world.events.to_pandas()
    assert 0.1 < leads["employees"].isna().mean() < 0.3
    assert leads["job_title"].nunique() > 60  # 22 titles, typed in many ways
    assert leads["email"].str.endswith("@gmail.com").mean() > 0.02
    assert ((events["recorded_at"] - events["occurred_at"]) > timedelta(hours=12)).mean() > 0.03
    assert leads.groupby("account_id").size().max() > 5


def test_dirt_on_request_breaks_the_contract_in_three_ways():
    clean, dirty = (simulate(SimulatorSettings(leads=2000, dirt=dirt)) for dirt in (False, True))
    assert 0.03 < len(dirty.leads) / 2000 - 1 < 0.05
    moments = (
        pd.to_datetime(dirty.leads["created_at"].to_pandas(), utc=True, format="ISO8601")
        .drop_duplicates()
        .dt.tz_localize(None)
    )
    assert set(moments) == set(clean.leads["created_at"].to_pandas())
    assert dirty.leads["created_at"].to_pandas().str[-6:].nunique() == 4
    delay = dirty.outcomes["recorded_at"].to_pandas() - dirty.outcomes["occurred_at"].to_pandas()
    assert 0.03 < (delay > timedelta(0)).mean() < 0.07


def test_a_market_that_is_to_end_on_a_day_is_the_same_one_moved_by_whole_days():
    here, moved = (
        simulate(settings_from_url(f"simulated:?leads=500&months=8{more}"))
        for more in ("", "&end=2026-11-27")
    )
    assert moved.end == datetime(2026, 11, 27)
    assert moved.end - moved.start == here.end - here.start
    assert moved.truth.equals(here.truth)
    for name in ("leads", "events", "outcomes"):
        then, now = getattr(here, name).to_pandas(), getattr(moved, name).to_pandas()
        when = [column for column in now if column.endswith("_at")]
        assert (now[when] - then[when] == moved.end - here.end).all(axis=None)
        pd.testing.assert_frame_equal(now.drop(columns=when), then.drop(columns=when))


def test_a_url_names_settings_and_leaves_the_rest_alone():
    assert settings_from_url("simulated:") == SimulatorSettings()
    named = settings_from_url("simulated:?leads=500&months=8&seed=3&gamma=0&rho=-0.4&start=2023-05-31&slow=1")
    assert named == SimulatorSettings(
        leads=500, months=8, seed=3, gamma=0, rho=-0.4, start=datetime(2023, 5, 31).date(), slow=True
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("simulated:?moths=8", ["moths", "did you mean 'months'"], id="close match"),
        pytest.param("simulated:?colour=red", ["colour", "known: leads, months"], id="no close match"),
        pytest.param("simulated:?rho=2", ["rho", "'2'"], id="out of range"),
        pytest.param(
            "simulated:?leads=many&seed=x&moths=2",
            ["leads: 'many'", "seed: 'x'", "moths"],
            id="all problems at once",
        ),
        pytest.param("simulated:?seed=1&seed=2", ["seed: given twice"], id="given twice"),
        pytest.param("simulated:leads=100", ["simulated:?leads=30000"], id="no question mark"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_with_a_hint(url, words):
    with pytest.raises(UsageError) as caught:
        simulate_tables(url)
    assert all(word in str(caught.value) for word in words)
