"""What a picture of a judged model is drawn from: how much working the best leads finds, and whether the probabilities come true."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from models.metrics import counts_by_score

SHARES = np.linspace(0, 1, 101)
RANKINGS = ("p", "logistic", "naive_bayes", "newest_first")
TENTHS = 10


def curves_of(judged: pd.DataFrame) -> dict[str, Any]:
    """All of a model's curves as JSON can hold them.

    Parameters
    ----------
    judged : DataFrame
        ``ModelReport.judged``.

    Returns
    -------
    dict
        ``gain``: for the model ("p") and each rival the share of outcomes found at every whole percent of leads worked. ``calibration``:
        for tenths of the leads, lowest first, ``predicted``, ``rate`` and its exact 95 % interval, ``low`` and ``high``. ``predicted`` and
        ``rate`` of all leads.
    """
    return {
        "gain": {name: [round(share, 5) for share in gain(judged, name).tolist()] for name in RANKINGS},
        "calibration": reliability(judged["outcome"].to_numpy(float), judged["p"].to_numpy(float), TENTHS).to_dict("records"),
        "predicted": float(judged["p"].mean()),
        "rate": float(judged["outcome"].mean()),
    }


def gain(judged: pd.DataFrame, score: str) -> np.ndarray:
    """Share of all outcomes found at every whole percent of leads worked in each block; ties shared evenly."""
    found = np.zeros(len(SHARES))
    for _, block in judged.groupby("block"):
        counts = counts_by_score(block[score].to_numpy(float), block["outcome"].to_numpy(float))
        reached, sizes = np.cumsum(counts.positives[:, 0]), np.cumsum(counts.positives[:, 0] + counts.negatives[:, 0])
        found += np.interp(SHARES * len(block), np.append(0, sizes), np.append(0, reached))
    return found / max(judged["outcome"].sum(), 1)


def reliability(outcome: np.ndarray, p: np.ndarray, groups: int) -> pd.DataFrame:
    """Per group of equal size, lowest predictions first: mean prediction, outcome rate and its exact 95 % interval."""
    rows = []
    for part in np.array_split(np.argsort(p, kind="stable"), groups):
        if len(part):
            interval = binomtest(int(outcome[part].sum()), len(part)).proportion_ci()
            rows.append((p[part].mean(), outcome[part].mean(), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["predicted", "rate", "low", "high"])
