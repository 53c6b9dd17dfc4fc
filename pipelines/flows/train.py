"""The training flow: from raw tables to a challenger that is judged and registered."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from features.errors import LeakError
from features.tables import moment
from models.evaluation.evaluate import evaluate
from models.evaluation.texts import with_texts_that_tell
from models.policy.assignment import gives_up_luck
from models.training import fit_challenger
from models.tuning import best_settings
from pipelines.flows.check import judged_columns, used_all_the_same
from pipelines.flows.dataset import learning_set, pull_source
from pipelines.flows.model_card import card_of
from pipelines.flows.register_version import TrainingReport, doubts, register_challenger
from pipelines.flows.runs import flow, publish
from pipelines.home import store_of
from pipelines.progress import Stopwatch
from pipelines.reports import summaries
from pipelines.settings import Settings
from pipelines.sinks.tables import write_parquet


@flow("train-leads")
def train_leads(
    settings: Settings,
    home: Path,
    as_of: datetime,
    tune: int = 0,
    scores: Path | None = None,
    force: bool = False,
) -> TrainingReport:
    """Fit a challenger on what was settled by ``as_of``. Cannot change what sales sees: that is
    ``promote_version``.
    """
    watch = Stopwatch()
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
        tables = snapshot.tables

    with watch.step("features", "look up what was known of each lead"), closing(snapshot):
        learning = learning_set(tables, settings)
        learning = replace(learning, logged=store_of(settings, home).beside(learning.frame["lead_id"]))

    with watch.step("guard", "look for columns that know too much"):
        found = judged_columns(learning, snapshot, settings).findings
    refusal = found.refusal("nothing was trained")
    if refusal and not force:
        raise LeakError(refusal)

    if learning.recipe.texts:
        with watch.step("texts", "try what free texts bring"):
            learning = with_texts_that_tell(learning, settings.evaluation, settings.model)

    if tune:
        with watch.step("tune", f"try {tune} model settings") as progress:
            model = best_settings(
                learning, settings.evaluation, settings.model, trials=tune, progress=progress
            )
            settings = settings.model_copy(update={"model": model})

    with watch.step("evaluate", "judge it on later leads, block by block") as progress:
        evaluation = evaluate(
            learning, settings.evaluation, settings.model, score=settings.policy.score, progress=progress
        )

    report = TrainingReport(
        tables=tables,
        leads=len(learning.frame),
        recipe=learning.recipe,
        evaluation=evaluation,
        findings=found,
        warnings=(
            *doubts(snapshot, learning.recipe, evaluation),
            *(each.words for each in found.rows),
            *gives_up_luck(int((~learning.dealt).sum())),
            *used_all_the_same(found, force=force),
        ),
        seconds=watch.seconds,
    )
    if scores:
        write_parquet(evaluation.scores(), scores)
    if report.useful or force:
        with watch.step("fit", "fit it on all that is known"):
            challenger = fit_challenger(
                learning,
                evaluation,
                settings.model,
                settings.policy,
                moment=partial(moment, clock=tables.clock),
            )
            report = replace(report, challenger=challenger)
        if scores:
            write_parquet(challenger.scores(evaluation.scores()), scores)
        with watch.step("report", "tell it in full, beside the champion"):
            card = card_of(report, learning, snapshot, settings, home)
        with watch.step("register", "register it as the challenger"):
            report = register_challenger(
                report, card, snapshot, settings, home, learned=learning.frame["lead_id"]
            )
    publish("train", summaries.train(report.to_json()))
    return report
