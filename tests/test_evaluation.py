import json
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from features.labels import Horizons
from models.dataset import LearningSet
from models.evaluation.baselines import BASELINES
from models.evaluation.evaluate import evaluate
from models.evaluation.performance import judge
from models.evaluation.settings import EvaluationPlan
from models.survival.hazard import HazardParameters

START = datetime(2026, 1, 1)
QUICK = HazardParameters(rounds=25, learning_rate=0.2, threads=1)
PLAN = EvaluationPlan(resamples=40)
NEVER = np.datetime64("NaT", "us")
DAY = np.timedelta64(1, "D")


def column(name: str, kind: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, kind=kind, group=name)


RECIPE = SimpleNamespace(
    columns=(column("visits", "number"), column("channel", "category")),
    horizons=Horizons(pursue_days=7, convert_days=30),
)


def world(seed: int = 0, leads: int = 1_600, signal: float = 1.5):
    """A year of leads: those with few or many visits are accepted the next day, and again those of them are
    won ten days later.

    A straight line through visits sees nothing of it; trees do.
    """
    random = np.random.default_rng(seed)
    as_of = np.datetime64(START, "us") + np.sort(random.integers(0, 365 * 24, leads)) * np.timedelta64(1, "h")
    visits = random.normal(size=leads)
    channel = pd.Categorical(random.choice(["paid", "organic"], leads))
    logit = 2 * signal * (np.abs(visits) - 0.7)
    accepted = random.random(leads) < 1 / (1 + np.exp(-logit))
    won = accepted & (random.random(leads) < 1 / (1 + np.exp(1.5 - logit)))
    keys = {
        "lead_id": [f"{n:05d}" for n in range(leads)],
        "account_id": random.integers(0, leads, leads).astype(str),
        "as_of": as_of,
    }
    frame = pd.DataFrame({**keys, "visits": visits, "channel": channel})
    fates = pd.DataFrame({**keys, "created_at": as_of, "rejected_at": NEVER, "lost_at": NEVER})
    fates = fates.assign(
        accepted_at=np.where(accepted, as_of + DAY, NEVER), won_at=np.where(won, as_of + 11 * DAY, NEVER)
    )
    return frame, fates


def judged(
    frame, fates, *, stages=("accepted", "won"), known_until=datetime(2027, 1, 1), plan=PLAN, **others
):
    return evaluate(
        LearningSet(frame, fates, RECIPE, stages, outcome_times=True, known_until=known_until),
        plan,
        QUICK,
        **others,
    )


@pytest.fixture(scope="module")
def evaluation():
    return judged(*world())


def test_both_models_are_judged_in_the_same_blocks(evaluation):
    blocks = {
        name: [block.number for block in report.figures.blocks] for name, report in evaluation.models.items()
    }
    assert blocks == {name: [1, 2, 3, 4, 5] for name in ("pursue", "convert", "both")}
    assert evaluation.warnings == ()


def test_what_can_be_learned_is_found_and_called_ready(evaluation):
    assert evaluation.models["pursue"].figures.auc.value > 0.75
    assert evaluation.models["convert"].figures.auc.value > 0.7
    assert evaluation.verdict.word == "ready"


def test_where_there_is_nothing_to_learn_it_is_said():
    assert judged(*world(signal=0.0)).verdict.word == "no better than chance"


def test_too_few_wins_are_too_little_data():
    frame, fates = world(leads=60)
    report = judged(frame, fates, stages=("won",))
    assert report.verdict.word == "too little data"
    assert len(report.forward) == 0
    assert json.loads(json.dumps(report.models["convert"].to_json(), allow_nan=False))["auc"] is None


def test_anybody_can_recompute_the_figures_from_the_forward_scores(evaluation):
    forward = evaluation.forward
    assert list(forward.columns) == [
        "lead_id",
        "as_of",
        "block",
        "p_pursue",
        "p_convert",
        "p_both",
        "pursued",
        "converted",
        "customer",
    ]
    assert not forward["lead_id"].duplicated().any()
    assert forward[["p_pursue", "p_convert"]].notna().all(axis=None)
    for name, outcome in (("pursue", "pursued"), ("convert", "converted"), ("both", "customer")):
        known = forward[forward[outcome].notna()]
        figures = evaluation.models[name].figures
        assert len(known) == figures.rows
        for block in figures.blocks:
            rows = known[known["block"] == block.number]
            assert (len(rows), rows[outcome].sum()) == (block.rows, block.positives)
            assert roc_auc_score(rows[outcome], rows[f"p_{name}"]) == pytest.approx(block.auc.value)


def test_anybody_can_recompute_the_figures_of_blocks_newest_leads_and_baselines_from_the_scores(evaluation):
    scores = evaluation.scores()
    assert not scores.duplicated(["lead_id", "scored_by"]).any()
    for name, outcome in (("pursue", "pursued"), ("convert", "converted"), ("both", "customer")):
        report = evaluation.models[name]
        for number, figures in enumerate((report.newest, *report.figures.blocks)):
            rows = scores[(scores["block"] == number) & scores[outcome].notna()]
            assert (len(rows), rows[outcome].sum()) == (figures.rows, figures.positives)
            assert (rows["fitted_until"] <= rows["as_of"]).all()
            of = rows[outcome], rows[f"p_{name}"]
            expected = [getattr(each, "value", each) for each in (figures.auc, figures.average_precision)]
            assert [roc_auc_score(*of), average_precision_score(*of)] == pytest.approx(expected)
        for rival, figures in report.newest.baselines.items():
            rows = scores[(scores["block"] == 0) & scores[outcome].notna()]
            assert roc_auc_score(rows[outcome], rows[f"{name}_{rival}"]) == pytest.approx(figures.auc.value)
    fits = scores.groupby("block")["scored_by"].unique()
    assert fits[0] == ["the fit before the newest leads"]
    assert fits[3] == ["the fit before block 3"]


def test_where_nothing_was_judged_the_scores_are_an_empty_table_of_the_same_columns(evaluation):
    frame, fates = world(leads=60)
    empty = judged(frame, fates, stages=("won",)).scores()
    assert len(empty) == 0
    assert list(empty) == list(evaluation.scores())


def test_the_joint_auc_weighs_blocks_by_their_pairs_and_never_compares_leads_of_different_blocks(evaluation):
    figures = evaluation.models["convert"].figures
    pairs = [block.positives * (block.rows - block.positives) for block in figures.blocks]
    assert figures.auc.value == pytest.approx(
        np.average([block.auc.value for block in figures.blocks], weights=pairs)
    )


def test_a_score_that_only_knows_the_block_is_worth_nothing():
    """Each block's rate as everybody's score: pooled over time it seems to rank, within blocks it is a coin."""
    random = np.random.default_rng(0)
    block = np.repeat([1, 2], 500)
    outcome = (random.random(1000) < np.where(block == 1, 0.1, 0.6)).astype(float)
    score = np.where(block == 1, 0.1, 0.6)
    table = pd.DataFrame(
        {
            "account_id": np.arange(1000),
            "as_of": pd.Timestamp(START),
            "block": block,
            "outcome": outcome,
            "p": score,
        }
    )
    figures = judge(table.assign(**dict.fromkeys(BASELINES, 0.5)), resamples=20)
    assert roc_auc_score(outcome, score) > 0.7
    assert (figures.auc.value, figures.lift.value) == (0.5, pytest.approx(1.0))


def test_rewriting_what_came_after_a_block_changes_none_of_its_scores(evaluation):
    frame, fates = world()
    third = evaluation.forward.loc[evaluation.forward["block"] == 3, "as_of"].min()
    flipped = np.where(
        fates["won_at"].isna() & fates["accepted_at"].notna(), fates["as_of"] + 11 * DAY, NEVER
    )
    won_at = np.where(fates["as_of"] >= third, flipped, fates["won_at"].to_numpy()).astype("datetime64[us]")
    again = judged(frame, fates.assign(won_at=won_at)).forward
    early = evaluation.forward["block"] <= 3
    scores = ["lead_id", "block", "p_pursue", "p_convert"]
    pd.testing.assert_frame_equal(again.loc[early, scores], evaluation.forward.loc[early, scores])
    assert (again["p_convert"] != evaluation.forward["p_convert"])[~early].all()


def test_leads_never_accepted_are_scored_but_not_judged_on_converting(evaluation):
    fates = world()[1]
    ignored = set(fates.loc[fates["accepted_at"].isna(), "lead_id"])
    rows = evaluation.forward[evaluation.forward["lead_id"].isin(ignored)]
    assert len(rows) > 100
    assert rows["converted"].isna().all()
    assert rows["p_convert"].notna().all()


def test_leads_whose_horizon_has_not_passed_are_not_judged():
    until = datetime(2026, 12, 1)
    forward = judged(*world(), known_until=until).forward
    young = forward["as_of"] > np.datetime64(until, "us") - 30 * DAY
    assert forward.loc[young, "converted"].isna().all()
    assert forward.loc[~young, "converted"].notna().any()


def test_a_source_without_acceptance_has_no_pursue_model():
    report = judged(*world(), stages=("won",))
    assert report.models["pursue"] is None
    assert report.forward["p_pursue"].isna().all()
    assert report.models["convert"].settled > 1_000


def test_a_block_with_too_little_known_before_it_is_left_out_and_told():
    frame, fates = world()
    late = fates["won_at"].where(fates["won_at"] >= datetime(2026, 8, 20))
    report = judged(frame, fates.assign(won_at=late, accepted_at=fates["accepted_at"]))
    assert [block.number for block in report.models["convert"].figures.blocks] != [1, 2, 3, 4, 5]
    assert (
        "convert: block 1 was not judged: only 0 leads with the outcome were known at its start"
        in report.warnings[0]
    )


def test_the_json_keeps_the_interface(evaluation):
    told = json.loads(json.dumps(evaluation.models["convert"].to_json(), allow_nan=False))
    estimates = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
    assert {"settled", "positives", "base_rate", *estimates, "blocks", "baselines"} <= set(told)
    assert all(set(told[name]) == {"value", "low", "high"} for name in estimates)
    assert {"from", "to", "rows", "positives", "auc", "average_precision", "calibration_ratio"} <= set(
        told["blocks"][0]
    )
    assert set(told["baselines"]) == set(BASELINES)
    assert told["baselines"]["newest_first"]["log_loss"] == {"value": None, "low": None, "high": None}
    assert told["baselines"]["best_column"]["column"] in ("visits", "channel")
    assert told["base_rate"] == told["positives"] / told["settled"]
    assert told["newest"]["rows"] > 0
    assert set(told["newest"]["average_precision"]) == {"value", "low", "high"}
    assert set(told["newest"]["baselines"]["logistic"]) == {"auc", "average_precision"}
    assert datetime.fromisoformat(told["blocks"][0]["from"]) < datetime.fromisoformat(told["blocks"][0]["to"])
    assert evaluation.models["convert"].to_json(lambda time: time.day)["blocks"][0]["from"] in range(1, 32)


def test_one_fit_at_a_time_or_two_give_the_same(evaluation):
    done = []
    learning = LearningSet(
        *world(), RECIPE, ("accepted", "won"), outcome_times=True, known_until=datetime(2027, 1, 1)
    )
    again = evaluate(
        learning, PLAN, replace(QUICK, threads=2), progress=lambda fits, of: done.append((fits, of))
    )
    pd.testing.assert_frame_equal(again.forward, evaluation.forward)
    assert done == [(fit, 18) for fit in range(1, 19)]


@pytest.mark.slow
def test_the_same_data_are_judged_the_same_twice(evaluation):
    again = judged(*world())
    pd.testing.assert_frame_equal(again.forward, evaluation.forward)
    assert again.models["convert"].to_json() == evaluation.models["convert"].to_json()
    assert (
        judged(*world(), plan=replace(PLAN, seed=1)).models["convert"].figures.auc
        != evaluation.models["convert"].figures.auc
    )


def test_calibrated_forward_scores_are_on_the_scale_of_the_final_fit(evaluation):
    scores = evaluation.calibrated("convert")
    known = evaluation.forward["converted"].notna()
    assert len(scores) == len(evaluation.forward)
    assert scores[known].mean() == pytest.approx(evaluation.forward.loc[known, "converted"].mean(), rel=0.1)


def test_inputs_are_not_changed(evaluation):
    frame, fates = world()
    before = frame.copy(deep=True), fates.copy(deep=True)
    judged(frame, fates, stages=("won",))
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(fates, before[1])


@pytest.mark.parametrize(
    "wrong", [{"blocks": 1}, {"newest": 1.5}, {"newest": 0}, {"test_share": 1.0}, {"block": 5}]
)
def test_a_plan_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        EvaluationPlan(**wrong)


def test_the_newest_may_be_a_share_or_a_number():
    assert (EvaluationPlan(newest=8239).newest, EvaluationPlan(newest=0.3).newest) == (8239, 0.3)
