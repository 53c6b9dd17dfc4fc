"""One score per lead that gives its probability at every horizon: grouped-time hazards, half a linear fit and
half trees.

``h_ib = sigmoid(f(x_i) + alpha_b)`` and ``p_i(H) = 1 - prod_b (1 - h_ib)``: ``f`` is the mean of a sum of one
term per column and of LightGBM's trees, ``alpha`` the level of each span of days. Young leads count for the
spans they have lived through, so nothing waits for maturity and nothing is called "no" too early. With one bin
this is logistic regression.

On few leads, and where the world drifts, lines foretell better than trees; where columns work only together,
trees do. Their mean is seldom worse than the better of the two and often better than both. For the same
reason the trees have two memories: a fit on all of history and one on its newest part alone, weighed two to
one. Where old leads mislead, the second corrects the first; where nothing has changed, it costs next to
nothing. To take one of them alone it would have to be chosen, and the data that could tell which to choose are
those that have not come yet: a share chosen on the newest known leads was seen to rank later ones worse. Whether
the newest part holds enough leads for a fit of its own can be told, and is all that is asked.

Few outcomes are believed by and by: the company's rate comes first, then that of the channel, then all the rest.
What lines and trees say is held back as far as outcomes are few, and what is held back is taken by the rate of
the lead's channel, itself drawn to the company's.

References
----------
Craig, Zhong, Tibshirani, Survival stacking (arXiv 2107.13480), here without the stacking.
Pesaran, Timmermann (2007), Selection of estimation window in the presence of breaks.
Bates, Granger (1969), The combination of forecasts.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, InstanceOf
from pydantic.dataclasses import dataclass as validated

from features.labels import Labels
from features.serialization import Floats
from models.survival.discrete_time import MAX_SCORE, GroupedTime, bins_at_risk, edges_for
from models.survival.encoding import BINNING, binned, subset
from models.survival.linear import FEW, Design, Linear, Term, fit_linear

LEVEL_EVERY = 20  # rounds between two Newton steps on the levels
LAST_LEVEL_STEPS = 10
# Beyond so many leads more of them teach a tree next to nothing: on a made-up million the AUC was lower by
# .0003 to .0005, of which half
# is what another seed does.
ROWS_PER_TREE = 100_000
TREES_PER_DRAW = 5
LINEAR_SHARE = 1 / 2
LINEAR_ROWS = 30_000  # as many, evenly over time, are enough for a few hundred coefficients
LEVEL_ROWS = 100_000
RECENT_WEIGHT = 1 / 3
# A fit on fewer adds its own noise: seen to rank later leads worse by up to .03 with under 2,000 leads, and
# by .001 from 5,000 on.
FEWEST_RECENT = 4_000
CHANNEL = "channel"
PRIOR_EVENTS, PRIOR_LEADS = (
    20.0,
    20.0,
)  # the weight of the channel against the rest, and of the company against it
FEWEST_RECENT_EVENTS = 200


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class HazardParameters:
    """How the trees are grown. The defaults do well on several hundred to a million leads; fewer outcomes
    shrink them further.

    ``recent_share`` is the newest share of the leads that some of the trees learn from alone, where it holds
    enough of them (see ``models.survival.hazard``); 1 turns it off.
    """

    rounds: Annotated[int, Field(ge=1, le=5000)] = 100
    leaves: Annotated[int, Field(ge=2, le=255)] = 6
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    min_rows_in_leaf: Annotated[int, Field(ge=1)] = 30
    column_share: Annotated[float, Field(gt=0, le=1)] = 0.6
    l2: Annotated[float, Field(ge=0)] = 5.0
    category_smoothing: Annotated[float, Field(ge=0)] = 20.0
    min_events: Annotated[int, Field(ge=1)] = 20
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    seed: int = 1
    threads: Annotated[int, Field(ge=1)] = 2


@dataclass(frozen=True)
class Hazard:
    """A fitted hazard.

    Attributes
    ----------
    linear : Linear
        Its terms, as they enter the mean; none where outcomes were too few to tell leads apart.
    booster : lgb.Booster
        The trees, as they enter it likewise; ``f(x)`` is the sum of both.
    alphas, edges : arrays of float, shape (n_bins,)
        Level of each bin, and its right edge in days.
    events : int
        Outcomes it was fitted on.
    """

    linear: Linear
    booster: Annotated[InstanceOf[lgb.Booster], Field(exclude=True)]  # kept as a file of its own
    alphas: Floats
    edges: Floats
    events: int

    def raw(self, encoded: pd.DataFrame, *, threads: int = 2) -> np.ndarray:
        """``f(x)`` of each encoded lead, in logits."""
        if not len(encoded):
            return np.zeros(0)
        alone = len(encoded) <= FEW  # threads would only wait for each other
        trees = self.booster.predict(encoded.to_numpy(), raw_score=True, num_threads=1 if alone else threads)
        return trees + self.linear.raw(encoded, threads=threads)

    def probability(self, raw: np.ndarray, horizon: float | np.ndarray | None = None) -> np.ndarray:
        """Probability of the event within a horizon of days, one for all or one each; the fit's own by
        default.

        Within a bin the hazard is taken as even; past the last bin nothing is added.
        """
        survived, bounded = np.zeros(len(raw)), np.clip(raw, -MAX_SCORE, MAX_SCORE)
        left = 0.0
        for alpha, right in zip(self.alphas, self.edges, strict=True):
            lived = 1.0 if horizon is None else np.clip((horizon - left) / (right - left), 0.0, 1.0)
            survived -= lived * np.logaddexp(0.0, bounded + alpha)
            left = right
        return -np.expm1(survived)


def fit_hazard(
    X: pd.DataFrame,
    labels: Labels,
    *,
    horizon: float,
    parameters: HazardParameters,
    weights: np.ndarray | None = None,
    rows: np.ndarray | None = None,
    categorical: Sequence[int] = (),
    data: lgb.Dataset | None = None,
) -> Hazard:
    """Learn when leads have their event.

    Parameters
    ----------
    X : encoded data frame
        One row per entry of ``labels``, in time order.
    labels : Labels
        Of all rows of ``X``, as known when the model would have been fitted.
    horizon : float
        Days.
    weights : array of float, shape (n_rows,), optional
        Of all rows of ``X``; rows of weight 0 are left out.
    rows : array of int, optional
        The only rows to fit on.
    categorical : sequence of int
        Positions of the category columns, where there is no ``data``.
    data : lgb.Dataset, optional
        What ``encoding.binned`` has made of ``X``, for many fits.

    Raises
    ------
    TooLittleDataError
        If no lead was ever at risk. With fewer than ``parameters.min_events`` events there is neither term nor
        tree: everybody gets the overall rate.
    """
    edges = edges_for(horizon, labels)
    bins, event = bins_at_risk(labels, edges)
    use = bins > 0
    if weights is not None:
        use &= weights > 0
    if rows is not None:
        chosen = np.zeros(len(use), dtype=bool)
        chosen[rows] = True
        use &= chosen
    used = np.flatnonzero(use)
    data = binned(X, categorical, threads=parameters.threads) if data is None else data
    events = int(event[used].sum())
    believed = max(events, 1) / (max(events, 1) + PRIOR_EVENTS)
    told = any(data.feature_num_bin(column) > 1 for column in range(data.num_feature()))

    def task_of(rows: np.ndarray, threads: int = 1) -> GroupedTime:
        weight = np.ones(len(rows)) if weights is None else weights[rows] / weights[rows].max(initial=0.0)
        return GroupedTime(bins[rows], event[rows], weight, edges, threads=threads)

    def lines() -> Linear:
        drawn = evenly(used, LINEAR_ROWS)
        if not told or event[drawn].sum() < parameters.min_events:
            return Linear({})
        design = Design(X.to_numpy()[drawn], data.categorical_feature)
        task = task_of(drawn)
        by_channel = _of_channel(X, drawn, task, data.categorical_feature)
        coefficients, _ = fit_linear(design, task)
        linear = design.linear(believed * LINEAR_SHARE * coefficients)
        return linear.plus(by_channel[0], by_channel[1].times(1 - believed)) if by_channel else linear

    def trees(rows: np.ndarray, share: float) -> tuple[lgb.Booster, np.ndarray]:
        task = task_of(rows)
        settings = tree_settings(
            parameters, rows=float(task.at_risk[0].sum()), events=float(task.events_in.sum())
        )
        if len(rows) > ROWS_PER_TREE:
            settings |= {"bagging_fraction": ROWS_PER_TREE / len(rows), "bagging_freq": TREES_PER_DRAW}
        settings |= {"learning_rate": parameters.learning_rate * share, "num_threads": threads}
        booster = lgb.Booster(settings, subset(data, rows, threads=threads))
        if told and event[rows].sum() >= parameters.min_events:
            grow(booster, task, parameters.rounds, share=share)
        return booster, _grown_on(booster)

    parts = [(used, 1.0)]
    recent = newest(used, parameters.recent_share)
    if FEWEST_RECENT <= len(recent) < len(used) and event[recent].sum() >= FEWEST_RECENT_EVENTS:
        parts = [(used, 1 - RECENT_WEIGHT), (recent, RECENT_WEIGHT)]
    # Fits on a thread each wait less than one after the other on all.
    threads = max(1, (parameters.threads - 1) // len(parts))
    with ThreadPoolExecutor(parameters.threads) as pool:
        linear = pool.submit(lines)
        asked = [pool.submit(trees, rows, believed * share * (1 - LINEAR_SHARE)) for rows, share in parts]
        grown = [each.result() for each in asked]
    fitted = Hazard(
        linear.result(), joined([booster for booster, _ in grown]), np.zeros(0), edges, events=events
    )
    drawn = evenly(used, LEVEL_ROWS)
    scores = fitted.linear.raw(X.iloc[drawn], threads=parameters.threads)
    for (rows, _), (booster, known) in zip(parts, grown, strict=True):
        new = drawn >= rows[0]  # what a booster says of leads that it has grown on is known
        scores[new] += known[np.searchsorted(rows, drawn[new])]
        if not new.all():
            scores[~new] += booster.predict(
                X.iloc[drawn[~new]].to_numpy(), raw_score=True, num_threads=parameters.threads
            )
    task = task_of(drawn, parameters.threads)
    for _ in range(LAST_LEVEL_STEPS):
        task.newton_step(scores)
    return replace(fitted, alphas=task.alphas)


def _of_channel(
    X: pd.DataFrame, rows: np.ndarray, task: GroupedTime, categorical: Sequence[int]
) -> tuple[int, Term] | None:
    """How much more often leads of each channel have their event than all leads, in logits, drawn to no difference
    with the weight of some leads; None where there is no such column.
    """
    if CHANNEL not in X.columns or (place := X.columns.get_loc(CHANNEL)) not in categorical:
        return None
    nothing = np.zeros(len(rows))
    for _ in range(LAST_LEVEL_STEPS):
        task.newton_step(nothing)
    channel = X.iloc[rows, place].to_numpy(float)
    codes = np.where(np.isnan(channel), -1, np.nan_to_num(channel)).astype(int) + 1
    happened = np.bincount(codes, weights=task.event)
    expected = np.bincount(codes, weights=task.derivatives(nothing)[0] + task.event)
    prior = PRIOR_LEADS * task.event.mean()
    height = np.log((happened + prior) / (expected + prior))
    height -= np.mean(height[codes])
    return place, Term(np.arange(len(height) - 1.0), height[1:], float(height[0]), 0.0)


def grow(booster: lgb.Booster, task: GroupedTime, rounds: int, *, share: float) -> None:
    """Add trees, and now and then set the levels right. The booster grows up to be its ``share`` of a sum of
    boosters.
    """
    # With one bin its level is only a constant, which the trees learn themselves.
    levels = len(task.edges) > 1
    grown = 0

    def objective(scores: np.ndarray, _: lgb.Dataset) -> tuple[np.ndarray, np.ndarray]:
        if levels and grown and grown % LEVEL_EVERY == 0:
            task.newton_step(scores / share)
        return task.derivatives(scores / share)

    # A round without a split is not the last one: the next draws other columns.
    for grown in range(rounds):  # noqa: B007
        booster.update(fobj=objective)


def _grown_on(booster: lgb.Booster) -> np.ndarray:
    """What a booster says of the rows that it has grown on."""
    found = []

    def seen(scores: np.ndarray, _: lgb.Dataset) -> tuple[str, float, bool]:
        found.append(scores.copy())
        return "", 0.0, True

    booster.eval_train(seen)
    return found[0]


def tree_settings(parameters: HazardParameters, *, rows: float, events: float) -> dict:
    """LightGBM's settings for so many (weighted) rows and events: with fewer events fewer leaves, each of
    which must hold more.
    """
    scarcity = 100.0 / (events + 1.0)
    return BINNING | {
        "objective": "none",
        "num_leaves": int(np.clip(round(2 + events / 25), 2, parameters.leaves)),
        "learning_rate": parameters.learning_rate,
        # A leaf should expect a few events, or one lucky lead speaks for its whole group.
        "min_data_in_leaf": max(
            parameters.min_rows_in_leaf, int(np.ceil(min(2.0 * rows / max(events, 1.0), rows / 10)))
        ),
        "lambda_l2": parameters.l2 * (1.0 + scarcity),
        "feature_fraction": parameters.column_share,
        "cat_smooth": parameters.category_smoothing,
        "cat_l2": 2 * parameters.l2,
        "min_data_per_group": 50,
        "min_sum_hessian_in_leaf": 1e-3,
        "deterministic": True,
        "force_col_wise": True,
        "seed": parameters.seed,
        "num_threads": parameters.threads,
        "boost_from_average": False,
    }


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly over all."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))]


def newest(rows: np.ndarray, share: float) -> np.ndarray:
    """The newest share of rows that are in time order."""
    return rows[len(rows) - int(np.ceil(share * len(rows))) :]


def joined(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster with the trees of all, so that its score is the sum of theirs.

    Read back from text, it holds none of the data and is, to the bit, the one that a saved scorer will have.
    """
    texts = [booster.model_to_string() for booster in boosters]
    if len(texts) == 1:
        return lgb.Booster(model_str=texts[0])
    start, end = "Tree=", "end of trees"
    head = [
        line
        for line in texts[0][
            : min(texts[0].find(mark) for mark in (start, end) if mark in texts[0])
        ].splitlines()
        if line
    ]
    tail = texts[0][texts[0].index(end) :]
    trees = [tree for text in texts for tree in text[: text.index(end)].split(start)[1:]]
    numbered = "".join(f"{start}{number}\n{tree.partition(chr(10))[2]}" for number, tree in enumerate(trees))
    # Without the line of sizes, which no longer holds, LightGBM reads tree after tree.
    kept = "\n".join(line for line in head if not line.startswith("tree_sizes="))
    return lgb.Booster(model_str=f"{kept}\n\n{numbered}{tail}")
