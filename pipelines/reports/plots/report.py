"""The figures of a version's report, drawn from its card."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from features.labels import JUDGED
from pipelines.reports.formats import short
from pipelines.reports.plots.groups import drivers_picture, grades_picture, groups_picture
from pipelines.reports.plots.model import (
    blocks_picture,
    calibration_picture,
    gain_picture,
    importance_picture,
)
from pipelines.reports.plots.source import time_picture

Card = Mapping[str, Any]
MOST_ROWS = 14


def figures_of(card: Card) -> dict[str, Figure]:
    """Four pictures of each judged model, by name."""
    return {
        f"{name}_{kind}": figure
        for name in card["curves"]
        for kind, figure in model_pictures(card, name).items()
    }


def report_figures(card: Card) -> dict[str, Figure]:
    """Every figure of the page, by the name that the template knows it by."""
    return {
        **{f"time-{name}": figure for name, figure in time_pictures(card).items()},
        **figures_of(card),
        **(
            {"grades": grades_picture(card["grades"], title="What grades have come to")}
            if card["grades"]
            else {}
        ),
        **{f"drivers-{column}": figure for column, figure in driver_pictures(card).items()},
        **{f"group-{column}": figure for column, figure in segment_pictures(card).items()},
    }


def model_pictures(card: Card, name: str) -> dict[str, Figure]:
    """What working the best leads finds, whether probabilities come true, how it held up over time, and what
    it counts.
    """
    curves, judged, title = card["curves"][name], card["models"][name], JUDGED[name].did.capitalize()
    pictures = {
        "gain": gain_picture(curves["gain"], title=f"{title}: what working the best leads finds"),
        "calibration": calibration_picture(
            pd.DataFrame(curves["calibration"]),
            predicted=curves["predicted"],
            rate=curves["rate"],
            title=f"{title}: do the probabilities come true?",
        ),
        "blocks": blocks_picture(
            [block | {end: short(block[end]) for end in ("from", "to")} for block in judged["blocks"]],
            judged["auc"],
            title=f"{title}: how it held up over time",
        ),
    }
    if name in card["drivers"]:
        table = pd.DataFrame(card["drivers"][name], columns=["group", "strength", "hint"])
        pictures["importance"] = importance_picture(table, title=f"{title}: what the model counts")
    return pictures


def time_pictures(card: Card) -> dict[str, Figure]:
    """Per model, leads over time by what is known of them."""
    return {
        name: time_picture(_dated(pd.DataFrame(found["over_time"])), did=JUDGED[name].did, moment=str)
        for name, found in card["outcomes"].items()
        if found["over_time"]
    }


def _dated(spans: pd.DataFrame) -> pd.DataFrame:
    """Spans that start in a month each are told by it, others by the day."""
    months = [short(start, 7) for start in spans["start"]]
    days = [short(start) for start in spans["start"]]
    return spans.assign(start=months if len(set(months)) == len(months) else days)


def segment_pictures(card: Card) -> dict[str, Figure]:
    """A picture for each column of groups."""
    of = card["by_segment"]["of"]
    whole = card["models"][of]["auc"]
    found: dict[str, list[Any]] = {}
    for segment in card["segments"]:
        found.setdefault(segment["column"], []).append(segment)
    return {
        column: groups_picture(
            _fewer(segments), title=column, outcome=JUDGED[of].did, whole=whole and whole["value"]
        )
        for column, segments in found.items()
    }


def driver_pictures(card: Card) -> dict[str, Figure]:
    """For each column of groups, what drives the model within them; nothing where no column moves a score."""
    return {
        each["column"]: drivers_picture(each, title=f"by {each['column']}")
        for each in card["drivers_by_segment"]
        if each["drivers"]
    }


def _fewer(segments: list[Any]) -> list[Any]:
    """The largest groups, and every one that is poor."""
    kept = sorted(segments, key=lambda each: (each["poor"] is None, -each["leads"]))[:MOST_ROWS]
    return [segment for segment in segments if segment in kept]
