"""A picture of the replayed past: how many leads the filter would have held, and how many customers that would have cost."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import binomtest

from models.backtest import Replayed
from models.pictures import BLUE, GREY, INK, ORANGE, PALE, STYLE


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
                above.annotate("nobody", (place, 0), (0, 3), textcoords="offset points", ha="center", color=GREY, fontsize=7, rotation=90)
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
        below.plot(places, [span.lost / span.customers for _, span in counted], "o", color=BLUE, markersize=6, label="the filter")
        for name, mark, color, words in (("random", "_", INK, "chance"), ("naive_bayes", "x", ORANGE, "naive Bayes")):
            shares = [span.rivals[name] / span.customers for _, span in counted]
            below.plot(places, shares, mark, color=color, markersize=8, label=f"as many held by {words}")
        below.axhline(max_lost_share, color=INK, linewidth=1, linestyle=(0, (4, 2)), label=f"promised: at most {100 * max_lost_share:g} %")
        below.set_title("Customers that this would have cost", pad=26)
        below.set_ylim(bottom=0)
        _percents(below)
        below.set_xticks(x, [moment(span.start) for span in replayed], rotation=45, ha="right")
        below.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0, handletextpad=0.4)
        return figure


def _percents(axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
