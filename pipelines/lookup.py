"""From a snapshot to what there is to learn from: every lead as it was known, and what became of it."""

from collections.abc import Iterable

import pandas as pd

from features.labels import fates
from features.matrix import fetch, frame, matrix
from features.recipe import Recipe, recipe_for
from features.tables import Tables, named, training_cohort
from models.learning import LearningSet
from pipelines.named import check_names
from pipelines.settings import Settings


def learning_set(tables: Tables, settings: Settings) -> LearningSet:
    """Look up what was known of every lead at its own as-of time."""
    check_names(tables, settings)
    cohort = training_cohort(tables, settings.label.delay)
    recipe = recipe_for(tables, settings.features, settings.label)
    known = frame(matrix(tables, cohort, recipe), recipe)
    return _learning(tables, known, fetch(fates(tables, cohort)).to_pandas(), recipe)


def outcome_set(tables: Tables, settings: Settings) -> LearningSet:
    """What became of every lead, with the leads' keys and no column: for who asks about outcomes, or about a few leads' columns."""
    check_names(tables, settings)
    became = fetch(fates(tables, training_cohort(tables, settings.label.delay))).to_pandas()
    return _learning(tables, became[["lead_id", "account_id", "as_of"]], became, recipe_for(tables, settings.features, settings.label))


def columns_of(tables: Tables, settings: Settings, recipe: Recipe, lead_ids: Iterable[str]) -> pd.DataFrame:
    """What was known of some leads, as ``learning_set`` has it of all."""
    cohort = training_cohort(tables, settings.label.delay).semi_join(named(lead_ids), "lead_id")
    return frame(matrix(tables, cohort, recipe), recipe)


def _learning(tables: Tables, known: pd.DataFrame, became: pd.DataFrame, recipe: Recipe) -> LearningSet:
    return LearningSet(
        frame=known,
        fates=became,
        recipe=recipe,
        stages=tables.stages,
        outcome_times=tables.outcome_times,
        known_until=tables.end,
    )
