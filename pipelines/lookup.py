"""From a snapshot to what there is to learn from: every lead as it was known, and what became of it."""

from features.labels import fates
from features.matrix import fetch, frame, matrix
from features.recipe import recipe_for
from features.tables import Tables, training_cohort
from models.learning import LearningSet
from pipelines.settings import Settings


def learning_set(tables: Tables, settings: Settings) -> LearningSet:
    """Look up what was known of every lead at its own as-of time."""
    cohort = training_cohort(tables, settings.label.delay)
    recipe = recipe_for(tables, settings.features, settings.label)
    return LearningSet(
        frame=frame(matrix(tables, cohort, recipe), recipe),
        fates=fetch(fates(tables, cohort)).to_pandas(),
        recipe=recipe,
        stages=tables.stages,
        outcome_times=tables.outcome_times,
        known_until=tables.end,
    )
