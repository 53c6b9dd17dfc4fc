"""Pictures of groups: what grades have come to, where a model is poor, and what drives it in one group and
another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE

WIDEST = 26
DOT = {"markersize": 5.5, "markeredgecolor": "white", "markeredgewidth": 0.8}
EXPECTED = {
    "marker": "D",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "markeredgecolor": ORANGE,
    "markeredgewidth": 1.2,
}


def grades_picture(grades: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """The share of each grade's leads that came true with its exact interval, beside what was expected.

    Parameters
    ----------
    grades : sequence of mapping
        As ``GradeFigures.to_json`` tells them.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(6.2, 1.3 + 0.38 * len(grades)))
        axes = figure.subplots()
        places = np.arange(len(grades))
        _rates(
            axes, places, *([each[name] for each in grades] for name in ("rate", "low", "high", "predicted"))
        )
        axes.set_yticks(places, [f"{each['grade']}  ·  {each['leads']:,} leads" for each in grades])
        _labelled(axes, ("came true, with 95 % interval", "expected"))
        axes.set_title(title, pad=26)
        _rows(axes, len(grades))
        return figure


def groups_picture(
    segments: Sequence[Mapping[str, Any]], *, title: str, outcome: str, whole: float | None
) -> Figure:
    """The groups of one column side by side: what came true against what was predicted, ranking, and what the
    filter would hold.

    Parameters
    ----------
    segments : sequence of mapping
        As ``Segment.to_json`` tells them; of one column.
    title : str
    outcome : str
        Those that came true, such as "customers".
    whole : float, optional
        The AUC over all groups.
    """
    panels = (
        ["rate", "auc"] + ["held"] * _told(segments, "held") + ["held_wins"] * _told(segments, "held_wins")
    )
    places = np.arange(len(segments))
    with rc_context(STYLE):
        figure = Figure(figsize=(3.0 + 1.75 * len(panels), 1.45 + 0.27 * len(segments)))
        all_axes = dict(
            zip(
                panels,
                figure.subplots(1, len(panels), sharey=True, width_ratios=[1.35, *[1] * (len(panels) - 1)]),
                strict=True,
            )
        )
        rate = all_axes["rate"]
        values = ([each["base_rate"][name] for each in segments] for name in ("value", "low", "high"))
        _rates(rate, places, *values, [each["predicted"] for each in segments])
        rate.set_title("came true ●  predicted ◇", fontsize=9, pad=8)
        rate.set_yticks(
            places,
            [
                f"{'▸ ' * bool(each['poor'])}{_short(each['group'])}  ·  {each['leads']:,}"
                for each in segments
            ],
        )
        for label, each in zip(rate.get_yticklabels(), segments, strict=True):
            label.set(fontweight="bold" if each["poor"] else "normal", color=ORANGE if each["poor"] else INK)
        _dots(all_axes["auc"], places, segments, "auc")
        all_axes["auc"].axvline(0.5, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        if whole is not None:
            all_axes["auc"].axvline(whole, color=PALE, linewidth=1.2, zorder=1)
        all_axes["auc"].set_title("AUC  (┆ chance)", fontsize=9, pad=8)
        for name, words in (("held", "leads held"), ("held_wins", f"{outcome} held")):
            if name in all_axes:
                _dots(all_axes[name], places, segments, name)
                all_axes[name].set_title(words, fontsize=9, pad=8)
                _shares(all_axes[name])
        for axes in all_axes.values():
            _rows(axes, len(segments))
        figure.suptitle(title, x=0.012, ha="left", fontsize=11)
        return figure


def drivers_picture(driven: Mapping[str, Any], *, title: str) -> Figure:
    """How far each group of columns moves the score of a lead, in each group of leads: areas stand for mean
    moves.

    Parameters
    ----------
    driven : mapping
        ``groups`` of leads, and ``drivers``, each a ``group`` of columns with its ``strengths``.
    """
    strengths = np.array([each["strengths"] for each in driven["drivers"]])
    rows, columns = strengths.shape
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.95 + 0.26 * rows))
        axes = figure.subplots()
        across, down = np.meshgrid(np.arange(columns), np.arange(rows))
        axes.scatter(
            across - 0.2, down, s=150 * strengths / max(strengths.max(), 1e-9), color=BLUE, linewidth=0
        )
        for row, column in np.ndindex(rows, columns):
            axes.text(column + 0.02, row, f"{strengths[row, column]:.2f}", va="center", fontsize=8, color=INK)
        axes.set_yticks(np.arange(rows), [_short(each["group"]) for each in driven["drivers"]])
        axes.set_xticks(np.arange(columns), [_short(group, 13) for group in driven["groups"]])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.set(xlim=(-0.5, 5.7), ylim=(rows - 0.4, -0.6))
        axes.set_title(title, pad=10)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        return figure


def _rates(
    axes: Axes,
    places: np.ndarray,
    rate: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    expected: Sequence[float],
):
    axes.hlines(places, _floats(low), _floats(high), color=BLUE, linewidth=1.4, zorder=2)
    axes.plot(_floats(expected), places, linestyle="none", zorder=3, **EXPECTED)
    axes.plot(_floats(rate), places, "o", color=BLUE, zorder=4, clip_on=False, **DOT)
    _shares(axes)


def _dots(axes: Axes, places: np.ndarray, segments: Sequence[Mapping[str, Any]], name: str) -> None:
    values, lows, highs = (
        _floats([each[name][end] for each in segments]) for end in ("value", "low", "high")
    )
    axes.hlines(places, lows, highs, color=BLUE, linewidth=1.4, zorder=2)
    axes.plot(values, places, "o", color=BLUE, zorder=3, clip_on=False, **DOT)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _labelled(axes: Axes, words: tuple[str, str]) -> None:
    marks = [
        axes.plot([], [], "o-", color=BLUE, linewidth=1.4, **DOT)[0],
        axes.plot([], [], linestyle="none", **EXPECTED)[0],
    ]
    axes.legend(
        marks,
        words,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=2,
        frameon=False,
        handlelength=1.6,
        borderaxespad=0.1,
    )


def _shares(axes: Axes) -> None:
    widest = max(axes.get_xlim()[1], 0.01)
    axes.set_xlim(0, widest)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if widest > 0.04 else 1))


def _rows(axes: Axes, rows: int) -> None:
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place in range(rows):
        axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)


def _told(segments: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(each[name]["value"] is not None for each in segments)


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array(values, float)


def _short(text: str, most: int = WIDEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
