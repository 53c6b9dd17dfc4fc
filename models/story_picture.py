"""A picture of one lead's story: what is known of it at a moment, and what is not known yet."""

from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from models.pictures import BLUE, GREY, INK, ORANGE, STYLE

DAY = np.timedelta64(1, "D")


def story_picture(story: pd.DataFrame, as_of: datetime) -> Figure:
    """One line for each kind of thing; filled marks had been recorded before the moment, hollow ones had not.

    A dash leads from when something happened to when it was recorded, where that took a day or more.

    Parameters
    ----------
    story : DataFrame
        From ``features.story``.
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
                axes.plot([row.occurred_at, row.recorded_at], [place, place], color=GREY, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
            axes.plot(row.recorded_at, place, "o", color=color, markerfacecolor=color if known else "white", markersize=6.5, zorder=2)
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
