"""The final fit: both models on all that is known, calibrated and cut on forward scores."""

from datetime import datetime

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.labels import Horizons, convert_labels, pursue_labels
from features.recipe import Recipe
from models.calibration import Platt
from models.encoding import Categories
from models.evaluation import Evaluation, WeightsFor
from models.hazard import HazardParameters
from models.policy import Policy, PolicySettings, fixed_cut
from models.scorer import Scorer, Target, fit_scorer


def fit_challenger(
    frame: pd.DataFrame,
    fates: pd.DataFrame,
    evaluation: Evaluation,
    *,
    recipe: Recipe,
    horizons: Horizons,
    stages: tuple[str, ...],
    outcome_times: bool,
    known_until: datetime,
    parameters: HazardParameters,
    policy: PolicySettings,
    data: tuple[Categories, lgb.Dataset],
    weights_for: WeightsFor | None = None,
) -> tuple[Scorer, Policy]:
    """Fit a scorer on every lead, and fix its policy on the scores that the evaluation gave leads before their outcomes were known.

    Parameters are those of ``models.evaluation.evaluate``; ``policy`` is the configuration's.

    Raises
    ------
    TooLittleDataError
        If there is no outcome at all to learn from.
    """
    targets: dict[str, Target | None] = {"pursue": None, "convert": None}
    for name, labels_of in (("pursue", pursue_labels), ("convert", convert_labels)):
        labels = labels_of(fates, horizons, known_until, stages, outcome_times)
        if (name == "pursue" and "accepted" not in stages) or not labels.at_risk.any():
            continue
        weights = weights_for(name, labels, np.arange(len(fates)), known_until) if weights_for else None
        targets[name] = Target(labels, evaluation.platts.get(name, Platt()), weights)

    forward = {name: evaluation.calibrated(name) for name, target in targets.items() if target is not None and len(evaluation.forward)}
    grade_scores = np.prod(list(forward.values()), axis=0) if forward else None
    scorer = fit_scorer(
        frame,
        **targets,
        recipe=recipe,
        horizons=horizons,
        parameters=parameters,
        grade_scores=grade_scores,
        data=data,
    )
    score = "p_convert" if scorer.convert else "p_pursue"
    scores = forward.get(score.removeprefix("p_"))
    return scorer, fixed_cut(scorer.score(frame)[score].to_numpy() if scores is None else scores, policy, score=score)
