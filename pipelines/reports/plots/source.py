"""Pictures of a source: what is settled over time, what a suspicious column gives away, one lead's story."""

import textwrap
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from features.labels import Labels
from models.leakage.guard import SIDES
from models.leakage.profiles import Profile
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE

SPANS = (12, 36)
WIDEST_LABEL = 28
WIDEST_TITLE = 60
DAY = np.timedelta64(1, "D")


def spans_of(as_of: np.ndarray, labels: Labels) -> pd.DataFrame:
    """Leads by when they came and by what is known of them: ``start``, ``yes``, ``no``, ``open``,
    ``unknown``, a row a span of time.

    A span is about a month, and less where the leads are of less than a year.
    """
    start, end = as_of.min(), as_of.max()
    number = int(np.clip(np.ceil((end - start) / np.timedelta64(30, "D")), *SPANS)) if end > start else 1
    width = max((end - start) / number, np.timedelta64(1, "us"))
    span = np.minimum(((as_of - start) / width).astype(int), number - 1)
    yes, no = labels.outcome == 1, labels.outcome == 0
    masks = {
        "yes": yes,
        "no": no,
        "open": labels.open,
        "unknown": ~np.isfinite(labels.outcome) & ~labels.open,
    }
    counts = {
        name: np.bincount(span, weights=mask, minlength=number).astype(int) for name, mask in masks.items()
    }
    return pd.DataFrame({"start": start + width * np.arange(number), **counts})


def time_picture(
    spans: pd.DataFrame, *, did: str, moment: Callable[[pd.Timestamp], str], title: str | None = None
) -> Figure:
    """Leads over time, stacked by what is known of their outcome, with the open tail marked; below, the
    settled share that had it.

    Parameters
    ----------
    spans : DataFrame
        From :func:`spans_of`.
    did : str
        "won" or "taken up".
    moment : function
        Words the start of a span.
    """
    places, settled = np.arange(len(spans)), spans["yes"] + spans["no"]
    layers = [
        ("yes", did, BLUE, None),
        ("no", f"settled, not {did}", PALE, None),
        ("unknown", "unknown", "white", ".."),
    ]
    layers.append(("open", "open", "white", "////"))
    tail = np.flatnonzero(spans["open"] > 0.5 * spans[["yes", "no", "open"]].sum(axis=1))
    with rc_context(STYLE | {"hatch.linewidth": 0.6}):
        figure = Figure(figsize=(7.6, 4.6))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        floor = np.zeros(len(spans))
        for name, words, color, hatch in layers:
            if spans[name].any():
                edge = {"open": ORANGE, "unknown": GREY}.get(name, color)
                upper.bar(
                    places,
                    spans[name],
                    0.86,
                    bottom=floor,
                    color=color,
                    hatch=hatch,
                    edgecolor=edge,
                    linewidth=0.5,
                    label=words,
                )
                floor = floor + spans[name].to_numpy()
        upper.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=4,
            frameon=False,
            handlelength=1.4,
            borderaxespad=0.1,
        )
        upper.set_title(title or f"Leads over time, and whether they were {did}", pad=26)
        upper.set(ylabel="leads", ylim=(0, 1.12 * max(floor.max(), 1)))
        if len(tail):
            for axes in (upper, lower):
                axes.axvspan(tail[0] - 0.5, len(spans) - 0.5, color=ORANGE, alpha=0.07, linewidth=0, zorder=0)
            upper.text(
                len(spans) - 0.55, 1.1 * floor.max(), "the open tail", color=ORANGE, ha="right", va="top"
            )
        share = np.where(settled > 0, spans["yes"] / settled.clip(lower=1), np.nan)
        known = np.setdiff1d(places, tail)
        lower.plot(known, share[known], "-", color=BLUE, linewidth=1.4)
        early = spans["open"].to_numpy() > 0.05 * spans[["yes", "no", "open"]].sum(axis=1).to_numpy()
        for some, fill in ((known[~early[known]], BLUE), (known[early[known]], "white")):
            lower.plot(some, share[some], "o", color=BLUE, markersize=4, markerfacecolor=fill)
        if early[known].any():
            lower.set_title(
                "hollow: some are still open, and the fast ones are settled first",
                fontsize=8,
                color=GREY,
                pad=4,
            )
        top = min(1.05, 1.25 * max(np.nanmax(share[known], initial=0.02), 0.02))
        lower.set(ylabel=f"share {did}\nof the settled", ylim=(0, top))
        lower.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=int(top < 0.05)))
        shown = places[:: max(1, -(-len(places) // 8))]
        lower.set_xticks(shown, [moment(spans["start"].iloc[place]) for place in shown])
        return figure


def column_picture(profile: Profile) -> Figure:
    """Bars of the outcome's share by what a column says, its number of leads beside, the share of all as a
    line.
    """
    did = SIDES[profile.outcome][0]
    places = np.arange(len(profile.groups))
    with rc_context(STYLE):
        figure = Figure(figsize=(5.6, 1.3 + 0.3 * len(places)))
        axes = figure.subplots()
        shares = np.array([share for _, _, share in profile.groups])
        axes.barh(places, shares, 0.62, color=BLUE)
        axes.axvline(profile.base_rate, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.text(
            profile.base_rate, -0.75, f"all {profile.base_rate:.0%}", ha="center", va="bottom", fontsize=8
        )
        top = max(shares.max(), profile.base_rate, 0.02)
        for place, (_, leads, share) in enumerate(profile.groups):
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(
                share + 0.015 * top,
                place,
                f"{share:.0%} of {leads:,}",
                va="center",
                color=GREY,
                fontsize=8,
                bbox=ground,
            )
        labels = [
            said if len(said) <= WIDEST_LABEL else f"{said[: WIDEST_LABEL - 1].rstrip()}…"
            for said, _, _ in profile.groups
        ]
        axes.set_yticks(places, labels)
        title = textwrap.fill(f"{profile.column}: share of leads that are {did}", WIDEST_TITLE)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        axes.set(xlim=(0, 1.3 * top), ylim=(len(places) - 0.4, -0.7))
        axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= min(1.3 * top, 1.0)])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=int(top < 0.05)))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return figure


def story_picture(story: pd.DataFrame, as_of: datetime) -> Figure:
    """One line for each kind of thing; filled marks had been recorded before the moment, hollow ones had not.

    A dash leads from when something happened to when it was recorded, where that took a day or more.

    Parameters
    ----------
    story : DataFrame
        From ``features.tables``.
    as_of : datetime
        The moment, strictly before which something must have been recorded to be known.
    """
    kinds = list(dict.fromkeys(story.sort_values("table", key=_order, kind="stable")["what"]))
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.5 + 0.3 * len(kinds)))
        axes = figure.subplots()
        moment = np.datetime64(as_of, "us")
        for row in story.itertuples():
            place, known = kinds.index(row.what), np.datetime64(row.recorded_at, "us") < moment
            color = ORANGE if row.table == "outcomes" else BLUE
            if row.recorded_at - row.occurred_at >= DAY:
                axes.plot(
                    [row.occurred_at, row.recorded_at],
                    [place, place],
                    color=GREY,
                    linewidth=1,
                    linestyle=(0, (3, 2)),
                    zorder=1,
                )
            axes.plot(
                row.recorded_at,
                place,
                "o",
                color=color,
                markerfacecolor=color if known else "white",
                markersize=6.5,
                zorder=2,
            )
        axes.axvline(as_of, color=INK, linewidth=1)
        axes.text(as_of, -0.75, " as of ", ha="left", va="bottom", fontsize=8)
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_ylim(len(kinds) - 0.4, -0.7)
        locator = AutoDateLocator(maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_title("What was known: filled marks had been recorded before", pad=16)
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return figure


def _order(tables: pd.Series) -> pd.Series:
    """The lead itself, its events, then how it went."""
    return tables.map({"leads": 0, "events": 1, "outcomes": 2})
