"""Naive Bayes as the common open-source CRM does it: the score that many companies have today, and so the one to beat.

Rebuilt from Odoo's published behaviour, weaknesses included: categories only, counts of won and lost leads per value each
raised by .1, correlated fields multiplied as if they were independent, no decay. One lone win makes every other lead 91.67 %.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

START = 0.1
LOWEST, HIGHEST = 0.0001, 0.9999


@dataclass(frozen=True)
class NaiveBayes:
    """What won and lost leads looked like.

    Attributes
    ----------
    log_prior : float
        Log-odds of winning before anything is known of a lead.
    evidence : dict of str to Series
        Per column, the log-odds that each value adds, indexed by value.
    """

    log_prior: float
    evidence: dict[str, pd.Series]

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        """Chance of winning for each row, between .01 and 99.99 %; empty and unseen values say nothing."""
        log_odds = np.full(len(frame), self.log_prior)
        for name, added in self.evidence.items():
            values = frame[name].astype("category")
            known = added.reindex(values.cat.categories).fillna(0.0).to_numpy(float)
            log_odds += np.append(known, 0.0)[values.cat.codes]
        return np.clip(1 / (1 + np.exp(-log_odds)), LOWEST, HIGHEST)


def fit_naive_bayes(frame: pd.DataFrame, outcome: np.ndarray) -> NaiveBayes:
    """Count won and lost leads by value in every categorical column; other columns are passed over.

    Parameters
    ----------
    frame : DataFrame
        Settled leads; categories have the category dtype.
    outcome : array of 0 and 1
    """
    won = np.asarray(outcome, float)
    evidence = {}
    for name in frame.columns[[isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes]]:
        values = frame[name].cat
        filled = values.codes >= 0
        counts = np.array([np.bincount(values.codes[filled], weights=w[filled], minlength=len(values.categories)) for w in (won, 1 - won)])
        seen = counts.sum(axis=0) > 0
        if not seen.any():
            continue
        counts = counts[:, seen] + START
        shares = counts / counts.sum(axis=1, keepdims=True)
        evidence[name] = pd.Series(np.log(shares[0] / shares[1]), index=values.categories[seen])
    return NaiveBayes(log_prior=float(np.log((won.sum() + START) / ((1 - won).sum() + START))), evidence=evidence)
