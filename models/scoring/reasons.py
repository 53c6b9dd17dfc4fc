"""Why a lead's score is what it is: exact contributions to the model's own sum, in the user's words.

The contributions say what the model counts. They are no causes, and no advice on what to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.online.rows import Rows
from models.scoring.scorer import Scorer
from models.scoring.wording import Wording
from models.survival.encoding import encode
from models.survival.hazard import Hazard
from models.survival.linear import FEW

MOST_UP = 3
MOST_DOWN = 2
LEAST = 0.1  # logits: less is noise to a reader
ROWS_AT_ONCE = 100_000
WORTH_A_BATCH = 5_000  # leads from which on the vectorised method is faster


@dataclass(frozen=True)
class Reason:
    """One group of columns that raises or lowers a lead's score.

    Attributes
    ----------
    group : str
        The source column or kind of event.
    logits : float
        Sum of the contributions of the group's columns to ``f(x)``.
    words : str
        The group's strongest column with its value, its usual value, and the direction.
    """

    group: str
    logits: float
    words: str


def contributions(hazard: Hazard, encoded: pd.DataFrame) -> np.ndarray:
    """What each column adds to ``f(x)``: its linear term and its exact Shapley values in the trees; with the
    trees' mean they sum to it.

    Returns
    -------
    array of float, shape (n_leads, n_columns)
    """
    shares = hazard.linear.contributions(encoded)
    return shares + of_trees(hazard.booster, encoded) if hazard.booster.num_trees() else shares


def of_trees(booster: lgb.Booster, encoded: pd.DataFrame) -> np.ndarray:
    """Exact Shapley values of each column for the sum of some trees."""
    if len(encoded) >= WORTH_A_BATCH and not splits_by_category(booster):
        from woodelf import WoodelfExplainer

        # woodelf finds columns by the names that the booster has for them.
        return WoodelfExplainer(booster).shap_values(
            encoded.set_axis(booster.feature_name(), axis="columns"), verbose=False
        )
    return booster.predict(
        encoded.to_numpy(), pred_contrib=True, num_threads=1 if len(encoded) <= FEW else None
    )[:, :-1]


def splits_by_category(booster: lgb.Booster) -> bool:
    """Whether any tree splits on a set of categories, which woodelf refuses."""
    return any(
        line.startswith("num_cat=") and line != "num_cat=0" for line in booster.model_to_string().splitlines()
    )


def reasons(
    scorer: Scorer,
    frame: pd.DataFrame | Rows,
    *,
    hidden: Sequence[str] = (),
    encoded: pd.DataFrame | None = None,
    most: tuple[int, int] = (MOST_UP, MOST_DOWN),
    least: float = LEAST,
) -> list[list[Reason]]:
    """What the model counts most for and against each lead: by default at most 3 up, then at most 2 down,
    each above .1 logit.

    A group speaks through a column that is told; one that has none, and who owns the lead, is left out. Where
    the score is made of two chances, the contributions to both are added up, as their log-probabilities are.

    Parameters
    ----------
    frame : data frame
        The feature matrix of the leads.
    hidden : sequence of str
        Groups that are never shown, such as protected columns.
    encoded : data frame, optional
        The same matrix as the scorer's categories encode it, where that is at hand.
    most : tuple of two int
        How many that count for a lead, and how many that count against it.
    least : float
        Logits that a reason must move.
    """
    encoded = encode(frame, scorer.categories) if encoded is None else encoded
    groups = scorer.grouping
    silent = [*groups.silent, *(place for place, name in enumerate(groups.names) if name in hidden)]
    found: list[list[Reason]] = []
    for start in range(0, len(frame), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        shares = sum(contributions(model.hazard, encoded.iloc[part]) for model in scorer.scored)
        totals = np.add.reduceat(shares[:, groups.order], groups.starts, axis=1)
        totals[:, silent] = 0.0
        ranked = np.argsort(-totals, axis=1, kind="stable")
        some = frame if len(shares) == len(frame) else frame.take(np.arange(len(frame))[part])
        words = Wording(scorer, some)
        for row in range(len(shares)):
            up = [group for group in ranked[row, : most[0]] if totals[row, group] > least]
            down = [group for group in ranked[row, : -most[1] - 1 : -1] if totals[row, group] < -least]
            told = []
            for group in up + down:
                total, columns = float(totals[row, group]), groups.told[group]
                strongest = columns[np.argmax(shares[row, columns] * np.sign(total))]
                said = words.of(row, strongest, raises=total > 0)
                told.append(Reason(groups.names[group], total, said))
            found.append(told)
    return found
