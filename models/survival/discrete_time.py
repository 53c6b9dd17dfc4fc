"""Grouped time: which bins a lead was at risk in, and the log-likelihood's derivatives that trees are grown
on.

A lead is at risk in a bin if it had no event before it and the bin was seen to its end. At-risk bins are
therefore always the first ``k``, and one number per lead says it all: nothing is expanded into a row per lead
and bin.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from features.errors import TooLittleDataError
from features.labels import Labels

# Right edges as shares of the horizon: weeks first, where most happens, then fortnights (7, 14, 21, 30, 45,
# 60, 75, 90 of 90 days).
SHARES = np.array([7, 14, 21, 30, 45, 60, 75, 90]) / 90
PRIOR_ROWS = 20.0
CHUNK = 16_384  # rows whose intermediate results stay in the processor's cache
MAX_SCORE = 30.0


def edges_for(horizon: float, labels: Labels) -> np.ndarray:
    """Right edges of the bins in days, the last being the horizon; one bin where outcomes carry no time of
    their own.
    """
    if np.isinf(labels.age[labels.at_risk]).any():
        return np.array([float(horizon)])
    return SHARES * horizon


def bins_at_risk(labels: Labels, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many bins each lead was at risk in, and whether its last one holds the event.

    An event in a bin that was not seen to its end does not count: those that would have come later in the bin
    cannot be seen yet, so counting the early ones alone would overstate the hazard.

    Returns
    -------
    bins : array of int8, shape (n_leads,)
        0 where the lead tells nothing (not at risk, or too young for the first bin).
    event : array of bool, shape (n_leads,)
    """
    observed = np.searchsorted(edges, labels.age, side="right")
    happened = np.where(np.isnan(labels.delay), len(edges), np.searchsorted(edges, labels.delay, side="left"))
    event = labels.at_risk & (happened < observed)
    bins = np.where(event, happened + 1, np.where(labels.at_risk & ~np.isnan(labels.age), observed, 0))
    return bins.astype(np.int8), event


class GroupedTime:
    """The weighted log-likelihood of grouped-time hazards ``h_ib = sigmoid(f_i + alpha_b)`` as a function of
    the scores ``f``.

    Bins that few leads have reached lean on the daily hazard of the bin before them, with the weight of
    ``PRIOR_ROWS`` leads.

    Parameters
    ----------
    bins, event : arrays, shape (n_leads,)
        From ``bins_at_risk``; every lead has at least one bin.
    weights : array of float, shape (n_leads,)
    edges : array of float, shape (n_bins,)
    threads : int
    """

    def __init__(
        self, bins: np.ndarray, event: np.ndarray, weights: np.ndarray, edges: np.ndarray, threads: int = 2
    ):
        if not len(bins):
            raise TooLittleDataError(
                "no lead has been watched for even the first span of days; nothing was fitted."
            )
        self.edges = edges
        self.threads = threads
        self.event = (weights * event).astype(np.float32)
        self.at_risk = np.stack(
            [np.where(bins > b, weights, 0).astype(np.float32) for b in range(len(edges))]
        )
        self.events_in = np.bincount(bins - 1, weights=self.event, minlength=len(edges)).astype(float)
        self.prior = np.empty(len(edges))
        self.alphas = self._start()

    def _start(self) -> np.ndarray:
        rows = self.at_risk.sum(axis=1, dtype=float)
        days = np.diff(self.edges, prepend=0.0)
        daily = -np.log1p(-(self.events_in.sum() + 0.5) / (rows[0] + 1.0)) / self.edges[-1]
        hazards = np.empty(len(days))
        for b, length in enumerate(days):
            self.prior[b] = -np.expm1(-daily * length)
            hazards[b] = (self.events_in[b] + PRIOR_ROWS * self.prior[b]) / (rows[b] + PRIOR_ROWS)
            daily = -np.log1p(-hazards[b]) / length
        return np.log(hazards) - np.log1p(-hazards)

    def derivatives(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative of the negative log-likelihood by each lead's score: float32, shape
        (n_leads,).
        """
        gradient = np.empty(len(scores), dtype=np.float32)
        hessian = np.empty(len(scores), dtype=np.float32)
        odds = np.exp(self.alphas).astype(np.float32)

        def work(part: slice) -> None:
            # exp(f + alpha) = exp(f) exp(alpha): one exponential per lead, whatever the number of bins.
            grown = np.exp(np.clip(scores[part], -MAX_SCORE, MAX_SCORE).astype(np.float32))
            slope = -self.event[part]
            bend = np.zeros_like(slope)
            for b in range(len(odds)):
                product = grown * odds[b]
                survival = 1 / (1 + product)
                product *= survival
                product *= self.at_risk[b, part]
                slope += product
                product *= survival
                bend += product
            gradient[part], hessian[part] = slope, bend

        over_chunks(work, len(scores), threads=self.threads)
        return gradient, hessian

    def newton_step(self, scores: np.ndarray) -> None:
        """Move each bin's level towards its best value for these scores (bins do not depend on each other)."""
        odds = np.exp(self.alphas)
        slopes = PRIOR_ROWS * (odds / (1 + odds) - self.prior) - self.events_in
        bends = PRIOR_ROWS * odds / (1 + odds) ** 2
        sums = []

        def work(part: slice) -> None:
            grown = np.exp(np.clip(scores[part], -MAX_SCORE, MAX_SCORE).astype(np.float32))
            hazards = [grown * np.float32(o) / (1 + grown * np.float32(o)) for o in odds]
            weighted = [h * w for h, w in zip(hazards, self.at_risk[:, part], strict=True)]
            first = [w.sum(dtype=float) for w in weighted]
            second = [(w * (1 - h)).sum(dtype=float) for w, h in zip(weighted, hazards, strict=True)]
            sums.append((part.start, first, second))

        over_chunks(work, len(scores), threads=self.threads)
        for _, first, second in sorted(sums):  # in the order of the rows, or two runs would round differently
            slopes += first
            bends += second
        self.alphas = self.alphas - np.clip(slopes / bends, -2, 2)


def over_chunks(work: Callable[[slice], None], rows: int, *, threads: int) -> None:
    """Do some work on every chunk of rows, on several threads where there are several chunks."""
    parts = [slice(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK)]
    if len(parts) <= 1 or threads == 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:  # numpy lets go of the interpreter's lock
        list(pool.map(work, parts))
