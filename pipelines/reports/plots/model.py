"""Four pictures of a judged model: what it finds, whether its probabilities come true, what it counts, how it
held up over time.

One small style for all: no frame, labels beside what they name, Okabe and Ito's colours, and lines that also
differ in dash and darkness, so that a grey print reads the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from models.evaluation.performance import SHARES
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE, _beside, _canvas, _percent

CURVES = {
    "p": ("model", BLUE, "-", 2.4),
    "logistic": ("logistic regression", ORANGE, (0, (5, 2)), 1.4),
    "naive_bayes": ("naive Bayes", INK, (0, (1, 1.4)), 1.4),
    "newest_first": ("newest first", GREY, (0, (6, 2, 1, 2)), 1.4),
}
MOST_GROUPS = 15


def gain_picture(gains: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    """Share of outcomes found when the best-scored share of every block is worked, against baselines and
    drawing lots.

    Parameters
    ----------
    gains : mapping
        From :func:`models.evaluation.performance.curves_of`.
    title : str
    """
    with rc_context(STYLE):
        figure, axes = _canvas(5.6, 4.6)
        axes.plot([0, 1], [0, 1], color=PALE, linewidth=1.2, zorder=1)
        for name, (_, color, dash, width) in CURVES.items():
            axes.plot(
                SHARES,
                gains[name],
                color=color,
                linestyle=dash,
                linewidth=width,
                zorder=3 if name == "p" else 2,
            )
        axes.text(
            0.78,
            0.74,
            "drawing lots",
            color=GREY,
            rotation=45,
            rotation_mode="anchor",
            transform_rotates_text=True,
            va="top",
            ha="center",
        )
        # The curves run too close together to be named in place: the key below them keeps their order.
        order = sorted(CURVES, key=lambda name: sum(gains[name]), reverse=True)
        for row, name in enumerate(order):
            label, color, dash, width = CURVES[name]
            height = 0.27 - 0.065 * row
            axes.plot([0.58, 0.66], [height, height], color=color, linestyle=dash, linewidth=width)
            axes.text(
                0.68, height, label, color=color, va="center", fontweight="bold" if name == "p" else "normal"
            )
        tenth = gains["p"][10]
        axes.vlines(0.1, tenth, 0.76, color=BLUE, linewidth=0.7)
        axes.plot(
            0.1,
            tenth,
            "o",
            color=BLUE,
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=4,
        )
        axes.text(
            0.03,
            0.77,
            f"the best tenth finds\n{tenth:.0%} of outcomes",
            color=BLUE,
            va="bottom",
            linespacing=1.4,
        )
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1.005),
            title=title,
            xlabel="share of leads worked, best first",
            ylabel="share of outcomes found",
        )
        _percent(axes.xaxis, axes.yaxis)
        return figure


def calibration_picture(table: pd.DataFrame, *, predicted: float, rate: float, title: str) -> Figure:
    """Outcome rate against mean prediction in groups of equal size, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        From :func:`models.evaluation.performance.reliability`.
    predicted, rate : float
        Of all leads.
    title : str
    """
    with rc_context(STYLE):
        figure, axes = _canvas(4.8, 4.6)
        top = float(min(1.0, 1.08 * max(table["high"].max(), table["predicted"].max())))
        axes.plot([0, top], [0, top], color=PALE, linewidth=1.2, zorder=1)
        axes.text(
            0.85 * top,
            0.83 * top,
            "as predicted",
            rotation=45,
            rotation_mode="anchor",
            transform_rotates_text=True,
            color=GREY,
            va="top",
            ha="center",
        )
        axes.vlines(table["predicted"], table["low"], table["high"], color=BLUE, linewidth=1.4, zorder=2)
        axes.plot(
            table["predicted"],
            table["rate"],
            "o",
            color=BLUE,
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=3,
        )
        axes.text(
            0, 1.03, f"predicted on average {predicted:.1%}, came true {rate:.1%}", transform=axes.transAxes
        )
        axes.set(
            xlim=(0, top),
            ylim=(0, top),
            aspect="equal",
            xlabel="mean prediction of a tenth of the leads",
            ylabel="came true",
        )
        axes.set_title(title, pad=24)
        _percent(axes.xaxis, axes.yaxis)
        return figure


def importance_picture(importance: pd.DataFrame, *, title: str) -> Figure:
    """Bars of how far each group of columns moves a lead's score on average.

    Parameters
    ----------
    importance : DataFrame
        From :func:`importance_by_group`; the first 15 groups are shown, the rest is summed.
    title : str
    """
    shown = importance.iloc[:MOST_GROUPS]
    rest = importance.iloc[MOST_GROUPS:]
    with rc_context(STYLE):
        figure, axes = _canvas(6.2, 1.2 + 0.27 * (len(shown) + bool(len(rest))))
        names, strengths, hints = list(shown["group"]), list(shown["strength"]), list(shown["hint"])
        if len(rest):
            others = "1 other" if len(rest) == 1 else f"{len(rest)} others together"
            names, strengths, hints = [*names, others], [*strengths, rest["strength"].sum()], [*hints, ""]
        places = np.arange(len(names))
        colors = [BLUE] * len(shown) + [PALE] * bool(len(rest))
        axes.barh(places, strengths, height=0.62, color=colors)
        widest = max([*strengths, 1e-9])
        for place, strength, hint in zip(places, strengths, hints, strict=True):
            axes.text(
                strength + 0.012 * widest,
                place,
                f"{strength:.2f}  {hint}".rstrip(),
                va="center",
                color=INK if hint else GREY,
            )
        axes.set_yticks(places, names)
        axes.set(
            title=title,
            xlim=(0, 1.6 * widest),
            ylim=(len(names) - 0.4, -0.6),
            xlabel="mean move of a lead's score, in logits",
        )
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return figure


def blocks_picture(
    blocks: Sequence[Mapping[str, Any]], together: Mapping[str, float], *, title: str
) -> Figure:
    """Every block's AUC with its interval above, its outcome rate and mean prediction below, oldest first.

    Parameters
    ----------
    blocks : sequence of mapping
        As ``ModelReport.to_json`` tells them, with their ends in words.
    together : mapping
        The AUC of all blocks: ``value``, ``low``, ``high``; None where it cannot be told, as the interval
        where accounts are too few.
    title : str
    """
    places = np.arange(len(blocks))
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 5.0))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1))
        values, lows, highs = (
            np.array([block[name] for block in blocks], float) for name in ("auc", "auc_low", "auc_high")
        )
        upper.axhline(0.5, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        whole = together["value"]
        if together["low"] is not None:
            upper.axhspan(together["low"], together["high"], color=BLUE, alpha=0.12, linewidth=0)
        upper.vlines(places, lows, highs, color=BLUE, linewidth=1.4)
        upper.plot(
            places, values, "o", color=BLUE, markersize=6, markeredgecolor="white", markeredgewidth=0.8
        )
        for place, value in zip(places, values, strict=True):
            if np.isfinite(value):
                upper.annotate(
                    f"{value:.2f}", (place, value), (8, 0), textcoords="offset points", va="center"
                )
        right = len(blocks) - 0.45
        finite = np.concatenate([lows, highs, values, [0.5]])
        finite = finite[np.isfinite(finite)]
        low, high = max(0.0, finite.min() - 0.04), min(1.0, finite.max() + 0.04)
        levels = {"chance": (0.5, GREY)} | ({} if whole is None else {f"together {whole:.3f}": (whole, BLUE)})
        _beside(upper, right, levels, gap=0.1 * (high - low))
        upper.set(title=title, ylabel="AUC within the block", ylim=(low, high))

        rates = np.array([block["positives"] / block["rows"] for block in blocks])
        predicted = np.array([block["calibration_ratio"] for block in blocks], float) * rates
        lower.plot(places, rates, "-", color=INK, linewidth=1.4, marker="s", markersize=4.5)
        lower.plot(
            places,
            predicted,
            color=ORANGE,
            linewidth=1.4,
            linestyle=(0, (5, 2)),
            marker="o",
            markersize=4.5,
            markerfacecolor="white",
        )
        top = 1.25 * float(np.nanmax(np.append(rates, predicted)))
        _beside(
            lower,
            right,
            {"came true": (rates[-1], INK), "predicted": (predicted[-1], ORANGE)},
            gap=0.12 * top,
        )
        lower.set(ylabel="share with the outcome", ylim=(0, top), xlim=(-0.5, len(blocks) - 0.5))
        lower.set_xticks(
            places, [f"{block['from']}\nto {block['to']}\n{block['rows']:,} leads" for block in blocks]
        )
        _percent(lower.yaxis)
        for axes in (upper, lower):
            axes.tick_params(axis="x", length=0)
        return figure
