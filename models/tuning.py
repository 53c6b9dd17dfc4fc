"""Settings of the trees found by trial, each trial judged on leads that came after those it learned from."""

from collections.abc import Callable
from dataclasses import asdict

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from features.labels import Labels
from models.calibration import bounded_logit, fit_platt
from models.encoding import Categories, encode
from models.hazard import HazardParameters, fit_hazard

FOLDS = 3
NEWEST_SHARE = 0.5
MOST_ROWS = 60_000
FEWEST_EVENTS = 50


def tune(
    frame: pd.DataFrame,
    labels: Labels,
    *,
    horizon: float,
    data: tuple[Categories, lgb.Dataset],
    parameters: HazardParameters,
    trials: int,
    seed: int = 0,
    weights: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HazardParameters:
    """The best settings of ``trials`` tries, never worse in the trials than ``parameters``, with which they begin.

    Each try is fitted three times, on the leads before one of the newest half's three spans, and judged by the log-loss there, set
    right by a Platt scaling so that ranking and shape decide, not the level of the day.

    Parameters
    ----------
    frame : data frame
        The feature matrix, in time order.
    labels : Labels
        Of the same rows, as known at the moment of tuning: leave out what is to judge the result.
    horizon : float
        Days.
    data : categories and dataset
        From ``categories_of`` and ``dataset``.
    parameters : HazardParameters
        Where to begin; its seed and threads are kept.
    weights : array of float, optional
        How much each row counts in the fits.
    progress : function, optional
        Called with (tries done, all tries).

    Raises
    ------
    TooLittleDataError
        With fewer than 50 leads with the outcome: whatever won would have won by chance.
    """
    import optuna  # seconds to import, and seldom wanted

    categories, binned = data
    known = np.flatnonzero(labels.mature & ~np.isnan(labels.outcome))
    known = known[np.linspace(0, len(known) - 1, min(len(known), MOST_ROWS)).astype(int)] if len(known) else known
    events = int(labels.outcome[known].sum())
    if events < FEWEST_EVENTS:
        raise TooLittleDataError(f"tuning needs {FEWEST_EVENTS} leads with the outcome and there are {events}; nothing was tuned.")
    spans = np.array_split(known[int(len(known) * (1 - NEWEST_SHARE)) :], FOLDS)
    judged = [(known[known < span[0]], span, encode(frame.iloc[span], categories)) for span in spans]

    def loss(candidate: HazardParameters) -> float:
        losses = []
        for before, span, encoded in judged:
            hazard = fit_hazard(binned, labels, horizon=horizon, parameters=candidate, weights=weights, rows=before)
            probability = hazard.probability(hazard.raw(encoded))
            losses.append(log_loss(fit_platt(probability, labels.outcome[span]).apply(probability), labels.outcome[span]))
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
    tuned = ("rounds", "leaves", "learning_rate", "min_rows_in_leaf", "column_share", "l2", "category_smoothing")
    study.enqueue_trial({name: getattr(parameters, name) for name in tuned})

    def done(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        if progress:
            progress(trial.number + 1, trials)

    study.optimize(objective, n_trials=trials, callbacks=[done])
    return HazardParameters(**asdict(parameters) | study.best_params)


def log_loss(probability: np.ndarray, outcome: np.ndarray) -> float:
    """Mean negative log-likelihood in nats."""
    z = bounded_logit(probability)
    return float(np.mean(np.logaddexp(0.0, z) - outcome * z))
