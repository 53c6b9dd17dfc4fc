"""Two pictures of a champion that is watched: z by week and segment, and outcomes as they came against those
foretold.

Fewer is orange, more is blue; where it matters the number stands in the cell and an alarm has a frame, so
that a grey print says the same.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from features.labels import OUTCOMES
from models.monitoring.outcome_drift import Watch
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, STYLE

FEWER_TO_MORE = LinearSegmentedColormap.from_list(
    "fewer to more", [ORANGE, "#f6c9a8", "#ffffff", "#a9cfe5", BLUE]
)
STRONGEST = 5.0
TOLD = 2.0  # from this z on the number stands in its cell
MOST_CURVES = 6
MOST_BESIDE = 13  # weeks: two panels side by side would be too small to read
LONGEST_NAME = 26


def z_picture(watches: Mapping[str, Watch]) -> Figure:
    """z of every segment and week, an outcome beside the other, or below it where the weeks are many; alarms
    are framed.
    """
    names = list(watches)
    rows = [len(found.segments) for found in watches.values()]
    weeks = max(len(found.looks) for found in watches.values())
    below = weeks > MOST_BESIDE
    wide = max(3.0, 0.33 * weeks)
    size = (
        (1.9 + wide, sum(1.0 + 0.25 * each for each in rows))
        if below
        else (1.9 + len(names) * (wide + 0.3), 1.2 + 0.27 * max(rows))
    )
    with rc_context(STYLE):
        figure = Figure(figsize=size)
        layout = {"nrows": len(names), "height_ratios": rows} if below else {"ncols": len(names)}
        panels = np.ravel(figure.subplots(**layout, squeeze=False))
        for place, (axes, name) in enumerate(zip(panels, names, strict=True)):
            _cells(
                axes,
                watches[name],
                named=below or place == 0 or watches[name].segments != watches[names[0]].segments,
            )
            axes.set_title(f"{OUTCOMES[name].did.capitalize()}: z by week and segment")
        return figure


def _cells(axes: Axes, found: Watch, *, named: bool) -> None:
    rows, columns = found.z.shape
    axes.imshow(found.z, cmap=FEWER_TO_MORE, vmin=-STRONGEST, vmax=STRONGEST, aspect="auto")
    for row, column in np.argwhere((np.abs(found.z) >= TOLD) | found.alarmed):
        value, alarm = found.z[row, column], found.alarmed[row, column]
        ink = "white" if abs(value) > 0.9 * STRONGEST else INK
        axes.text(
            column,
            row,
            f"{value:+.0f}".replace("-", "−"),
            ha="center",
            va="center",
            color=ink,
            fontsize=7,
            fontweight="bold" if alarm else "normal",
        )
    for row, column in np.argwhere(found.alarmed):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.6))
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e6e6", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    shown = np.arange(columns - 1, -1, -max(1, -(-columns // 7)))[::-1]
    axes.set_xticks(shown, [_day(found.looks[place]) for place in shown])
    axes.set_yticks(
        np.arange(rows), [_short(each.words) for each in found.segments] if named else [""] * rows
    )
    for side in axes.spines.values():
        side.set_visible(False)


def curves_picture(watches: Mapping[str, Watch]) -> Figure:
    """Outcomes so far against those expected by then with what chance explains, for all leads and for the
    segments that raise an alarm.
    """
    chosen = [(name, 0) for name in watches]
    for name, found in watches.items():
        alarmed = [found.segments.index(each.segment) for each in found.alarms]
        chosen += [(name, row) for row in alarmed if row]
    chosen = chosen[:MOST_CURVES]
    wide = min(len(chosen), 3)
    with rc_context(STYLE):
        figure = Figure(figsize=(3.3 * wide + 0.6, 2.7 * -(-len(chosen) // wide)))
        panels = np.ravel(figure.subplots(-(-len(chosen) // wide), wide, squeeze=False))
        for axes, (name, row) in zip(panels, chosen, strict=False):
            _curve(axes, watches[name], row, name)
        for axes in panels[len(chosen) :]:
            axes.set_axis_off()
        return figure


def _curve(axes: Axes, found: Watch, row: int, name: str) -> None:
    weeks = np.arange(len(found.looks))
    mean, noise, seen = found.expected[row], found.noise[row], found.observed[row]
    axes.fill_between(
        weeks, np.maximum(mean - 2 * noise, 0), mean + 2 * noise, color=GREY, alpha=0.2, linewidth=0
    )
    axes.plot(weeks, mean, color=GREY, linestyle=(0, (5, 2)), linewidth=1.4)
    axes.plot(weeks, seen, color=BLUE, linewidth=2, marker="o", markersize=3)
    first = np.flatnonzero(found.alarmed[row])
    if len(first):
        axes.plot(
            weeks[first[0]], seen[first[0]], "s", color=ORANGE, markersize=8, markeredgecolor=INK, zorder=5
        )
        axes.annotate(
            f"raised {_day(found.looks[first[0]])}",
            (weeks[first[0]], seen[first[0]]),
            (8, -10),
            textcoords="offset points",
            color=ORANGE,
            fontsize=8,
        )
    right = weeks[-1] + 0.02 * max(len(weeks), 1)
    apart = 0.07 * max(mean[-1] + 2 * noise[-1], seen[-1], 1)
    heights = (
        (mean[-1], seen[-1])
        if abs(mean[-1] - seen[-1]) > apart
        else (max(mean[-1], seen[-1]), max(mean[-1], seen[-1]) - apart)
    )
    above = mean[-1] >= seen[-1]
    axes.text(right, heights[0] if above else min(heights), "foretold", color=GREY, va="center", fontsize=8)
    axes.text(
        right,
        heights[1] if above else max(heights),
        f"{OUTCOMES[name].did}",
        color=BLUE,
        va="center",
        fontsize=8,
        fontweight="bold",
    )
    axes.set(ylim=(0, None), xlim=(0 if len(weeks) > 1 else -0.5, weeks[-1] + 0.5))
    axes.set_title(f"{_short(found.segments[row].words)}: {OUTCOMES[name].did} so far", fontsize=9)
    shown = weeks[:: max(1, -(-len(weeks) // 4))]
    axes.set_xticks(shown, [_day(found.looks[place]) for place in shown])


def _day(time: np.datetime64) -> str:
    stamp = time.astype("datetime64[D]").item()
    return f"{stamp.day} {stamp:%b}"


def _short(words: str) -> str:
    return words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1]}…"


def pictures_of(watches: Mapping[str, Watch]) -> dict[str, Figure]:
    """Both pictures by name; none where no outcome could be watched."""
    told: Sequence[str] = [name for name, found in watches.items() if found.expected.size]
    shown = {name: watches[name] for name in told}
    return {"z": z_picture(shown), "curves": curves_picture(shown)} if shown else {}
