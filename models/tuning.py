"""Settings of the trees found by trial, each trial judged on leads that came after those it learned from."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

import numpy as np

from features.errors import TooLittleDataError
from models.dataset import LearningSet
from models.evaluation.evaluate import first_judged
from models.evaluation.settings import EvaluationPlan
from models.survival.discrete_time import MAX_SCORE, GroupedTime, bins_at_risk, edges_for
from models.survival.hazard import HazardParameters, evenly, fit_hazard

FOLDS = 3
NEWEST_SHARE = 0.5
MOST_ROWS = 60_000
FEWEST_EVENTS = 50
LEVEL_STEPS = 10


def best_settings(
    learning: LearningSet,
    plan: EvaluationPlan,
    parameters: HazardParameters,
    *,
    trials: int,
    progress: Callable[[int, int], None] | None = None,
) -> HazardParameters:
    """``tune`` on what was known before the first lead that ``evaluate`` judges, so that judging stays
    honest.

    The convert model is tuned, which decides; its settings serve both. Where there is nothing to judge all
    may be used.
    """
    until = first_judged(learning, plan) or learning.known_until
    return tune(
        learning,
        learning.names[-1],
        at=until,
        parameters=parameters,
        trials=trials,
        seed=plan.seed,
        progress=progress,
    )


def tune(
    learning: LearningSet,
    name: str,
    *,
    at: datetime,
    parameters: HazardParameters,
    trials: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> HazardParameters:
    """The best settings of ``trials`` tries, never worse in the trials than ``parameters``, with which they
    begin.

    Each try is fitted three times, on the leads before one of the newest half's three spans, and judged by
    the hazard's log-loss there. Young leads count for the bins they have lived through, so that tuning waits
    for maturity no more than fitting does; the bins' levels are set right first, so that ranking decides and
    not the level of the day.

    Parameters
    ----------
    learning : LearningSet
    name : str
        The model: "pursue" or "convert".
    at : datetime
        Only what was known at this moment is used: leave out what is to judge the result.
    parameters : HazardParameters
        Where to begin; its seed and threads are kept.
    progress : function, optional
        Called with (tries done, all tries).

    Raises
    ------
    TooLittleDataError
        With fewer than 50 leads with the outcome: whatever won would have won by chance.
    """
    import optuna

    labels = learning.labels(name, at=at)
    edges = edges_for(learning.horizon(name), labels)
    bins, event = bins_at_risk(labels, edges)
    known = evenly(np.flatnonzero(bins), MOST_ROWS)
    events = int(event[known].sum())
    if events < FEWEST_EVENTS:
        raise TooLittleDataError(
            f"tuning needs {FEWEST_EVENTS} leads with the outcome and there are {events}; nothing was tuned."
        )
    spans = np.array_split(known[int(len(known) * (1 - NEWEST_SHARE)) :], FOLDS)
    judged = [(known[known < span[0]], span) for span in spans]

    def loss(candidate: HazardParameters) -> float:
        losses = []
        for before, span in judged:
            hazard = fit_hazard(
                learning.encoded,
                labels,
                horizon=learning.horizon(name),
                parameters=candidate,
                rows=before,
                data=learning.data,
            )
            task = GroupedTime(bins[span], event[span], np.ones(len(span)), edges, threads=parameters.threads)
            losses.append(log_loss(hazard.raw(learning.encoded.iloc[span]), task))
        return float(np.mean(losses))

    def objective(trial: "optuna.Trial") -> float:
        candidate = HazardParameters(
            **asdict(parameters)
            | {
                "rounds": trial.suggest_int("rounds", 40, 400, log=True),
                "leaves": trial.suggest_int("leaves", 2, 31, log=True),
                "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
                "min_rows_in_leaf": trial.suggest_int("min_rows_in_leaf", 10, 300, log=True),
                "column_share": trial.suggest_float("column_share", 0.3, 1.0),
                "l2": trial.suggest_float("l2", 0.1, 50.0, log=True),
                "category_smoothing": trial.suggest_float("category_smoothing", 5.0, 100.0, log=True),
            }
        )
        return loss(candidate)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    tuned = (
        "rounds",
        "leaves",
        "learning_rate",
        "min_rows_in_leaf",
        "column_share",
        "l2",
        "category_smoothing",
    )
    study.enqueue_trial({name: getattr(parameters, name) for name in tuned})

    def done(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        if progress:
            progress(trial.number + 1, trials)

    study.optimize(objective, n_trials=trials, callbacks=[done])
    return HazardParameters(**asdict(parameters) | study.best_params)


def log_loss(scores: np.ndarray, task: GroupedTime) -> float:
    """Mean negative log-likelihood in nats of scores ``f(x)``, at the levels that suit them best."""
    for _ in range(LEVEL_STEPS):
        task.newton_step(scores)
    logits = np.clip(scores, -MAX_SCORE, MAX_SCORE) + task.alphas[:, None]
    survived = (task.at_risk * np.logaddexp(0.0, logits)).sum()
    last = task.at_risk.sum(axis=0).astype(int) - 1  # the bin of an event, if there was one
    return float(survived - task.event @ np.take_along_axis(logits, last[None], axis=0)[0]) / len(scores)
