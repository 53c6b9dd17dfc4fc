"""The scorer: what it gives, that it is saved as data and loaded to the bit, and what it refuses."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError, TooLittleDataError
from features.labels import Horizons, Labels
from features.recipe import Attribute, Recipe
from features.register import Column
from models.dataset import LearningSet
from models.evaluation.evaluate import first_judged
from models.evaluation.settings import EvaluationPlan
from models.scoring.calibration import Platt
from models.scoring.scorer import Scorer, Target, fit_scorer, load_scorer
from models.survival.encoding import categories_of, encode
from models.survival.hazard import HazardParameters
from models.tuning import best_settings, tune


def column(name: str, kind: str) -> Column:
    return Column(
        name=name,
        kind=kind,
        group=name,
        unit="",
        empty="not given",
        words=f"{name} is {{value}}",
        feature="number",
    )


RECIPE = Recipe(
    attributes=(Attribute("size", "number"), Attribute("channel", "category")),
    event_kinds=(),
    event_channels=(),
    event_value=False,
    windows_days=(7.0,),
    rate_keys=(),
    has_accounts=False,
    acceptance=True,
    horizons=Horizons(),
    columns=(column("size", "number"), column("channel", "category"), column("visits", "number")),
    dropped=(),
)


def leads(rows: int = 1500, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """A feature matrix and each lead's chance."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "lead_id": [f"L{i}" for i in range(rows)],
            "size": rng.lognormal(3, 1, rows),
            "channel": pd.Categorical(rng.choice(["fair", "paid", "partner"], rows)),
            "visits": rng.poisson(2, rows).astype(float),
        }
    )
    frame.loc[::9, "size"] = np.nan
    chance = 1 / (1 + np.exp(2 - 0.5 * frame["visits"] - 1.0 * (frame["channel"] == "partner")))
    return frame, chance.to_numpy()


def timed(chance: np.ndarray, horizon: float, seed: int) -> Labels:
    rng = np.random.default_rng(seed)
    rows = len(chance)
    age = rng.uniform(0, 4 * horizon, rows)
    delay = np.where(rng.random(rows) < chance, rng.uniform(0, horizon, rows), np.nan)
    delay[delay >= age] = np.nan
    mature = age >= horizon
    settled = mature | ~np.isnan(delay)
    return Labels(
        at_risk=np.ones(rows, dtype=bool),
        start=np.zeros(rows, dtype="datetime64[us]"),
        age=age,
        delay=delay,
        open=~settled,
        outcome=np.where(settled, (~np.isnan(delay)).astype(float), np.nan),
        mature=mature,
    )


def fitted(**changes) -> Scorer:
    frame, chance = leads()
    given = {
        "pursue": Target(timed(chance, 21.0, 2), Platt(0.1, 0.9)),
        "convert": Target(timed(chance, 90.0, 3)),
        "recipe": RECIPE,
        "parameters": HazardParameters(rounds=30),
    }
    return fit_scorer(frame, **given | changes)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return fitted()


def test_both_is_the_product_and_a_chance_each(scorer):
    scores = scorer.score(leads()[0])
    assert scores["p_both"].tolist() == (scores["p_pursue"] * scores["p_convert"]).tolist()
    assert scores[["p_pursue", "p_convert"]].min().min() > 0
    assert scores[["p_pursue", "p_convert"]].max().max() < 1
    assert np.corrcoef(scores["p_convert"], leads()[1])[0, 1] > 0.8


def test_a_lead_that_sales_has_is_scored_by_what_is_left_of_its_time_and_nobody_asks_whether_sales_takes_it(
    scorer,
):
    frame = leads()[0].head(200)
    usual = scorer.score(frame)

    def had(days: float) -> pd.DataFrame:
        return scorer.score(frame, np.where(np.arange(200) < 100, days, np.nan))

    just, later, over = had(0.0), had(45.0), had(900.0)
    assert (just["p_pursue"][:100] == 1).all()
    assert just["p_convert"][:100].to_numpy() == pytest.approx(usual["p_convert"][:100].to_numpy())
    assert just["p_both"][:100].tolist() == just["score"][:100].tolist() == just["p_convert"][:100].tolist()
    assert (later["p_convert"][:100] < just["p_convert"][:100]).all()
    assert (later["p_convert"][:100] > 0).all()
    assert (over["p_convert"][:100] < later["p_convert"][:100]).all()
    assert (over["p_convert"][:100] > 0).all(), "who has waited for longer may still be won"
    pd.testing.assert_frame_equal(later[100:], usual[100:])


@pytest.mark.parametrize(("absent", "left"), [("pursue", "p_convert"), ("convert", "p_pursue")])
def test_with_one_model_the_other_is_empty_and_both_is_what_there_is(absent, left):
    scores = fitted(**{absent: None}).score(leads()[0])
    assert scores[f"p_{absent}"].isna().all()
    assert scores["p_both"].tolist() == scores[left].tolist()


def test_with_nothing_to_learn_from_there_is_no_scorer():
    with pytest.raises(TooLittleDataError, match="nothing was fitted"):
        fitted(pursue=None, convert=None)


def test_grades_are_bands_fixed_at_the_fit(scorer):
    low, middle, high = scorer.grade_edges
    assert scorer.grades(np.array([low - 1e-9, low, middle, high])).tolist() == ["D", "C", "B", "A"]
    scores = scorer.score(leads()[0])
    best = leads()[0].iloc[[int(scores["p_both"].argmax())]]
    assert scorer.score(best)["grade"].tolist() == ["A"]  # alone in its batch, it is graded as among many
    assert 0.15 < (scores["grade"] == "A").mean() < 0.25


def test_grades_follow_the_forward_scores_where_they_are_given():
    assert fitted(grade_scores=np.linspace(0, 1, 101)).grade_edges == pytest.approx((0.2, 0.5, 0.8))


@pytest.mark.slow
def test_a_scorer_from_another_process_gives_the_same_scores_to_the_bit(scorer, tmp_path):
    scorer.save(tmp_path / "scorer")
    frame = leads(seed=7)[0]
    frame.to_parquet(tmp_path / "leads.parquet")
    code = (
        "import sys; from pathlib import Path; import pandas as pd; from models.scoring.scorer import load_scorer; folder = Path(sys.argv[1]);"
        "load_scorer(folder / 'scorer').score(pd.read_parquet(folder / 'leads.parquet')).to_parquet(folder / 'scores.parquet')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parent.parent, check=True)
    there, here = pd.read_parquet(tmp_path / "scores.parquet"), scorer.score(frame)
    for name in ("p_pursue", "p_convert", "p_both"):
        assert there[name].to_numpy().tobytes() == here[name].to_numpy().tobytes()
    assert there["grade"].tolist() == here["grade"].tolist()


@pytest.mark.parametrize("harm", ["cut", "emptied", "one letter", "gone"])
@pytest.mark.parametrize("name", ["convert.txt", "scorer.json"])
def test_a_scorer_whose_files_are_not_as_they_were_written_is_refused_by_name(scorer, tmp_path, name, harm):
    scorer.save(tmp_path)
    text = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if harm != "gone":
        harmed = {"cut": text[:-40], "emptied": b"", "one letter": text.replace(b"e", b"\x85", 1)}
        (tmp_path / name).write_bytes(harmed[harm])
    with pytest.raises(ContractError, match=re.escape(name)):
        load_scorer(tmp_path)


def test_a_scorer_is_text_and_json_and_nothing_else(scorer, tmp_path):
    scorer.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["convert.txt", "pursue.txt", "scorer.json"]
    back = load_scorer(tmp_path)
    assert (back.recipe, back.categories, back.usual, back.base_rates, back.grade_edges) == (
        scorer.recipe, scorer.categories, scorer.usual, scorer.base_rates, scorer.grade_edges,
    )  # fmt: skip
    assert back.pursue.platt == scorer.pursue.platt


def test_scores_do_not_depend_on_the_order_or_the_company_of_leads(scorer):
    frame = leads()[0]
    whole = scorer.score(frame)["p_both"].to_numpy()
    assert scorer.score(frame.iloc[::-1])["p_both"].to_numpy()[::-1].tolist() == whole.tolist()
    assert scorer.score(frame.iloc[[5]])["p_both"].tolist() == [whole[5]]


def test_an_unseen_category_counts_as_missing(scorer):
    row = leads()[0].head(1)
    unseen = scorer.score(row.assign(channel=pd.Categorical(["pigeon"])))
    empty = scorer.score(row.assign(channel=pd.Categorical([None], categories=["fair"])))
    assert unseen["p_both"].tolist() == empty["p_both"].tolist()


def test_text_columns_are_encoded_as_categories_are():
    frame = leads()[0]
    categories = categories_of(frame, RECIPE)
    assert encode(frame.assign(channel=frame["channel"].astype("str")), categories).equals(
        encode(frame, categories)
    )


def test_no_leads_give_no_scores(scorer):
    assert len(scorer.score(leads()[0].head(0))) == 0


def test_usual_is_the_median_and_the_value_that_most_have(scorer):
    frame = leads()[0]
    assert scorer.usual["size"] == frame["size"].median()
    shares = frame["channel"].value_counts(normalize=True)
    assert scorer.usual["channel"] == (shares.index[0] if shares.iloc[0] > 0.5 else None)


def test_a_matrix_without_a_column_is_refused_by_its_name(scorer):
    with pytest.raises(ContractError, match="visits"):
        scorer.score(leads()[0].drop(columns="visits"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("fingerprint", "0123456789abcdef", "0123456789abcdef"), ("format", 99, "format 99")],
)
def test_a_scorer_of_other_features_or_format_is_refused(scorer, tmp_path, key, value, said):
    scorer.save(tmp_path)
    content = json.loads((tmp_path / "scorer.json").read_text())
    (tmp_path / "scorer.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(ContractError, match=said):
        load_scorer(tmp_path)


@pytest.mark.parametrize("name", ["usual", "recipe"])
def test_a_scorer_that_lacks_a_field_is_refused_in_a_sentence(scorer, tmp_path, name):
    scorer.save(tmp_path)
    content = json.loads((tmp_path / "scorer.json").read_text())
    del content["scorer"][name]
    (tmp_path / "scorer.json").write_text(json.dumps(content))
    with pytest.raises(ContractError, match=r"scorer.json' is damaged; nothing was loaded"):
        load_scorer(tmp_path)


def test_a_folder_without_a_scorer_is_refused(tmp_path):
    with pytest.raises(ContractError, match="holds no"):
        load_scorer(tmp_path)


def test_a_calibration_moves_the_level_and_keeps_a_shorter_horizon_in_proportion(scorer):
    encoded = encode(leads()[0].head(50), scorer.categories)
    raised = replace(scorer.convert, platt=Platt(0.5, 1.0))
    before, after = scorer.convert.probability(encoded), raised.probability(encoded)
    assert (after > before).all()
    assert raised.probability(encoded, 30.0) / after == pytest.approx(
        scorer.convert.probability(encoded, 30.0) / before
    )


def learned(rows: int = 1500) -> LearningSet:
    """Three leads a day, won sixty days later or never."""
    frame, chance = leads(rows)
    as_of = np.datetime64("2025-01-01", "us") + np.arange(rows) * np.timedelta64(8, "h")
    won = np.random.default_rng(4).random(rows) < chance
    frame = frame.assign(account_id=frame["lead_id"], as_of=as_of)
    never = np.full(rows, np.datetime64("NaT", "us"))
    fates = frame[["lead_id", "account_id", "as_of"]].assign(
        created_at=as_of,
        accepted_at=never,
        rejected_at=never,
        lost_at=never,
        won_at=np.where(won, as_of + np.timedelta64(60, "D"), never),
    )
    return LearningSet(
        frame, fates, RECIPE, stages=("won",), outcome_times=True, known_until=datetime(2026, 8, 1)
    )


@pytest.mark.slow
def test_tuning_begins_with_the_settings_in_force_and_repeats_itself():
    learning = learned()
    seen = []
    given = {"at": learning.known_until, "parameters": HazardParameters(rounds=40), "seed": 3}
    assert tune(learning, "convert", trials=1, **given) == HazardParameters(rounds=40)
    runs = [
        tune(learning, "convert", trials=3, **given, progress=lambda done, whole: seen.append((done, whole)))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert seen == [(1, 3), (2, 3), (3, 3)] * 2


def test_settings_are_chosen_before_the_first_lead_that_will_judge_them():
    learning, plan = learned(), EvaluationPlan()
    first = np.datetime64(first_judged(learning, plan), "us")
    given = {"parameters": HazardParameters(rounds=40), "trials": 2}
    chosen = best_settings(learning, plan, **given)
    assert chosen == tune(learning, "convert", at=first.item(), **given)
    won, later = learning.fates["won_at"].notna(), learning.fates["as_of"] >= first
    other = (learning.fates["as_of"] + np.timedelta64(60, "D")).where(~won)
    flipped = replace(
        learning, fates=learning.fates.assign(won_at=learning.fates["won_at"].where(~later, other))
    )
    assert (flipped.fates["won_at"].notna() != won).sum() > 500
    assert best_settings(flipped, plan, **given) == chosen
