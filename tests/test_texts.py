"""Free text becomes features where later leads are told apart better with it, and nowhere else."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from features.definitions.free_text import PARTS, fit_text, words_of
from features.matrix import frame, matrix
from features.online.ledger import Histories
from features.online.prepared import Prepared, PreparedMatrix
from features.recipe import FeatureSettings, Recipe, recipe_for
from features.serialization import dump, load
from features.tables import training_cohort
from models.dataset import LearningSet
from models.evaluation.settings import EvaluationPlan
from models.evaluation.texts import NO_GAIN, with_texts_that_tell
from models.scoring.reasons import reasons
from models.scoring.scorer import Target, fit_scorer, load_scorer
from models.survival.hazard import HazardParameters
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull
from tests.matrices import HORIZONS, framed
from tests.worlds import random_world

PLAN, TREES = EvaluationPlan(blocks=3), HazardParameters(rounds=30, threads=1)
PLAIN = [
    "hello",
    "we",
    "saw",
    "your",
    "page",
    "and",
    "would",
    "like",
    "some",
    "more",
    "about",
    "it",
    "thank",
    "you",
    "best",
    "regards",
    "team",
    "question",
    "sent",
    "today",
]
KEEN = ["pricing", "contract", "budget", "urgent", "licences", "procurement", "signature", "quote"]
COLD = ["student", "thesis", "homework", "jobs", "internship", "newsletter", "press", "survey"]


def messages(rows: int, *, keen: np.ndarray, seed: int = 3) -> list[str | None]:
    """Messages of made-up leads; who is keen uses other words than the rest."""
    draw = np.random.default_rng(seed)
    said = []
    for place in range(rows):
        words = [*draw.choice(PLAIN, 9), *draw.choice(KEEN if keen[place] else COLD, 2)]
        said.append(None if draw.random() < 0.05 else " ".join(draw.permutation(words)))
    return said


@pytest.fixture(scope="module")
def texts() -> list[str]:
    told = messages(600, keen=np.arange(600) % 2 == 0)
    return [each for each in told if each is not None]


def test_the_numbers_are_those_of_scikit_learn_whoever_is_asked_about_besides(texts):
    model = fit_text("message", texts)
    counted = TfidfVectorizer(analyzer=words_of, min_df=5, max_df=0.5, sublinear_tf=True)
    expected = TruncatedSVD(PARTS, random_state=0).fit_transform(counted.fit_transform(texts))
    together = model.of(texts)
    np.testing.assert_allclose(together, expected, atol=1e-4)
    np.testing.assert_array_equal(np.vstack([model.of([each]) for each in texts[:20]]), together[:20])
    assert np.isnan(model.of([None])).all()
    assert (model.of(["", "zzz 4711"]) == 0).all()


def test_what_few_leads_say_and_what_is_written_with_digits_is_not_kept(texts):
    model = fit_text("message", [*texts, *["call miller on 0301234567"] * 4])
    assert not {"miller", "call"} & set(model.words)
    assert all(word.isalpha() for word in model.words)


@pytest.mark.parametrize(
    "texts", [["a few words of one lead"] * 50, ["the same words for all of them"] * 500]
)
def test_too_few_texts_and_texts_that_all_say_the_same_teach_nothing(texts):
    assert fit_text("message", texts) is None


def learned(folder, *, tells: bool, rows: int = 1_200) -> LearningSet:
    """Leads of which a third is won: whose message says so, or whoever."""
    draw = np.random.default_rng(5)
    won = draw.random(rows) < 0.33
    keen = np.where(draw.random(rows) < 0.8, won, ~won) if tells else draw.random(rows) < 0.5
    table = pd.DataFrame(
        {
            "lead_id": [f"L{place:05d}" for place in range(rows)],
            "size": draw.normal(size=rows) + 0.3 * won,
            "message": messages(rows, keen=keen),
            "note": messages(rows, keen=draw.random(rows) < 0.5, seed=9),
            "won": won.astype(int),
        }
    )
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "leads.csv", index=False)
    source = {
        "url": f"files:{folder}",
        "leads": {"table": "leads.csv", "order": "rows"},
        "outcome": {"column": "won", "won": ["1"], "lost": ["0"]},
    }
    settings = load_settings(None, {"source": source}, environ={})
    home = folder / "home"
    with closing(pull(settings.source, settings.label, home=home, until=datetime(2030, 1, 1))) as snapshot:
        return learning_set(snapshot.tables, settings)


@pytest.mark.slow
def test_a_message_that_tells_is_used_survives_saving_and_stands_among_the_reasons(tmp_path):
    learning = learned(tmp_path / "leads", tells=True)
    assert sum(name.startswith("message_text") for name in learning.frame) == PARTS
    kept = with_texts_that_tell(learning, PLAN, TREES)
    assert [each.attribute for each in kept.recipe.texts] == ["message"]
    assert ("note", NO_GAIN) in kept.recipe.dropped
    assert sum("_text_" in name for name in kept.frame) == PARTS
    scorer = fit_scorer(
        kept.frame,
        pursue=None,
        convert=Target(kept.labels("convert")),
        recipe=kept.recipe,
        parameters=TREES,
    )
    scorer.save(tmp_path / "version")
    again = load_scorer(tmp_path / "version")
    assert again.recipe == kept.recipe
    np.testing.assert_array_equal(again.score(kept.frame)["score"], scorer.score(kept.frame)["score"])
    told = [reason.words for of_lead in reasons(again, kept.frame) for reason in of_lead]
    assert "counts for it: what its message says" in told
    assert not [each for each in told if "message" in each and "usual" in each]


@pytest.mark.slow
def test_a_message_that_says_nothing_of_the_outcome_is_left_out_and_why_is_said(tmp_path):
    kept = with_texts_that_tell(learned(tmp_path / "leads", tells=False), PLAN, TREES)
    assert not [name for name in kept.frame if "_text_" in name]
    assert {("message", NO_GAIN), ("note", NO_GAIN)} <= set(kept.recipe.dropped)
    assert load(Recipe, dump(kept.recipe)) == kept.recipe


@pytest.mark.slow
def test_texts_are_learned_of_the_oldest_leads_alone_and_are_the_same_in_real_time():
    engine = ibis.duckdb.connect(threads=2)
    world = random_world(2, leads=900)
    said = messages(900, keen=np.arange(900) % 2 == 0)
    leads = world.leads.sort_values(["created_at", "lead_id"]).assign(message=said)
    tables = replace(world, leads=leads).tables(engine)
    recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
    later = leads.assign(
        message=[*said[:300], *[f"other words {place} come later on" for place in range(600)]]
    )
    assert (
        recipe.texts
        == recipe_for(replace(world, leads=later).tables(engine), FeatureSettings(), HORIZONS).texts
    )
    cohort = training_cohort(tables, HORIZONS.delay)
    batch = frame(matrix(tables, cohort, recipe), recipe).set_index("lead_id")
    made = PreparedMatrix(Prepared.of(tables, recipe), Histories.of(tables, recipe), {})
    asked = cohort.to_pyarrow().to_pandas().head(5)
    rows = tables.leads.to_pyarrow().to_pandas().set_index("lead_id").loc[asked["lead_id"]].reset_index()
    schema = tables.leads.schema().to_pyarrow()
    now = made.of(
        pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False),
        tables.events.to_pyarrow(),
        pa.array(asked["as_of"], pa.timestamp("us")),
    )
    told = framed(now, recipe).set_index("lead_id")
    names = [name for name in batch if name.startswith("message_text")]
    assert len(names) == PARTS
    np.testing.assert_array_equal(told[names], batch.loc[asked["lead_id"], names])
