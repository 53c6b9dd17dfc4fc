"""What a model must beat: simple opinions on which lead is better, fitted and asked on the same leads.

Each takes the training part, its outcomes and the leads to judge, and returns one score per lead. The slow
ones look at the newest training leads only: a baseline is there to be honest, not to be perfect, and is
fitted again for every block. Naive Bayes is as the common open-source CRM does it: the score that many
companies have today. It is rebuilt from Odoo's published behaviour, weaknesses included: categories only,
counts of won and lost leads per value each raised by .1, correlated fields multiplied as if they were
independent, no decay. One lone win makes every other lead 91.67 %.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from models.evaluation.metrics import auc

COLUMN_ROWS = 20_000
LOGISTIC_ROWS = 20_000
MOST_LEVELS = 20
PRIOR_ROWS = 20.0
FARTHEST = 5.0

BASELINES = ("base_rate", "newest_first", "best_column", "logistic", "naive_bayes")
PROBABILITIES = ("base_rate", "logistic", "naive_bayes")
START = 0.1
LOWEST, HIGHEST = 0.0001, 0.9999


@dataclass(frozen=True)
class Opinions:
    """Scores of every baseline for the leads to judge, and the column that was found best."""

    scores: dict[str, np.ndarray]
    best_column: str | None


def opinions(train: pd.DataFrame, outcome: np.ndarray, test: pd.DataFrame, columns: list[str]) -> Opinions:
    """Ask every baseline.

    Parameters
    ----------
    train, test : DataFrame
        With ``as_of`` and the feature columns: numbers, and categories of category dtype. ``train`` is in
        time order, newest last.
    outcome : array of 0 and 1, shape (len(train),)
        Where all are equal, every baseline but newest first says the base rate.
    columns : list of str
        The feature columns.
    """
    constant = np.full(len(test), base_rate(outcome))
    scores = dict.fromkeys(BASELINES, constant)
    scores["newest_first"] = test["as_of"].to_numpy("datetime64[us]").astype(float)
    if len(np.unique(outcome)) < 2 or not len(test):
        return Opinions(scores, None)
    train, test = train[columns], test[columns]
    best = best_column(train.iloc[-COLUMN_ROWS:], outcome[-COLUMN_ROWS:])
    if best is not None:
        scores["best_column"] = column_score(
            train[best].iloc[-COLUMN_ROWS:], outcome[-COLUMN_ROWS:], test[best]
        )
    scores["logistic"] = logistic(train.iloc[-LOGISTIC_ROWS:], outcome[-LOGISTIC_ROWS:], test)
    scores["naive_bayes"] = fit_naive_bayes(train, outcome).probability(test)
    return Opinions(scores, best)


def base_rate(outcome: np.ndarray) -> float:
    """The share of leads with the outcome, a hair inside 0 and 1."""
    return (np.sum(outcome) + 0.5) / (len(outcome) + 1.0)


def best_column(train: pd.DataFrame, outcome: np.ndarray) -> str | None:
    """The column that alone ranks best: directions and rates from the older half, judged on the newer half."""
    half = len(train) // 2
    older, newer = outcome[:half], outcome[half:]
    if len(np.unique(older)) < 2 or len(np.unique(newer)) < 2:
        return None
    found = {
        name: auc(newer, column_score(train[name].iloc[:half], older, train[name].iloc[half:]))
        for name in train
    }
    return max(found, key=found.get) if found else None


def column_score(known: pd.Series, outcome: np.ndarray, asked: pd.Series) -> np.ndarray:
    """Score leads by one column.

    A number counts upwards or downwards, whichever ranked the known leads better, and empty is the median. A
    category scores its rate among known leads, drawn to the overall rate with the weight of 20 leads; empty
    and unseen values score the overall rate.
    """
    if isinstance(known.dtype, pd.CategoricalDtype):
        rate = np.mean(outcome)
        codes = known.cat.codes.to_numpy()
        sizes, wins = (
            np.bincount(codes + 1, weights=w, minlength=len(known.cat.categories) + 1)[1:]
            for w in (np.ones(len(codes)), outcome)
        )
        rates = pd.Series((wins + PRIOR_ROWS * rate) / (sizes + PRIOR_ROWS), index=known.cat.categories)
        levels = rates.reindex(asked.cat.categories).fillna(rate).to_numpy(float)
        return np.append(levels, rate)[asked.cat.codes.to_numpy()]
    middle = _median(known)
    values = known.fillna(middle).to_numpy(float)
    direction = 1.0 if np.nan_to_num(auc(outcome, values), nan=0.5) >= 0.5 else -1.0
    return direction * asked.fillna(middle).to_numpy(float)


def logistic(train: pd.DataFrame, outcome: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    """Probabilities of a ridge logistic regression on standardised numbers, flags of emptiness and the
    commonest categories.
    """
    from sklearn.linear_model import LogisticRegression

    known, asked = [], []
    for name in train:
        of_column = _one_hot if isinstance(train[name].dtype, pd.CategoricalDtype) else _standardised
        before, after = of_column(train[name], test[name])
        known += before
        asked += after
    if not known:
        return np.full(len(test), base_rate(outcome))
    design = np.column_stack(known)
    informative = np.ptp(design, axis=0) > 0
    if not informative.any():
        return np.full(len(test), base_rate(outcome))
    model = LogisticRegression(tol=1e-3, max_iter=1_000).fit(
        design[:, informative], np.asarray(outcome).astype(int)
    )
    raw = np.full(len(test), model.intercept_[0])
    for column, weight in zip((asked[at] for at in np.flatnonzero(informative)), model.coef_[0], strict=True):
        raw += weight * column  # a table of all of them would be as large as the leads' own
    return expit(raw)


def _median(column: pd.Series) -> float:
    """The median of what is filled, 0 of nothing."""
    # Of an empty column numpy warns, and what silences it within pandas is not safe among threads.
    filled = column.dropna()
    return float(filled.median()) if len(filled) else 0.0


def _standardised(train: pd.Series, test: pd.Series) -> tuple[list[np.ndarray], list[np.ndarray]]:
    middle, mean, deviation = _median(train), train.mean(), train.std()
    mean = 0.0 if np.isnan(mean) else mean
    deviation = deviation if deviation > 0 else 1.0

    def of(column: pd.Series) -> list[np.ndarray]:
        empty = column.isna().to_numpy()
        values = (np.where(empty, middle, column.to_numpy(float)) - mean) / deviation
        # A single wild value must not carry a lead to certainty.
        return [np.clip(values, -FARTHEST, FARTHEST).astype(np.float32), empty.astype(np.float32)]

    return of(train), of(test)


def _one_hot(train: pd.Series, test: pd.Series) -> tuple[list[np.ndarray], list[np.ndarray]]:
    common = train.value_counts().loc[lambda counts: counts > 0].index[:MOST_LEVELS]
    codes = [pd.Index(common).get_indexer(pd.Index(column.cat.categories)) for column in (train, test)]
    levels = [
        np.append(code, -1)[column.cat.codes.to_numpy()]
        for code, column in zip(codes, (train, test), strict=True)
    ]
    first, second = (
        [(level == position).astype(np.float32) for position in range(len(common))] for level in levels
    )
    return first, second


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
        counts = np.array(
            [
                np.bincount(values.codes[filled], weights=w[filled], minlength=len(values.categories))
                for w in (won, 1 - won)
            ]
        )
        seen = counts.sum(axis=0) > 0
        if not seen.any():
            continue
        counts = counts[:, seen] + START
        shares = counts / counts.sum(axis=1, keepdims=True)
        evidence[name] = pd.Series(np.log(shares[0] / shares[1]), index=values.categories[seen])
    return NaiveBayes(
        log_prior=float(np.log((won.sum() + START) / ((1 - won).sum() + START))), evidence=evidence
    )
