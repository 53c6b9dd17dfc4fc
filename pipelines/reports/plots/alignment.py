"""Where the leads of each month stand now, as one picture that a grey print shows as well."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pipelines.reports.plots.style import BLUE, INK, ORANGE, PALE, STYLE

LOOKS = {
    "won": ("won", BLUE, ""),
    "in work": ("taken up, open", "#a9cfe5", "////"),
    "waiting": ("waiting, open", "#ffffff", "////"),
    "lost": ("lost", "#767676", ""),
    "no end": ("no end on record", "#a5a5a5", ""),
    "rejected": ("turned down", "#f6c9a8", ""),
    "unanswered": ("never answered", ORANGE, ""),
    "held": ("held back", PALE, ""),
}


def pictures_of(result: Mapping[str, Any]) -> dict[str, Figure]:
    """The pictures of the page by name."""
    return {"funnel": funnel_picture(result["funnel"])}


def funnel_picture(found: Mapping[str, Any]) -> Figure:
    """A bar for each month, divided by where its leads stand."""
    months = found["months"]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.3 + 0.27 * len(months)))
        axes = figure.subplots()
        left, rows = np.zeros(len(months)), np.arange(len(months))
        for state, (name, color, hatch) in LOOKS.items():
            shares = np.array([each["states"][state] / max(each["leads"], 1) for each in months])
            if shares.any():
                axes.barh(rows, shares, left=left, height=0.74, color=color, hatch=hatch, edgecolor="#5c5c5c", linewidth=0.5, label=name)  # fmt: skip
            left += shares
        axes.set_yticks(rows, [f"{each['month']}  ({each['leads']:,})" for each in months])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        figure.legend(
            loc="outside upper left", ncols=4, frameon=False, fontsize=8, labelcolor=INK, handlelength=1.4
        )
        return figure
