"""Whether free texts are worth their columns: later leads say so, block by block."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from features.labels import JUDGED
from models.dataset import LearningSet
from models.evaluation.evaluate import evaluate
from models.evaluation.metrics import auc
from models.evaluation.settings import EvaluationPlan
from models.survival.hazard import HazardParameters

KEYS = ("lead_id", "account_id", "as_of")
LEAST_GAIN = 0.002  # of AUC within blocks, on the mean
ERRORS = 1.0  # standard errors of the blocks' gains by which the mean must lie above none
NO_GAIN = "free text that tells later leads apart no better"


def with_texts_that_tell(
    learning: LearningSet, plan: EvaluationPlan, parameters: HazardParameters
) -> LearningSet:
    """The same learning set, without those free texts with which later leads are told apart no better.

    Each is tried by itself, on the outcome that is furthest down: who is taken up and won, or the only one there
    is. Where no blocks of time can be judged, none is used.
    """
    names = [each.attribute for each in learning.recipe.texts]
    if not names:
        return learning
    base = _by_block(without_texts(learning, names), plan, parameters)
    idle = []
    for name in names:
        alone = without_texts(learning, [each for each in names if each != name])
        gains = _by_block(alone, plan, parameters) - base
        gains = gains[np.isfinite(gains)]
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
        if not gains.size or not gains.mean() > max(LEAST_GAIN, ERRORS * error):
            idle.append(name)
    return without_texts(learning, idle)


def without_texts(learning: LearningSet, names: Sequence[str]) -> LearningSet:
    """The same leads without some of their free texts."""
    if not names:
        return learning
    recipe = learning.recipe.without_texts(names, NO_GAIN)
    kept = [column.name for column in recipe.columns]
    return replace(learning, frame=learning.frame[[*KEYS, *kept]], recipe=recipe)


def _by_block(learning: LearningSet, plan: EvaluationPlan, parameters: HazardParameters) -> np.ndarray:
    """The AUC of each block, NaN where it cannot be told."""
    name = learning.judged_names[-1]
    forward = evaluate(learning, plan, parameters, brief=True).forward
    found = []
    for _, block in forward.groupby("block"):
        outcome, p = block[JUDGED[name].column].to_numpy(float), block[f"p_{name}"].to_numpy(float)
        told = np.isfinite(outcome) & np.isfinite(p)
        found.append(auc(outcome[told], p[told]) if len(np.unique(outcome[told])) > 1 else np.nan)
    return np.array(found)
