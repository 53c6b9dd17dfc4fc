"""What a cut would hold back and cost, and the replayed past."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import binomtest

from models.backtest import Replayed
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE


def drawn(replayed: Sequence[Replayed], max_lost_share: float, *, moment: Callable[[Any], str]) -> Figure:
    """Held leads above, lost customers below with exact 95 % intervals, the promise as a line."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.4))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.6))
        x = np.arange(len(replayed))
        held = np.array([span.held / max(span.leads, 1) for span in replayed])
        certified = np.array([span.basis == "certified" for span in replayed])
        above.bar(x, held, color=np.where(certified, BLUE, PALE), edgecolor=BLUE, linewidth=0.8, width=0.7)
        for place, span in zip(x, replayed, strict=True):
            if span.basis == "none":
                above.annotate(
                    "nobody",
                    (place, 0),
                    (0, 3),
                    textcoords="offset points",
                    ha="center",
                    color=GREY,
                    fontsize=7,
                    rotation=90,
                )
        above.set_title(
            "Leads that the filter would have held"
            + (" (pale: not certified)" if any(span.basis == "configured" for span in replayed) else "")
        )
        _percents(above)

        counted = [(place, span) for place, span in zip(x, replayed, strict=True) if span.customers]
        places = [place for place, _ in counted]
        for place, span in counted:
            interval = binomtest(span.lost, span.customers).proportion_ci(method="exact")
            below.plot([place, place], [interval.low, interval.high], color=BLUE, linewidth=1.6)
        below.plot(
            places,
            [span.lost / span.customers for _, span in counted],
            "o",
            color=BLUE,
            markersize=6,
            label="the filter",
        )
        for name, mark, color, words in (
            ("random", "_", INK, "chance"),
            ("naive_bayes", "x", ORANGE, "naive Bayes"),
        ):
            shares = [span.rivals[name] / span.customers for _, span in counted]
            below.plot(places, shares, mark, color=color, markersize=8, label=f"as many held by {words}")
        below.axhline(
            max_lost_share,
            color=INK,
            linewidth=1,
            linestyle=(0, (4, 2)),
            label=f"promised: at most {100 * max_lost_share:g} %",
        )
        below.set_title("Customers that this would have cost", pad=26)
        below.set_ylim(bottom=0)
        _percents(below)
        below.set_xticks(x, [moment(span.start) for span in replayed], rotation=45, ha="right")
        below.legend(
            frameon=False,
            fontsize=8,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=4,
            borderpad=0,
            handletextpad=0.4,
        )
        return figure


def _percents(axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def cut_picture(scores: np.ndarray, won: np.ndarray, table: pd.DataFrame) -> Figure:
    """For every cut, the share of leads held and of wins lost; the table's cuts are marked, chance is a
    straight line.
    """
    scores, won = np.asarray(scores, float), np.asarray(won, float) == 1
    cuts = np.unique(np.quantile(scores, np.linspace(0, 1, 400), method="inverted_cdf"))
    held, lost = (np.searchsorted(np.sort(of), cuts) / max(len(of), 1) for of in (scores, scores[won]))
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.subplots()
        marked = table.dropna(subset="cut")
        right, top = (
            min(1.0, 1.8 * marked[of].max() + 0.05) if len(marked) else 1.0
            for of in ("held_share", "lost_share")
        )
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        edge = 0.9 * min(right, top)
        chance = {
            "rotation": 45,
            "transform_rotates_text": True,
            "rotation_mode": "anchor",
            "ha": "right",
            "va": "bottom",
        }
        axes.text(edge, edge, "holding by chance", color=GREY, fontsize=8, **chance)
        axes.plot(held, lost, color=BLUE, linewidth=2.2)
        for row in marked.itertuples():
            axes.plot(row.held_share, row.lost_share, "o", color=ORANGE, markersize=6, clip_on=False)
            words = f"at most {100 * row.max_lost_share:g} % lost: holds {row.held_share:.0%}"
            beside = (9, 6 if row.lost_share < 0.02 * top else -1)
            place = {"xytext": beside, "textcoords": "offset points", "va": "center"}
            over = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}  # the curve
            axes.annotate(words, (row.held_share, row.lost_share), color=INK, fontsize=8, bbox=over, **place)
        axes.set(
            xlim=(0, right), ylim=(0, top), xlabel="share of leads held back", ylabel="share of wins lost"
        )
        axes.set_title("What holding leads back would cost")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return figure
