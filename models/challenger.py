"""The final fit: both models on all that is known, calibrated and cut on forward scores."""

import numpy as np

from models.calibration import Platt
from models.evaluation import Evaluation
from models.hazard import HazardParameters
from models.learning import LearningSet
from models.policy import Policy, PolicySettings, fixed_cut
from models.scorer import Scorer, Target, fit_scorer


def fit_challenger(
    learning: LearningSet, evaluation: Evaluation, parameters: HazardParameters, policy: PolicySettings
) -> tuple[Scorer, Policy]:  # fmt: skip
    """Fit a scorer on every lead, and fix its policy on the scores that the evaluation gave leads before their outcomes were known.

    Raises
    ------
    TooLittleDataError
        If there is no outcome at all to learn from.
    """
    targets: dict[str, Target | None] = {"pursue": None, "convert": None}
    for name in learning.names:
        labels = learning.labels(name)
        if labels.at_risk.any():
            targets[name] = Target(labels, evaluation.platts.get(name, Platt()))

    fitted = [name for name, target in targets.items() if target is not None]
    forward = {name: evaluation.calibrated(name) for name in fitted}
    scorer = fit_scorer(
        learning.frame,
        **targets,
        recipe=learning.recipe,
        parameters=parameters,
        grade_scores=_told(np.prod(list(forward.values()), axis=0)) if fitted else None,
        data=(learning.categories, learning.data),
    )
    name = "convert" if scorer.convert else "pursue"
    scores = _told(forward[name])
    own = scorer.score(learning.frame)[f"p_{name}"].to_numpy() if scores is None else scores
    return scorer, fixed_cut(own, policy, score=f"p_{name}")


def _told(scores: np.ndarray) -> np.ndarray | None:
    """Forward scores, or None where no block could be judged: then the fit's own have to serve."""
    return scores if np.isfinite(scores).any() else None
