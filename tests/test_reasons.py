"""Reasons: exact contributions, grouped by what users know, worded with value and usual value, few and never
noise.
"""

from dataclasses import replace
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from features.labels import Horizons, Labels
from features.recipe import Attribute, Recipe
from features.register import REGISTER, Column
from models.scoring.reasons import WORTH_A_BATCH, contributions, of_trees, reasons, splits_by_category
from models.scoring.scorer import Scorer, Target, fit_scorer
from models.scoring.usual import usual_values
from models.scoring.wording import Wording, difference, duration, percent, sentence, shown, singular
from models.survival.encoding import encode
from models.survival.hazard import HazardParameters


def column(name: str, kind: str, group: str, words: str) -> Column:
    return Column(
        name=name,
        kind=kind,
        group=group,
        unit="",
        empty="no such event on record",
        words=words,
        feature="number",
    )


RECIPE = Recipe(
    attributes=(Attribute("channel", "category"),),
    event_kinds=("visit",),
    event_channels=(),
    event_value=False,
    windows_days=(7.0,),
    rate_keys=(),
    has_accounts=False,
    acceptance=False,
    horizons=Horizons(),
    columns=(
        column("visit_7d", "number", "visit", "{value} visits in 7 days"),
        column("visit_30d", "number", "visit", "{value} visits in 30 days"),
        column("channel", "category", "channel", "channel is {value}"),
        column("since_form", "number", "form", "last form {value} days ago"),
        column("noise", "number", "noise", "noise is {value}"),
    ),
    dropped=(),
)


@pytest.fixture(scope="module")
def world() -> tuple[Scorer, pd.DataFrame]:
    rng = np.random.default_rng(1)
    rows = 4000
    week = rng.poisson(3, rows).astype(float)
    frame = pd.DataFrame(
        {
            "visit_7d": week,
            "visit_30d": week + rng.poisson(3, rows),
            "channel": pd.Categorical(rng.choice(["fair", "paid", "partner"], rows, p=[0.5, 0.3, 0.2])),
            "since_form": np.where(rng.random(rows) < 0.5, rng.uniform(0, 30, rows), np.nan),
            "noise": rng.normal(size=rows),
        }
    )
    chance = 1 / (
        1
        + np.exp(
            2 - 0.4 * (week - 3) - 1.2 * (frame["channel"] == "partner") - 0.8 * frame["since_form"].notna()
        )
    )
    won = rng.random(rows) < chance
    labels = Labels(
        at_risk=np.ones(rows, dtype=bool),
        start=np.zeros(rows, dtype="datetime64[us]"),
        age=np.full(rows, np.inf),
        delay=np.where(won, 0.0, np.nan),
        open=np.zeros(rows, bool),
        outcome=won.astype(float),
        mature=np.ones(rows, dtype=bool),
    )
    return fit_scorer(
        frame, pursue=None, convert=Target(labels), recipe=RECIPE, parameters=HazardParameters()
    ), frame


def lead(**values) -> pd.DataFrame:
    usual = {"visit_7d": 3.0, "visit_30d": 6.0, "channel": "fair", "since_form": np.nan, "noise": 0.0}
    row = pd.DataFrame([usual | values])
    return row.assign(channel=row["channel"].astype("category"))


def test_contributions_and_the_mean_of_the_trees_make_up_the_score(world):
    scorer, frame = world
    encoded = encode(frame.head(200), scorer.categories)
    hazard = scorer.convert.hazard
    left = hazard.raw(encoded) - contributions(hazard, encoded).sum(axis=1)
    assert left == pytest.approx(np.full(200, left[0]), abs=1e-9)


def test_a_batch_gets_the_contributions_that_lightgbm_itself_gives():
    rng = np.random.default_rng(2)
    block = np.asfortranarray(rng.normal(size=(WORTH_A_BATCH, 4)), dtype=np.float32)
    block[::5, 2] = np.nan
    encoded = pd.DataFrame(block, columns=["size", "visits", "since", "noise"], copy=False)
    data = lgb.Dataset(
        block, (rng.random(len(block)) < 1 / (1 + np.exp(-block[:, 0] - np.isnan(block[:, 2])))).astype(float)
    )
    booster = lgb.train(
        {"objective": "binary", "num_leaves": 6, "verbose": -1, "num_threads": 2}, data, num_boost_round=20
    )
    assert not splits_by_category(booster)
    assert of_trees(booster, encoded) == pytest.approx(
        booster.predict(block, pred_contrib=True)[:, :-1], abs=1e-5
    )


def test_trees_that_split_by_category_are_known():
    rng = np.random.default_rng(3)
    group = rng.integers(0, 8, (2000, 1)).astype(float)
    outcome = (rng.random(2000) < 0.1 + 0.1 * (group[:, 0] % 3)).astype(float)
    for categorical in ([0], []):
        data = lgb.Dataset(group, outcome, categorical_feature=categorical)
        booster = lgb.train({"objective": "binary", "verbose": -1, "num_threads": 2}, data, num_boost_round=3)
        assert splits_by_category(booster) == bool(categorical)


def test_a_group_is_the_sum_of_its_columns_and_speaks_through_the_strongest(world):
    scorer, _ = world
    row = lead(visit_7d=12.0, visit_30d=15.0)
    shares = contributions(scorer.convert.hazard, encode(row, scorer.categories))[0]
    first = reasons(scorer, row)[0][0]
    assert first.group == "visit"
    assert first.logits == pytest.approx(shares[0] + shares[1])
    assert first.words == "counts for it: 12 visits in 7 days (usual: 3)"


def test_what_lowers_a_score_is_said_to_count_against_the_lead(world):
    scorer, _ = world
    against = [
        reason for reason in reasons(scorer, lead(visit_7d=0.0, visit_30d=1.0))[0] if reason.logits < 0
    ]
    assert against[0].words == "counts against it: 0 visits in 7 days (usual: 3)"


def worded(scorer, row: pd.DataFrame) -> list[str]:
    return [reason.words for reason in reasons(scorer, row)[0]]


def test_an_empty_value_is_said_in_words(world):
    scorer, _ = world
    words = worded(scorer, lead())
    assert any(word.endswith(": no form on record") for word in words)


def test_a_category_is_compared_with_the_commonest(world):
    scorer, _ = world
    assert "counts for it: channel is partner (usual: fair)" in worded(scorer, lead(channel="partner"))


def test_at_most_three_up_and_two_down_none_of_them_noise(world):
    scorer, frame = world
    told = reasons(scorer, frame.head(500))
    assert max(sum(reason.logits > 0 for reason in each) for each in told) <= 3
    assert max(sum(reason.logits < 0 for reason in each) for each in told) <= 2
    assert all(abs(reason.logits) > 0.1 for each in told for reason in each)
    assert all(
        list(np.sign([reason.logits for reason in each]))
        == sorted(np.sign([r.logits for r in each]), reverse=True)
        for each in told
    )


def test_a_hidden_group_is_never_shown(world):
    scorer, frame = world
    assert all(
        reason.group != "channel"
        for each in reasons(scorer, frame.head(200), hidden=["channel"])
        for reason in each
    )


def test_two_models_add_up(world):
    scorer, _ = world
    row = lead(visit_7d=12.0, visit_30d=15.0)
    twice = replace(scorer, pursue=scorer.convert, score_of="p_both")
    assert reasons(twice, row)[0][0].logits == pytest.approx(2 * reasons(scorer, row)[0][0].logits)


def test_a_model_without_trees_has_no_reasons_and_no_lead_is_no_trouble(world):
    scorer, frame = world
    few = Target(
        Labels(
            at_risk=np.ones(100, dtype=bool),
            start=np.zeros(100, dtype="datetime64[us]"),
            age=np.full(100, np.inf),
            delay=np.r_[np.zeros(5), np.full(95, np.nan)],
            open=np.zeros(100, bool),
            outcome=np.r_[np.ones(5), np.zeros(95)],
            mature=np.ones(100, dtype=bool),
        )
    )
    constant = fit_scorer(
        frame.head(100), pursue=None, convert=few, recipe=RECIPE, parameters=HazardParameters()
    )
    assert reasons(constant, frame.head(3)) == [[], [], []]
    assert reasons(scorer, frame.head(0)) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3.0, "3"),
        (3.14159, "3.14"),
        (0.01234, "0.01"),
        (0.1234, "0.123"),
        (-0.0667, "-0.07"),
        (12345.678, "12,346"),
        (None, "empty"),
        (np.nan, "empty"),
        ("paid", "paid"),
    ],
)
def test_values_are_shown_as_people_write_them(value, words):
    assert shown(value) == words


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.503, "50 %"), (0.0123, "1.2 %"), (0.7, "70 %"), (1.0, "100 %"), (0.0, "0 %"), (np.nan, "empty")],
)
def test_a_share_is_said_in_per_cent(value, expected):
    assert percent(value) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("1 days on record", "1 day on record"),
        ("1 other leads of the account", "1 other lead of the account"),
        ("last call 1 days ago", "last call 1 day ago"),
        ("last call 11 days ago", "last call 11 days ago"),
        ("last call 0.1 days ago", "last call 0.1 days ago"),
        ("21 events on record", "21 events on record"),
    ],
)
def test_one_of_a_thing_is_no_plural(words, expected):
    assert singular(words) == expected


def of_register(name: str, **arguments) -> Column:
    return REGISTER[name].column_for(arguments)


VIEWS = of_register("events_of_kind", kind="page_view", days=7.0)


@pytest.mark.parametrize(
    ("column", "value", "usual", "expected"),
    [
        (VIEWS, 12.0, 3.0, "12 page_views in 7 days (usual: 3)"),
        (VIEWS, 1.0, 0.0, "1 page_view in 7 days (usual: none)"),
        (VIEWS, 0.0, 0.0, "no page_views in 7 days"),
        (of_register("events_of_kind", kind="reply", days=1.0), 2.0, 2.0, "2 replies in 1 day"),
        (of_register("events_of_kind", kind="A_SUBMITTED", days=7.0), 2.0, 1.0, "2 × A_SUBMITTED in 7 days (usual: 1)"),
        (of_register("days_since_kind", kind="call"), 7.72, 2.06, "last call 8 days ago (usual: 2 days)"),
        (of_register("days_since_kind", kind="call"), 1.37, 0.0003, "last call 33 hours ago (usual: less than an hour)"),
        (of_register("days_since_kind", kind="call"), np.nan, 2.06, "no call on record"),
        (of_register("days_ago", attribute="renewal"), -30.2, 40.0, "renewal is in 30 days"),
        (of_register("days_ago", attribute="renewal"), 40.0, 40.0, "renewal was 40 days ago"),
        (of_register("number", attribute="employees"), 11.0, 55.0, "employees: 11 (usual: 55)"),
        (of_register("number", attribute="employees"), None, 55.0, "employees: not known"),
        (of_register("free_mailbox", attribute="email"), 1.0, 0.0, "email is at a free provider: yes (usual: no)"),
        (of_register("win_rate", key="account_id"), 0.503, 0.2601, "its account_id has a win rate of 50 % (usual: 26 %)"),
        (of_register("category", attribute="What is your job"), "Baker", "Cook", "What is your job: Baker (usual: Cook)"),
        (of_register("win_rate", key="page"), 0.23, 1.0, "its page has a win rate of 23 %"),
        (
            of_register("category", attribute="page_id"),
            "b76ef37428e6799c421989521c0e5077",
            None,
            "page_id is b76ef3…",
        ),
        (of_register("account_leads"), 0.0, 1.0, "no other leads of the account (usual: 1)"),
    ],
)  # fmt: skip
def test_every_shape_of_a_reason_is_what_people_say(column, value, usual, expected):
    assert sentence(column, value, usual) == expected


@pytest.mark.parametrize(
    ("days", "expected"), [(0.01, "less than an hour"), (0.05, "1 hour"), (2.4, "2 days"), (1_000.0, "3 years")]
)  # fmt: skip
def test_a_time_span_is_told_as_finely_as_matters(days, expected):
    assert duration(days) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-0.0667, "0.1 fewer"), (-0.04, "no more"), (1.5, "1.5 more"), (0.0, "no more"), (-1.0, "1 fewer")],
)
def test_a_difference_is_more_or_fewer_and_never_more_by_less_than_nothing(value, expected):
    assert difference(value) == expected


@pytest.mark.parametrize(
    ("value", "said"), [(1.0, "touches include Demo"), (0.0, "touches do not include Demo")]
)
def test_a_value_of_a_cell_of_several_reads_as_people_speak(world, value, said):
    scorer, frame = world
    held = REGISTER["includes"].column_for({"attribute": "touches", "mark": ";", "member": "Demo"})
    told = replace(
        scorer, recipe=SimpleNamespace(columns=(held,), attributes=()), usual={"touches_Demo": 0.0}
    )
    assert (
        Wording(told, frame.head(1).assign(touches_Demo=value)).of(0, 0, raises=True)
        == f"counts for it: {said}"
    )


def test_fewer_events_than_usual_are_a_sentence(world):
    scorer, frame = world
    trend = column("trend", "number", "all events", REGISTER["trend"].words)
    told = replace(scorer, recipe=SimpleNamespace(columns=(trend,), attributes=()), usual={"trend": 0.2})
    row = frame.head(1).assign(trend=-0.0667)
    assert Wording(told, row).of(0, 0, raises=False) == (
        "counts against it: 0.1 fewer events a day this week than this month (usual: 0.2 more)"
    )


def test_of_an_address_it_is_the_company_that_has_a_rate(world):
    scorer, frame = world
    rate = of_register("win_rate", key="e_mail")
    recipe = SimpleNamespace(columns=(rate,), attributes=(Attribute("e_mail", "email"),))
    told = Wording(
        replace(scorer, recipe=recipe, usual={rate.name: 0.26}), frame.head(1).assign(e_mail_win_rate=0.5)
    )
    assert told.of(0, 0, raises=True) == "counts for it: its company has a win rate of 50 % (usual: 26 %)"


def test_a_group_speaks_through_what_is_told_and_owners_and_what_only_the_model_needs_are_no_reasons(world):
    scorer, frame = world
    told = {reason.group for row in reasons(scorer, frame.head(300), least=0.0) for reason in row}
    assert "visit" in told

    def with_columns(**changed) -> Scorer:
        columns = tuple(replace(column, **changed) for column in scorer.recipe.columns)
        return replace(scorer, recipe=replace(scorer.recipe, columns=columns))

    assert not any(reasons(with_columns(told=False), frame.head(50), least=0.0))
    for group in ("owner", "Sales Rep", "month", "day_of_week"):
        assert not any(reasons(with_columns(group=group), frame.head(50), least=0.0))
    columns = tuple(replace(column, told=column.name != "visit_7d") for column in scorer.recipe.columns)
    quiet = replace(scorer, recipe=replace(scorer.recipe, columns=columns))
    words = [reason.words for row in reasons(quiet, frame.head(300), least=0.0) for reason in row]
    assert any("in 30 days" in each for each in words)
    assert not any("in 7 days" in each for each in words)


def test_a_category_that_has_no_usual_value_is_compared_with_none():
    frame = pd.DataFrame({"even": list("abcd"), "mostly": list("aaab")})
    usual = usual_values(frame, {"even": ("a", "b", "c", "d"), "mostly": ("a", "b")})
    assert usual == {"even": None, "mostly": "a"}
