"""The pictures of the alignment; a grey print shows them as well."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from models.alignment.margin import WEEKS as LAST_WEEK
from pipelines.reports.alignment_parts import MEASURES
from pipelines.reports.formats import money
from pipelines.reports.page import narrow_name
from pipelines.reports.plots.style import BLUE, INK, ORANGE, PALE, STYLE

WIDE, NARROW = 7.4, 3.3  # inches
# Each of another lightness, or marked, so that they can be told without colours too.
LOOKS = {
    "won": ("won", "#005189", ""),
    "in work": ("taken up, open", "#a9cfe5", "////"),
    "waiting": ("waiting, open", "#ffffff", "////"),
    "lost": ("lost", "#a3a3a3", ""),
    "no end": ("no end on record", "#d0d0d0", ""),
    "rejected": ("turned down", "#fde0ca", ""),
    "unanswered": ("never answered", ORANGE, ""),
    "held": ("held back", "#ffffff", "..."),
}


def pictures_of(
    result: Mapping[str, Any], *, most: int | None = None, width: float = WIDE
) -> dict[str, Figure]:
    """The pictures of the page by name, or the first of them, in their order."""
    grades, leads = result["scored"]["grades"], result["words"]["leads"]
    drawn = {"funnel": lambda: funnel_picture(result["funnel"], width)}
    if grades:
        drawn["grades"] = lambda: grades_picture(grades, leads, width)
    if result["margin"]["wins"]:
        drawn["quarter"] = lambda: quarter_picture(result["margin"], result["currency"], width)
    return {name: draw() for name, draw in list(drawn.items())[:most]}


def of_page(result: Mapping[str, Any]) -> dict[str, Figure]:
    """All pictures, each also as a telephone shows it."""
    narrow = pictures_of(result, width=NARROW)
    return pictures_of(result) | {narrow_name(name): figure for name, figure in narrow.items()}


def funnel_picture(found: Mapping[str, Any], width: float = WIDE) -> Figure:
    """A bar for each month, divided by where its leads stand."""
    months = found["months"]
    with rc_context(STYLE):
        columns = 4 if width == WIDE else 2
        figure = Figure(figsize=(width, 0.9 + 1.6 / columns + 0.27 * len(months)))
        axes = figure.subplots()
        left, rows = np.zeros(len(months)), np.arange(len(months))
        for state, (name, color, hatch) in LOOKS.items():
            shares = np.array([each["states"][state] / max(each["leads"], 1) for each in months])
            if shares.any():
                axes.barh(rows, shares, left=left, height=0.74, color=color, hatch=hatch, edgecolor="#5c5c5c", linewidth=0.5, label=name)  # fmt: skip
            left += shares
        axes.set_yticks(rows, [f"{each['month']}  ({each['leads']:,})" for each in months])
        axes.set_ylim(len(months) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        figure.legend(
            loc="outside upper left",
            ncols=columns,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=1.4,
        )
        return figure


def grades_picture(grades: list[Mapping[str, Any]], leads: str, width: float = WIDE) -> Figure:
    """For each grade, what was promised and what happened."""
    with rc_context(STYLE):
        figure = Figure(figsize=(width, 1.2 + 0.36 * len(grades)))
        axes = figure.subplots()
        for row, each in enumerate(grades):
            share = each["won"]["share"]
            if share["low"] is not None:
                axes.plot([share["low"], share["high"]], [row, row], color=BLUE, linewidth=2.2, zorder=1)
            axes.plot(
                share["value"],
                row,
                "o",
                color=BLUE,
                markersize=7,
                clip_on=False,
                label="were won" if row == 0 else None,
            )
            axes.plot(
                each["promised"], row, "D", color="white", markeredgecolor=ORANGE, markeredgewidth=1.8, markersize=7, clip_on=False,
                label="promised" if row == 0 else None,
            )  # fmt: skip
        axes.set_yticks(
            range(len(grades)), [f"{each['grade']}  ({each['won']['of']:,} {leads})" for each in grades]
        )
        axes.set_ylim(len(grades) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6 if width == WIDE else 4, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
        return figure


def quarter_picture(found: Mapping[str, Any], currency: str, width: float = WIDE) -> Figure:
    """The measure that tells most of prices, week by week of the quarter; its end is shaded."""
    measure = next(name for name in ("discount", "margin_share", "margin") if name in found["measures"])
    weeks = [each for each in found["weeks"] if each["wins"]]
    with rc_context(STYLE):
        figure = Figure(figsize=(width, 2.5))
        axes = figure.subplots()
        axes.axvspan(LAST_WEEK + 0.5 - found["days"] / 7, LAST_WEEK + 0.5, color=PALE, alpha=0.6, linewidth=0)
        for each in weeks:
            mean = each["means"][measure]
            if mean["low"] is not None:
                axes.plot([each["week"]] * 2, [mean["low"], mean["high"]], color=BLUE, linewidth=2)
            if mean["value"] is not None:
                axes.plot(each["week"], mean["value"], "o", color=BLUE, markersize=5)
        axes.set_xlim(0.5, LAST_WEEK + 0.5)
        axes.set_xticks(range(1, LAST_WEEK + 1, 1 if width == WIDE else 2))
        axes.set_xlabel("week of the quarter; shaded: its end", color=INK)
        axes.set_title(MEASURES[measure][:1].upper() + MEASURES[measure][1:])
        if measure == "margin":
            axes.yaxis.set_major_formatter(lambda value, _place: money(value, currency))
        else:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        return figure
