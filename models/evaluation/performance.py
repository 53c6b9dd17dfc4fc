"""From scores and what came of them to figures with intervals and curves, block by block and together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.baselines import BASELINES, PROBABILITIES
from models.evaluation.metrics import (
    area,
    average_precision,
    brier_losses,
    calibration_line,
    captured,
    concordant,
    counts_by_score,
    expected_calibration_error,
    log_losses,
    pairs,
    ratio,
)
from models.evaluation.uncertainty import MOST_GROUPS, Estimate, account_weights, estimate, ratio_of_sums

SHARE = 0.1
SHARES = np.linspace(0, 1, 101)
RANKINGS = ("p", "logistic", "naive_bayes", "newest_first")
TENTHS = 10


@dataclass(frozen=True)
class Ranking:
    """How well one score orders leads *within* blocks.

    ``auc`` weighs a block by its pairs (a lead with the outcome, one without), ``average_precision`` by its
    outcomes; the lift is that of taking the best tenth of every block. Leads of different blocks are never
    compared: drift between blocks is no merit.
    """

    auc: Estimate
    average_precision: Estimate
    lift: Estimate
    by_block: dict[int, Estimate]
    auc_draws: np.ndarray


@dataclass(frozen=True)
class BlockFigures:
    """One block: its span, its leads, and the model's figures in it."""

    number: int
    start: pd.Timestamp
    end: pd.Timestamp
    rows: int
    positives: int
    auc: Estimate
    average_precision: float
    calibration_ratio: float


@dataclass(frozen=True)
class BaselineFigures:
    """One baseline on the same leads; ``log_loss`` is NaN for a mere ranking. ``ahead`` is its AUC minus the
    model's, paired.
    """

    auc: Estimate
    average_precision: Estimate
    lift: Estimate
    log_loss: Estimate
    ahead: Estimate


@dataclass(frozen=True)
class Figures:
    """A model judged: what ``judge`` returns."""

    rows: int
    positives: int
    auc: Estimate
    average_precision: Estimate
    lift: Estimate
    log_loss: Estimate
    brier: Estimate
    calibration_ratio: Estimate
    slope: float
    ece: float
    blocks: tuple[BlockFigures, ...]
    baselines: dict[str, BaselineFigures]


def judge(judged: pd.DataFrame, *, resamples: int = 200, seed: int = 0) -> Figures:
    """Every figure of METHODS §10 for one model.

    Parameters
    ----------
    judged : DataFrame
        One row per lead with a known outcome: ``account_id``, ``as_of``, ``block``, ``outcome`` (0 or 1),
        ``p``, and one column per baseline.
    resamples, seed
        Of the bootstrap over accounts.
    """
    outcome, p, block = (
        judged["outcome"].to_numpy(float),
        judged["p"].to_numpy(float),
        judged["block"].to_numpy(int),
    )
    account, names = pd.factorize(judged["account_id"])
    weights = account_weights(len(names), resamples=resamples, seed=seed)
    own = ranking(p, outcome, block, account, weights)
    ones = np.ones(len(p))
    slope, _ = calibration_line(outcome, p)

    def mean(losses: np.ndarray) -> Estimate:
        return ratio_of_sums(losses, ones, account=account, weights=weights)

    baselines = {}
    for name in BASELINES:
        score = judged[name].to_numpy(float)
        rival = ranking(score, outcome, block, account, weights)
        baselines[name] = BaselineFigures(
            auc=rival.auc,
            average_precision=rival.average_precision,
            lift=rival.lift,
            log_loss=mean(log_losses(outcome, score)) if name in PROBABILITIES else Estimate(np.nan),
            ahead=estimate(rival.auc.value - own.auc.value, rival.auc_draws - own.auc_draws),
        )
    return Figures(
        rows=len(judged),
        positives=int(outcome.sum()),
        auc=own.auc,
        average_precision=own.average_precision,
        lift=own.lift,
        log_loss=mean(log_losses(outcome, p)),
        brier=mean(brier_losses(outcome, p)),
        calibration_ratio=ratio_of_sums(p, outcome, account=account, weights=weights),
        slope=slope,
        ece=expected_calibration_error(outcome, p),
        blocks=tuple(
            _block(number, judged[block == number], own.by_block[number]) for number in np.unique(block)
        ),
        baselines=baselines,
    )


def ranking(
    score: np.ndarray, outcome: np.ndarray, block: np.ndarray, account: np.ndarray, weights: np.ndarray
) -> Ranking:
    """Rank within blocks, and put the blocks together.

    The figures themselves are exact; their draws join neighbouring scores into at most 2,000 groups, which no
    interval notices.
    """
    sums = []
    by_block = {}
    for number in np.unique(block):
        rows = block == number
        exact = counts_by_score(score[rows], outcome[rows])
        drawn = counts_by_score(
            score[rows], outcome[rows], account=account[rows], weights=weights, most_groups=MOST_GROUPS
        )
        by_block[int(number)] = estimate(area(exact)[0], area(drawn))
        sums.append(
            [
                np.append(column(exact), column(drawn))
                for column in (concordant, pairs, _precisions, _positives, _best_tenth)
            ]
        )
    right, all_pairs, precisions, positives, tenth = np.sum(sums, axis=0) if sums else np.zeros((5, 2))
    joint_auc, joint_precision, joint_lift = (
        ratio(right, all_pairs),
        ratio(precisions, positives),
        ratio(tenth, SHARE * positives),
    )
    return Ranking(
        auc=estimate(joint_auc[0], joint_auc[1:]),
        average_precision=estimate(joint_precision[0], joint_precision[1:]),
        lift=estimate(joint_lift[0], joint_lift[1:]),
        by_block=by_block,
        auc_draws=joint_auc[1:],
    )


def precision_within(score: np.ndarray, outcome: np.ndarray, block: np.ndarray) -> float:
    """Average precision within blocks, each weighing by its outcomes, as in ``ranking``; NaN without any."""
    counts = [
        counts_by_score(score[block == number], outcome[block == number]) for number in np.unique(block)
    ]
    found, positives = (sum(float(of(each)[0]) for each in counts) for of in (_precisions, _positives))
    return found / positives if positives else np.nan


def _positives(counts) -> np.ndarray:
    return counts.positives.sum(axis=0)


def _precisions(counts) -> np.ndarray:
    return np.nan_to_num(average_precision(counts)) * _positives(counts)


def _best_tenth(counts) -> np.ndarray:
    return captured(counts, SHARE * (counts.positives + counts.negatives).sum(axis=0))


def _block(number: int, judged: pd.DataFrame, own: Estimate) -> BlockFigures:
    outcome, p = judged["outcome"].to_numpy(float), judged["p"].to_numpy(float)
    return BlockFigures(
        number=int(number),
        start=judged["as_of"].min(),
        end=judged["as_of"].max(),
        rows=len(judged),
        positives=int(outcome.sum()),
        auc=own,
        average_precision=float(average_precision(counts_by_score(p, outcome))[0]),
        calibration_ratio=float(ratio(p.sum(), outcome.sum())),
    )


def curves_of(judged: pd.DataFrame) -> dict[str, Any]:
    """All of a model's curves as JSON can hold them.

    Parameters
    ----------
    judged : DataFrame
        ``ModelReport.judged``.

    Returns
    -------
    dict
        ``gain``: for the model ("p") and each rival the share of outcomes found at every whole percent of
        leads worked. ``calibration``: for tenths of the leads, lowest first, ``predicted``, ``rate`` and its
        exact 95 % interval, ``low`` and ``high``. ``predicted`` and ``rate`` of all leads.
    """
    return {
        "gain": {name: [round(share, 5) for share in gain(judged, name).tolist()] for name in RANKINGS},
        "calibration": reliability(
            judged["outcome"].to_numpy(float), judged["p"].to_numpy(float), TENTHS
        ).to_dict("records"),
        "predicted": float(judged["p"].mean()),
        "rate": float(judged["outcome"].mean()),
    }


def gain(judged: pd.DataFrame, score: str) -> np.ndarray:
    """Share of all outcomes found at every whole percent of leads worked in each block; ties shared evenly."""
    found = np.zeros(len(SHARES))
    for _, block in judged.groupby("block"):
        counts = counts_by_score(block[score].to_numpy(float), block["outcome"].to_numpy(float))
        reached, sizes = (
            np.cumsum(counts.positives[:, 0]),
            np.cumsum(counts.positives[:, 0] + counts.negatives[:, 0]),
        )
        found += np.interp(SHARES * len(block), np.append(0, sizes), np.append(0, reached))
    return found / max(judged["outcome"].sum(), 1)


def reliability(outcome: np.ndarray, p: np.ndarray, groups: int) -> pd.DataFrame:
    """Per group of equal size, lowest predictions first: mean prediction, outcome rate and its exact 95 %
    interval.
    """
    from scipy.stats import binomtest

    rows = []
    for part in np.array_split(np.argsort(p, kind="stable"), groups):
        if len(part):
            interval = binomtest(int(outcome[part].sum()), len(part)).proportion_ci()
            rows.append((p[part].mean(), outcome[part].mean(), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["predicted", "rate", "low", "high"])
