"""What ways of choosing a cut promise, and what they keep, in made-up worlds whose truth is known exactly.

    python -m benchmarks.evidence_promise

The scores of winners are normal around ``DISTANCE``, those of all others around 0, so that the log-odds of a
win are a straight line, the area under the curve is .73 and the probabilities are right as they stand. A cut
loses a share of winners and holds a share of leads that can be written down, without drawing anybody.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from mapie.risk_control import BinaryClassificationController
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.special import expit, logit
from scipy.stats import norm

from models.policy.margin_risk_control import TooFewWinsError, certified_margin_cut, margin_cap
from models.policy.risk_control import certified_cut, lost_share_bound
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE, _beside

LOST, CONFIDENCE = 0.05, 0.95
WON = 0.12
DISTANCE = np.sqrt(2) * norm.ppf(0.73)
WINS = (59, 100, 200, 400, 1_000)
PASSING = (0.05, 0.1)
REFERENCE = 200_000
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scores:
    """How leads are scored: by their probability, rounded down to steps of the normal score; with a step of 0
    not at all.

    Of the grades, one loses 5.5 % of winners, hardly more than allowed: the hardest case for a promise about
    few values.
    """

    name: str
    step: float

    def of(self, normal: np.ndarray) -> np.ndarray:
        """The scores, probabilities of a win."""
        if self.step:
            normal = np.floor(normal / self.step) * self.step
        return expit(DISTANCE * normal - DISTANCE**2 / 2 + logit(WON))

    def edge(self, cut: float) -> float:
        """The normal score below which leads are held, when those with a score strictly below ``cut`` are."""
        if cut <= 0:
            return -np.inf
        edge = (logit(cut) - logit(WON) + DISTANCE**2 / 2) / DISTANCE
        return np.ceil(edge / self.step - ROUNDING) * self.step if self.step else edge


SCORES = (Scores("continuous", 0.0), Scores("heavily tied", 0.25), Scores("grades", 0.73))


def empirical_quantile(scores: np.ndarray) -> float:
    """The cut that loses the share among the very wins it was chosen on."""
    return float(np.quantile(scores, LOST))


def conformal_risk_control(scores: np.ndarray) -> float:
    """Angelopoulos et al. (2024): the highest cut with ``(lost wins + 1) / (wins + 1) <= LOST``; it keeps the
    promise on average.
    """
    return float(np.sort(scores)[int(LOST * (len(scores) + 1) - 1 + ROUNDING)])


def mapie_cut(scores: np.ndarray, **options) -> float:
    """The highest cut that MAPIE's fixed sequence finds valid, 0 without one.

    Recall asks for winners alone; one loser keeps it content. It is behind the certified cut for two reasons:
    it tries cuts of a fixed grid only, and it rounds the number of lost winners up where a binary fraction
    stands above (1 of 100 counts as 2).
    """
    controller = BinaryClassificationController(
        lambda p: np.column_stack([1 - p, p]),
        risk="recall",
        target_level=1 - LOST,
        confidence_level=CONFIDENCE,
        fwer_method="fixed_sequence",
        **options,
    )
    controller.calibrate(np.append(scores, 0.5), np.append(np.ones(len(scores), dtype=int), 0))
    return float(max(controller.valid_predict_params, default=0.0))


METHODS = {
    "empirical quantile": empirical_quantile,
    "conformal risk control": conformal_risk_control,
    "MAPIE fixed sequence": mapie_cut,
    "MAPIE, ten times finer": lambda scores: mapie_cut(scores, list_predict_params=np.arange(0, 0.1, 0.001)),
    "certified (ours)": lambda scores: certified_cut(scores, max_lost_share=LOST, confidence=CONFIDENCE),
}


def promise_grid(runs: int = 300, seed: int = 0) -> pd.DataFrame:
    """How often each method loses more than it promised, and how many leads it holds.

    Returns
    -------
    DataFrame
        One row per method, number of wins and kind of score: ``method, wins, scores``, ``violations`` (the
        share of runs in which more than 5 % of winners are lost) with its standard error ``se``, ``lost`` and
        ``held``: the mean share of winners and of all leads.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for kind in SCORES:
        for wins in WINS:
            drawn = [kind.of(rng.normal(DISTANCE, 1, wins)) for _ in range(runs)]
            for method, cut in METHODS.items():
                edges = np.array([kind.edge(cut(scores)) for scores in drawn])
                lost = norm.cdf(edges - DISTANCE)
                held = WON * lost + (1 - WON) * norm.cdf(edges)
                rows.append(
                    (method, wins, kind.name, *_share(lost > LOST + ROUNDING), lost.mean(), held.mean())
                )
    return pd.DataFrame(rows, columns=["method", "wins", "scores", "violations", "se", "lost", "held"])


def margin_grid(runs: int = 400, seed: int = 0, wins: tuple[int, ...] = (200, 400, 1_000)) -> pd.DataFrame:
    """The same for margin: margins are lognormal, shrinking or growing with the score, or independent of it.

    Returns
    -------
    DataFrame
        One row per number of wins and per correlation of score and log margin: ``wins, correlation``,
        ``certified`` (the share of runs with a cut), ``violations`` with ``se`` (more than 5 % of *capped*
        margin lost), ``uncapped`` (more than 5 % of the whole margin lost, which nobody promised), ``lost``
        (mean share of capped margin) and ``held`` (of all leads); a run without a cut holds nobody.
    """
    rng = np.random.default_rng(seed)
    kind = SCORES[0]
    rows = []
    for correlation in (-0.5, 0.0, 0.5):
        everybody, all_margins = _winners(rng, REFERENCE, correlation)
        order = np.argsort(everybody)
        for number in wins:
            found = []
            for _ in range(runs):
                cap = margin_cap(_winners(rng, number, correlation)[1])
                normal, margins = _winners(rng, number, correlation)
                try:
                    cut = certified_margin_cut(
                        kind.of(normal), margins, cap=cap, max_lost_share=LOST, confidence=CONFIDENCE
                    )
                except TooFewWinsError:
                    cut = 0.0
                edge = kind.edge(cut)
                below = np.searchsorted(everybody, edge, sorter=order)
                capped, whole = (
                    values[order[:below]].sum() / values.sum()
                    for values in (np.minimum(all_margins, cap), all_margins)
                )
                held = WON * norm.cdf(edge - DISTANCE) + (1 - WON) * norm.cdf(edge)
                found.append((cut > 0, capped, whole, held))
            certified, capped, whole, held = np.array(found).T
            rows.append(
                (
                    number,
                    correlation,
                    certified.mean(),
                    *_share(capped > LOST),
                    np.mean(whole > LOST),
                    capped.mean(),
                    held.mean(),
                )
            )
    return pd.DataFrame(
        rows, columns=["wins", "correlation", "certified", "violations", "se", "uncapped", "lost", "held"]
    )


def post_launch_grid(runs: int = 400, seed: int = 0) -> pd.DataFrame:
    """How often the true lost share lies above the bound once wins below the cut are seen only through the
    accounts that pass.

    Returns
    -------
    DataFrame
        One row per pass-through, true lost share and number of winners, seen or not: ``pass_through, lost,
        winners``, ``above`` (the share of runs with the truth above the bound) with ``se``, and the mean
        ``bound``.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for passing in PASSING:
        for lost in (0.02, LOST, 0.1):
            for winners in (300, 1_000):
                below = rng.binomial(winners, lost, runs)
                seen = rng.binomial(below, passing)
                bounds = np.array(
                    [
                        lost_share_bound(
                            held_wins=int(held), wins=int(wins), pass_through=passing, confidence=CONFIDENCE
                        )
                        for held, wins in zip(seen, winners - below + seen, strict=True)
                    ]
                )
                rows.append((passing, lost, winners, *_share(lost > bounds), bounds.mean()))
    return pd.DataFrame(rows, columns=["pass_through", "lost", "winners", "above", "se", "bound"])


LINES = {
    "empirical quantile": (ORANGE, (0, (5, 2)), "s"),
    "conformal risk control": (INK, (0, (1, 1.4)), "^"),
    "MAPIE fixed sequence": (GREY, (0, (6, 2, 1, 2)), "D"),
    "certified (ours)": (BLUE, "-", "o"),
}


def picture(table: pd.DataFrame, scores: str = "continuous") -> Figure:
    """Left how often each method breaks its promise, with two standard errors either side, right what share
    of leads it holds.

    Parameters
    ----------
    table : DataFrame
        From :func:`promise_grid`.
    scores : str
        Which kind of score is shown.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.8))
        breaks, holds = figure.subplots(1, 2)
        breaks.axhspan(0, 1 - CONFIDENCE, color=PALE, linewidth=0, zorder=1)
        breaks.text(
            WINS[0], 1.6 * (1 - CONFIDENCE), "promised: in at most 5 % of runs", color=GREY, va="bottom"
        )
        ends = {}
        for method, (color, dash, marker) in LINES.items():
            rows = table[(table["method"] == method) & (table["scores"] == scores)]
            style = {
                "color": color,
                "linestyle": dash,
                "marker": marker,
                "markersize": 4.5,
                "linewidth": 2.4 if color == BLUE else 1.4,
            }
            breaks.plot(rows["wins"], rows["violations"], **style)
            breaks.vlines(
                rows["wins"],
                rows["violations"] - 2 * rows["se"],
                rows["violations"] + 2 * rows["se"],
                color=color,
                linewidth=0.8,
            )
            holds.plot(rows["wins"], rows["held"], **style)
            ends[method] = (rows["held"].iloc[-1], color)
        _beside(holds, 1.15 * WINS[-1], ends, gap=0.013)
        breaks.set(title="More than 5 % of customers lost", ylim=(0, None), ylabel="share of runs")
        holds.set(title="Leads that the filter holds", ylim=(0, None), ylabel="share of leads")
        for axes in (breaks, holds):
            axes.set(xscale="log", xlabel="wins the cut was chosen on")
            axes.set_xticks(WINS, [f"{wins:,}" for wins in WINS])
            axes.minorticks_off()
            axes.yaxis.set_major_formatter("{x:.0%}")
        return figure


def _winners(rng: np.random.Generator, number: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores and margins of winners."""
    normal = rng.normal(DISTANCE, 1, number)
    noise = rng.normal(size=number)
    return normal, 10_000 * np.exp(
        0.8 * (correlation * (normal - DISTANCE) + np.sqrt(1 - correlation**2) * noise)
    )


def _share(happened: np.ndarray) -> tuple[float, float]:
    share = happened.mean()
    return share, np.sqrt(share * (1 - share) / len(happened))


if __name__ == "__main__":
    for grid in (promise_grid, margin_grid, post_launch_grid):
        print(grid().round(4).to_string(index=False), end="\n\n")
