"""Do outcomes still come as the champion foretold? An alarm that waits for no label to ripen and may be
looked at every week.

Of every decided lead we know how much of its chance it has lived through: outcomes so far, ``O``, stand
against the sum of predicted cumulative hazards so far, ``E`` (``models.monitoring.expected_outcomes``). Summed over the leads
decided from some week on, and within a segment, their difference is a martingale as long as the model is
right, whatever the ages. That gives for every week and segment ``z = (O - E) / sqrt(E)``, which people can
read, and the evidence on which an alarm is raised.

**Model error is no drift.** A model that has always promised 8 % too much in a channel has not changed there.
So ``E`` is first set right by the segment's own ratio of outcomes to predictions on leads before the
champion's training (its forward scores), and that ratio is taken as known only as well as it is: from so many
outcomes, and with a swing from one span of time to the next as large as it used to be (:func:`level_of`).
Where levels have always swung, more is needed to call it drift.

**Looking often is paid for.** ``|z| > 3`` at each of 26 weeks, two outcomes and a dozen segments would cry
wolf in most half-years. Evidence here is a likelihood ratio: how many times likelier the counts are if the
rate had dropped (to .5, .7 or .85) or risen (to 1.2, 1.4 or 2) than if it had not. Under "nothing has
changed" it exceeds ``1/a`` *ever* with probability ``a`` at most (Ville), so looks cost nothing; outcomes,
segments, directions and starting weeks share ``a`` by weights that sum to 1. The whole and leads since the
first week have the largest shares. That bound is far from tight, for starts, bands and groups look at the
same leads: in simulated quiet half-years a budget of ``a`` raised a false alarm in about a seventh of ``a``
of them. So the budget is ``OVERLAP`` times the ``false_alarms`` asked for, which the tests hold.

References
----------
Ville (1939); Robbins (1970), Statistical methods related to the law of the iterated logarithm; Shin, Ramdas,
Rinaldo (2023), E-detectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

WEEKS = 26  # half a year: older decisions say little of today, and the budget of false alarms is for so long
FEWER, MORE = (0.5, 0.7, 0.85), (2.0, 1.4, 1.2)
RATE_SHARES = (0.2, 0.6, 0.2)
DIRECTION_SHARES = (0.85, 0.15)  # too few outcomes harm more than too many
FIRST_SHARE = 0.7  # of the leads since the first week; the rest goes to all later starting weeks
FAMILY_SHARES = {"whole": 0.7, "bands": 0.2, "columns": 0.1}
OVERLAP = 6.0
MODEL_ERROR = (
    0.1  # standard deviation of a segment's ratio of outcomes to predictions, before anything is known of it
)
SWINGS = (
    0.03,
    0.08,
)  # the least and most that a level is taken to move by itself from one span of time to the next


@dataclass(frozen=True)
class Level:
    """What is known of each segment's ratio of outcomes to predictions from the time before.

    Attributes
    ----------
    ratio : array of float, shape (..., segments)
        The most likely ratio today.
    weight : array of float, shape (..., segments)
        As many outcomes would tell it as well as it is known.
    """

    ratio: np.ndarray
    weight: np.ndarray


def level_of(observed: np.ndarray, expected: np.ndarray) -> Level:
    """Ratios of outcomes to predictions before, and how far they can be relied on.

    A ratio leans towards 1 with the weight of a model error of a tenth. To what the counts leave open comes a
    swing: by how much more than by chance the ratio moved between the spans of time, over all segments given
    together, within ``SWINGS``.

    Parameters
    ----------
    observed, expected : arrays of float, shape (..., segments, spans)
        Outcomes and the sum of predictions among leads whose whole horizon was seen. Without any span nothing
        is known: the ratio is 1.

    References
    ----------
    DerSimonian, Laird (1986), for the swing.
    """
    total, predicted = observed.sum(axis=-1), expected.sum(axis=-1)
    prior = MODEL_ERROR**-2
    ratio = (total + prior) / (predicted + prior)
    mean = expected * (total / np.maximum(predicted, 1e-9))[..., None]
    freedom = np.maximum((expected > 0).sum(axis=-1) - 1, 0).sum(axis=-1)
    excess = np.sum((observed - mean) ** 2 / np.maximum(mean, 1e-9), axis=(-2, -1)) - freedom
    scale = (mean.sum(axis=-1) - (mean**2).sum(axis=-1) / np.maximum(mean.sum(axis=-1), 1e-9)).sum(axis=-1)
    swing = np.clip(excess / np.maximum(scale, 1e-9), SWINGS[0] ** 2, SWINGS[1] ** 2)
    return Level(ratio=ratio, weight=1 / (1 / (total + prior) + swing[..., None]))


def since(counts: np.ndarray) -> np.ndarray:
    """Sums over the leads decided in a week *or later*: shape (..., weeks decided, looks), as given."""
    return np.flip(np.cumsum(np.flip(counts, axis=-2), axis=-2), axis=-2)


def evidence(observed: np.ndarray, expected: np.ndarray, level: Level) -> np.ndarray:
    """Log of how many times likelier the counts are under fewer, or more, outcomes than if nothing had
    changed.

    The true ratio is unknown: both sides average over a gamma distribution of it, with the level's mean and
    weight.

    Parameters
    ----------
    observed, expected : arrays, shape (..., segments, starts, looks)
        As ``since`` gives them; ``expected`` not yet set right by the level.

    Returns
    -------
    array of float, shape (2, ..., segments, starts, looks)
        Fewer, more.
    """
    weight = level.weight[..., None, None]
    mean = level.ratio[..., None, None] * expected
    told = weight + observed

    def ratios(rates: Sequence[float]) -> np.ndarray:
        each = [
            told * (np.log(weight + mean) - np.log(weight / rate + mean)) - weight * np.log(rate)
            for rate in rates
        ]
        return logsumexp(each, axis=0, b=np.reshape(RATE_SHARES, (-1,) + (1,) * mean.ndim))

    return np.stack([ratios(FEWER), ratios(MORE)])


def surplus(evidence: np.ndarray, shares: np.ndarray, false_alarms: float) -> np.ndarray:
    """How far the evidence lies above what an alarm needs, in logs: at least 0 is an alarm.

    Parameters
    ----------
    evidence : array, shape (2, ..., segments, starts, looks)
    shares : array of float, shape (segments,)
        Of the budget, over all segments and outcomes 1 together.
    """
    starts = evidence.shape[-2]
    by_start = np.full(starts, (1 - FIRST_SHARE) / max(starts - 1, 1))
    by_start[0] = FIRST_SHARE if starts > 1 else 1.0
    directions = np.reshape(DIRECTION_SHARES, (2,) + (1,) * (evidence.ndim - 1))
    return evidence + np.log(OVERLAP * false_alarms * directions * (shares[:, None] * by_start)[..., None])


def z_scores(observed: np.ndarray, expected: np.ndarray, level: Level) -> np.ndarray:
    """``(O - E) / sqrt(E)`` with E set right by the level, and what is not known of the level counted as
    noise; 0 where E is 0.
    """
    mean = level.ratio[..., None, None] * expected
    noise = np.sqrt(np.maximum(mean * (1 + mean / level.weight[..., None, None]), 1e-12))
    return np.where(mean > 0, (observed - mean) / noise, 0.0)


def shares_of(columns: Sequence[str], outcomes: int = 1) -> np.ndarray:
    """Each segment's share of the budget by its column: "" for the whole, "grade" for bands of the score, any
    other for groups of leads.
    """
    families = np.array([{"": "whole", "grade": "bands"}.get(column, "columns") for column in columns])
    present = {family: share for family, share in FAMILY_SHARES.items() if (families == family).any()}
    each = {
        family: share / sum(present.values()) / (families == family).sum()
        for family, share in present.items()
    }
    return np.array([each[family] for family in families]) / outcomes
