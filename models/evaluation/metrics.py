"""How good scores are, as functions of counts by score, so that one piece of code serves one sample and
hundreds of resamples.

Ranking metrics need only how many leads with and without the outcome share each score, best score first. A
lead's weight (how often a resample drew its account) enters those counts; the metrics never see leads. Ties
are shared evenly. Metrics of probabilities are means over leads and stand below.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

SMALLEST = 1e-6


@dataclass(frozen=True)
class Counts:
    """Weighted numbers of leads that share a score, best score first; both arrays have shape (groups,
    resamples).
    """

    positives: np.ndarray
    negatives: np.ndarray


def counts_by_score(
    score: np.ndarray,
    outcome: np.ndarray,
    *,
    account: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    most_groups: int | None = None,
) -> Counts:
    """Count leads with and without the outcome in every group of equal scores.

    Parameters
    ----------
    score : array of float, shape (n,)
        Higher is better; no NaN.
    outcome : array of 0 and 1, shape (n,)
    account : array of int, shape (n,), optional
        Which row of ``weights`` belongs to each lead.
    weights : array, shape (accounts, resamples), optional
        Without them there is one "resample" in which every lead counts once.
    most_groups : int, optional
        Join neighbouring scores into about this many groups of equal size: 2,000 of them move an AUC by less
        than .00002.
    """
    codes = groups_by_score(score, most_groups)
    groups = int(codes.max()) + 1 if len(codes) else 0
    cells = codes + groups * (1 - np.asarray(outcome).astype(int))
    if weights is None:
        counted = np.bincount(cells, minlength=2 * groups).astype(float)[:, None]
    else:
        present, column = np.unique(account, return_inverse=True)
        shape = (2 * groups, len(present))
        drawn = weights[present].astype(np.float32, copy=False)
        counted = csr_array((np.ones(len(cells), np.float32), (cells, column)), shape=shape) @ drawn
        counted = counted.astype(float)
    return Counts(positives=counted[:groups], negatives=counted[groups:])


def groups_by_score(score: np.ndarray, most_groups: int | None = None) -> np.ndarray:
    """The number of each lead's group of equal scores, 0 for the best; neighbouring groups joined into about
    ``most_groups``.
    """
    codes, distinct = pd.factorize(-np.asarray(score, float), sort=True)
    if most_groups is not None and len(distinct) > most_groups:
        sizes = np.bincount(codes)
        joined = (np.cumsum(sizes) - sizes) * most_groups // len(codes)
        codes = np.unique(joined, return_inverse=True)[1][codes]
    return codes


def concordant(counts: Counts) -> np.ndarray:
    """Pairs (a lead with the outcome, one without) that the score orders rightly; equal scores count half."""
    worse = counts.negatives.sum(axis=0) - np.cumsum(counts.negatives, axis=0)
    return (counts.positives * (worse + counts.negatives / 2)).sum(axis=0)


def pairs(counts: Counts) -> np.ndarray:
    """All pairs of a lead with the outcome and one without."""
    return counts.positives.sum(axis=0) * counts.negatives.sum(axis=0)


def area(counts: Counts) -> np.ndarray:
    """AUC: the share of pairs ordered rightly; NaN where one of the two kinds is missing."""
    return ratio(concordant(counts), pairs(counts))


def auc(outcome: np.ndarray, score: np.ndarray) -> float:
    """AUC of one sample of scores."""
    return float(area(counts_by_score(score, outcome))[0])


def average_precision(counts: Counts) -> np.ndarray:
    """Mean, over leads with the outcome, of the precision among the leads scored at least as high."""
    found = np.cumsum(counts.positives, axis=0)
    precision = ratio(found, np.cumsum(counts.positives + counts.negatives, axis=0), empty=0.0)
    return ratio((counts.positives * precision).sum(axis=0), counts.positives.sum(axis=0))


def captured(counts: Counts, leads: np.ndarray | float) -> np.ndarray:
    """Outcomes among the best ``leads`` leads; a tie at the cut gives every lead in it the same chance."""
    sizes = counts.positives + counts.negatives
    before = np.cumsum(sizes, axis=0) - sizes
    taken = np.clip(ratio(leads - before, sizes, empty=0.0), 0.0, 1.0)
    return (counts.positives * taken).sum(axis=0)


def lift(counts: Counts, share: float = 0.1) -> np.ndarray:
    """Outcome rate among the best ``share`` of leads over the rate among all."""
    leads = share * (counts.positives + counts.negatives).sum(axis=0)
    return ratio(captured(counts, leads), share * counts.positives.sum(axis=0))


def ratio(part: np.ndarray, whole: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Divide, with ``empty`` where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(whole.shape, empty), where=whole > 0)


def log_losses(outcome: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Each lead's log-loss, in nats; probabilities are held within 1e-6 of 0 and 1."""
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return -np.where(np.asarray(outcome) > 0, np.log(p), np.log1p(-p))


def brier_losses(outcome: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Each lead's squared error."""
    return (np.asarray(p) - np.asarray(outcome)) ** 2


def calibration_line(outcome: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the outcome's log-odds on the predicted log-odds; (1, 0) is perfect, a slope
    below 1 boasts.

    NaN where one outcome is missing, or all predictions are equal.
    """
    from sklearn.linear_model import LogisticRegression

    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    logit = np.log(p / (1 - p))
    if len(np.unique(outcome)) < 2 or np.ptp(logit) < SMALLEST:
        return np.nan, np.nan
    line = LogisticRegression(C=np.inf, tol=1e-8).fit(logit[:, None], np.asarray(outcome).astype(int))
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def expected_calibration_error(outcome: np.ndarray, p: np.ndarray, groups: int = 10) -> float:
    """Mean absolute gap between mean prediction and outcome rate over groups of equal size, weighted by size."""
    parts = np.array_split(np.argsort(p, kind="stable"), groups)
    outcome, p = np.asarray(outcome, float), np.asarray(p, float)
    gaps = [abs(p[part].sum() - outcome[part].sum()) for part in parts if len(part)]
    return float(np.sum(gaps) / len(p)) if len(p) else np.nan
