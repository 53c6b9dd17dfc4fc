"""The training flow: from raw tables to a challenger that is judged and registered."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from features.labels import fates
from features.matrix import fetch, frame, matrix
from features.recipe import recipe_for
from features.tables import training_cohort
from models.challenger import fit_challenger
from models.encoding import categories_of, dataset
from models.evaluation import evaluate
from pipelines import artifacts
from pipelines.progress import Stopwatch
from pipelines.pulling import pull_source
from pipelines.registration import register_challenger
from pipelines.results import TrainingReport, doubts
from pipelines.settings import Settings
from pipelines.sinks import write_parquet


@flow(name="train-leads")
def train_leads(
    settings: Settings, home: Path, as_of: datetime, tune: int = 0, scores: Path | None = None, force: bool = False
) -> TrainingReport:
    """Fit a challenger on what was settled by ``as_of``. Cannot change what sales sees: that is ``promote_version``."""
    watch = Stopwatch()
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
        tables = snapshot.tables

    with watch.step("features", "look up what was known of each lead"):
        cohort = training_cohort(tables, settings.label.delay)
        recipe = recipe_for(tables, settings.features, settings.label)
        leads = frame(fetch(matrix(tables, cohort, recipe)), recipe)
        fate = fetch(fates(tables, cohort)).to_pandas()

    learning = {
        "recipe": recipe,
        "horizons": settings.label,
        "stages": tables.stages,
        "outcome_times": tables.outcome_times,
        "known_until": tables.end,
        "parameters": settings.model,
    }
    with watch.step("evaluate", "judge it on later leads, block by block") as progress:
        categories = categories_of(leads, recipe)
        data = categories, dataset(leads, categories)
        evaluation = evaluate(leads, fate, **learning, plan=settings.evaluation, data=data, progress=progress)

    report = TrainingReport(
        tables=tables,
        leads=len(leads),
        recipe=recipe,
        evaluation=evaluation,
        warnings=doubts(snapshot, recipe, evaluation),
        seconds=watch.seconds,
    )
    if scores:
        write_parquet(evaluation.forward, scores)
    if report.useful or force:
        with watch.step("fit", "fit it on all that is known"):
            scorer, policy = fit_challenger(leads, fate, evaluation, **learning, policy=settings.policy, data=data)
        with watch.step("register", "register it as the challenger"):
            report = register_challenger(report, scorer, policy, snapshot, settings, home)
    artifacts.publish_training(report.to_json())
    return report
