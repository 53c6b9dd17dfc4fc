"""Decided leads followed week by week: what came true against what was foretold, by segment, and the alarms.

How much of a lead's chance should have come true by now is its probability, spread over time by the hazard
that gave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.labels import OUTCOMES
from models.monitoring.expected_outcomes import Expectation, exposed
from models.monitoring.sequential_test import (
    WEEKS,
    Level,
    evidence,
    level_of,
    shares_of,
    since,
    surplus,
    z_scores,
)
from models.scoring.calibration import CalibratedHazard

WEEK = np.timedelta64(7, "D")
WHOLE, BAND = "", "grade"
MOST_GROUPS = 8
FEWEST_LEADS = 50
TELLING = np.log(20)  # evidence below which no week is told apart from the first
NEARLY = np.log(10)  # evidence ten times too weak for an alarm is worth a look


@dataclass(frozen=True)
class Segment:
    """A column and one of its groups; both "" for all leads."""

    column: str
    group: str

    @property
    def words(self) -> str:
        """As a person would call it."""
        return (
            "all leads"
            if self.column == WHOLE
            else f"grade {self.group}"
            if self.column == BAND
            else f"{self.column} {self.group}"
        )


@dataclass(frozen=True)
class Deviation:
    """A segment whose outcomes are not what was foretold, beyond what chance and the model's usual error
    explain, or nearly so.

    Attributes
    ----------
    outcome : "pursue" or "convert"
    segment : Segment
    direction : "fewer" or "more"
    observed, expected : float
        Outcomes so far among the leads decided since then, and how many there should be by now.
    z : float
    since, raised : datetime64
        The beginning of the week from which on decided leads tell it best; the look that raised it first
        (NaT: not raised yet).
    """

    outcome: str
    segment: Segment
    direction: Literal["fewer", "more"]
    observed: float
    expected: float
    z: float
    since: np.datetime64
    raised: np.datetime64

    @property
    def ratio(self) -> float:
        """Outcomes per expected one."""
        return self.observed / self.expected if self.expected else np.nan

    def words(self) -> str:
        """One sentence: what is wrong, in which segment, since when."""
        z = f"{self.z:+.1f}".replace("-", "−")
        return (
            f"{self.segment.words}, decided since {str(self.since)[:10]}: {self.observed:,.0f} {OUTCOMES[self.outcome].did} so far where "
            f"{self.expected:,.0f} were expected by now (× {self.ratio:.2f}, z {z})"
        )

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        return {
            "outcome": self.outcome,
            "column": self.segment.column or None,
            "group": self.segment.group or None,
            "direction": self.direction,
            "observed": int(self.observed),
            "expected": self.expected,
            "ratio": self.ratio,
            "z": self.z,
            "since": str(self.since)[:10],
            "raised": None if np.isnat(self.raised) else str(self.raised)[:10],
            "words": self.words(),
        }


@dataclass(frozen=True)
class Watch:
    """One outcome watched.

    Attributes
    ----------
    outcome : "pursue" or "convert"
    segments : tuple of Segment
    looks : array of datetime64, shape (looks,)
        A week apart, the last being now.
    observed, expected, noise : arrays, shape (segments, looks)
        Outcomes so far and those expected by then, of all leads watched, and the standard deviation of their
        difference.
    z : array, shape (segments, looks)
        Of the leads since the week that tells most, of all where none tells.
    alarmed : array of bool, shape (segments, looks)
    alarms, nearly : tuple of Deviation
        What stands now: the strongest first.
    """

    outcome: str
    segments: tuple[Segment, ...]
    looks: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    noise: np.ndarray
    z: np.ndarray
    alarmed: np.ndarray
    alarms: tuple[Deviation, ...]
    nearly: tuple[Deviation, ...]

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it: the latest figures of every segment, and z week by week."""
        return {
            "weeks": [str(look)[:10] for look in self.looks],
            "segments": [
                {
                    "column": segment.column or None,
                    "group": segment.group or None,
                    "observed": int(self.observed[row, -1]),
                    "expected": float(self.expected[row, -1]),
                    "z": [float(value) for value in self.z[row]],
                }
                for row, segment in enumerate(self.segments)
            ],
        }


def looks_of(decided: np.ndarray, now: np.datetime64) -> np.ndarray:
    """The moments at which a weekly monitor would have looked since the first decision, half a year at most;
    the last is now.
    """
    weeks = int(np.clip(np.ceil((now - decided.min()) / WEEK), 1, WEEKS)) if len(decided) else 1
    return now - WEEK * np.arange(weeks - 1, -1, -1)


def segments_of(leads: pd.DataFrame, columns: Sequence[str]) -> tuple[Segment, ...]:
    """All leads, the score's bands and the largest groups of each column that has several."""
    found = [Segment(WHOLE, "")]
    for column in (BAND, *columns):
        sizes = leads[column].value_counts()
        sizes = sizes[sizes >= FEWEST_LEADS].head(MOST_GROUPS)
        if len(sizes) > 1:
            found += [Segment(column, group) for group in sorted(sizes.index)]
    return tuple(found)


def members(leads: pd.DataFrame, segment: Segment) -> np.ndarray:
    """Which leads belong to a segment."""
    return (
        np.ones(len(leads), bool)
        if segment.column == WHOLE
        else (leads[segment.column] == segment.group).to_numpy()
    )


def tally(
    leads: pd.DataFrame, model: CalibratedHazard, looks: np.ndarray, segments: Sequence[Segment]
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and predicted cumulative hazards by segment, week of the decision and look: two arrays of that
    shape.

    Parameters
    ----------
    leads : DataFrame
        ``decided_at``; ``start`` of the outcome's clock (NaT: not started); ``entry``, the days it had run at
        the decision; ``delay``, the days to the outcome (NaN without); ``p``, the logged probability;
        ``factor``, by which the rest of the hazard is multiplied; the segments' columns.
    """
    horizon = model.hazard.edges[-1]
    expectation = Expectation(model, leads["p"].to_numpy(float))
    entry, delay, factor = (leads[name].to_numpy(float) for name in ("entry", "delay", "factor"))
    before = expectation.by(entry)
    cohort = np.searchsorted(looks, leads["decided_at"].to_numpy("datetime64[us]"), side="left")
    inside = [members(leads, segment) for segment in segments]
    observed, expected = (np.zeros((len(segments), len(looks), len(looks))) for _ in range(2))
    for at, look in enumerate(looks):
        days = exposed(leads["start"], look)
        came = (delay <= np.minimum(days, horizon)) & (delay > entry) & (days > 0)
        due = factor * (expectation.by(np.maximum(np.fmin(delay, days), entry)) - before)
        for row, chosen in enumerate(inside):
            weeks = cohort[chosen]
            observed[row, :, at] = np.bincount(weeks, weights=came[chosen], minlength=len(looks))
            expected[row, :, at] = np.bincount(weeks, weights=due[chosen], minlength=len(looks))
    return observed, expected


def reference_level(reference: pd.DataFrame, segments: Sequence[Segment]) -> Level:
    """What earlier leads with their whole horizon seen say of each segment's level; the swing is that of all
    segments of a column.

    Parameters
    ----------
    reference : DataFrame
        ``outcome`` (0 or 1), ``p``, ``span`` (which span of time) and the segments' columns; may be empty.
    """
    spans = np.unique(reference["span"])
    counts = np.zeros((2, len(segments), len(spans)))
    for row, segment in enumerate(segments):
        chosen = reference[members(reference, segment)]
        place = np.searchsorted(spans, chosen["span"])
        for side, name in enumerate(("outcome", "p")):
            counts[side, row] = np.bincount(place, weights=chosen[name].to_numpy(float), minlength=len(spans))
    ratio, weight = np.ones(len(segments)), np.ones(len(segments))
    columns = np.array([segment.column for segment in segments])
    for column in dict.fromkeys(columns):
        level = level_of(*counts[:, columns == column])
        ratio[columns == column], weight[columns == column] = level.ratio, level.weight
    return Level(ratio=ratio, weight=weight)


def watch(
    outcome: str,
    leads: pd.DataFrame,
    reference: pd.DataFrame,
    model: CalibratedHazard,
    *,
    looks: np.ndarray,
    columns: Sequence[str],
    false_alarms: float,
    outcomes: int = 1,
) -> Watch:
    """Follow the decided leads of one outcome.

    Parameters
    ----------
    leads, reference : DataFrame
        As ``tally`` and ``reference_level`` take them, with ``grade`` and ``columns``.
    false_alarms : float
        The chance of any in half a year, over all segments and so many ``outcomes``.
    """
    segments = segments_of(leads, columns)
    observed, expected = tally(leads, model, looks, segments)
    level = reference_level(reference, segments)
    return judged(
        outcome, segments, looks, observed, expected, level, false_alarms=false_alarms, outcomes=outcomes
    )


def judged(
    outcome: str,
    segments: tuple[Segment, ...],
    looks: np.ndarray,
    observed: np.ndarray,
    expected: np.ndarray,
    level: Level,
    *,
    false_alarms: float,
    outcomes: int = 1,
) -> Watch:
    """What tallies by segment, week and look come to."""
    counts, hazards = since(observed), since(expected)
    z = z_scores(counts, hazards, level)
    told = evidence(counts, hazards, level)
    over = surplus(told, shares_of([each.column for each in segments], outcomes), false_alarms)
    directions, _, starts, _ = over.shape
    flat = np.moveaxis(over, 0, 1).reshape(len(segments), directions * starts, len(looks))
    best, most = flat.argmax(axis=1), flat.max(axis=1)
    rows, columns = np.indices(best.shape)
    start = best % starts
    start = np.where(told[best // starts, rows, start, columns] >= TELLING, start, 0)
    shown = z[rows, start, columns]

    found = []
    for row in np.flatnonzero(most[:, -1] >= -NEARLY):
        first, mean = start[row, -1], level.ratio[row] * hazards[row, start[row, -1], -1]
        crossed = np.flatnonzero(most[row] >= 0)
        found.append(
            (
                most[row, -1],
                Deviation(
                    outcome=outcome,
                    segment=segments[row],
                    direction="fewer" if best[row, -1] < starts else "more",
                    observed=float(counts[row, first, -1]),
                    expected=float(mean),
                    z=float(shown[row, -1]),
                    since=looks[first] - WEEK,
                    raised=looks[crossed[0]] if len(crossed) else np.datetime64("NaT"),
                ),
            )
        )
    found.sort(key=lambda each: -each[0])
    mean = level.ratio[:, None] * hazards[:, 0]
    return Watch(
        outcome=outcome,
        segments=segments,
        looks=looks,
        observed=counts[:, 0],
        expected=mean,
        noise=np.sqrt(mean * (1 + mean / level.weight[:, None])),
        z=shown,
        alarmed=most >= 0,
        alarms=tuple(deviation for value, deviation in found if value >= 0),
        nearly=tuple(deviation for value, deviation in found if value < 0),
    )
