"""What became of each lead: settled, open or unknown, for being pursued and for becoming a customer.

Recorded time decides everywhere: an outcome exists from the moment our data could first have known it. A lead
that sales never took up has no conversion outcome. It is unknown, and never a "no".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from features.tables import STAGES

DAY = np.timedelta64(1, "D")
UNITS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


@dataclass(frozen=True)
class OutcomeWords:
    """How one of the two outcomes is spoken of.

    Attributes
    ----------
    column : str
        In tables of judged leads: 1, 0, or NaN where it is not known.
    question : str
    did : str
        What happened to a lead, as in "238 leads were taken up".
    about : str
        The outcome as a noun.
    whom : str
        The leads to which it happened.
    """

    column: str
    question: str
    did: str
    about: str
    whom: str


OUTCOMES = {
    "pursue": OutcomeWords(
        "pursued", "Will sales pursue it?", "taken up", "being taken up", "leads that sales takes up"
    ),
    "convert": OutcomeWords(
        "converted", "Will it become a customer?", "won", "becoming a customer", "customers"
    ),
}
# What a score may be the chance of, and is judged on.
JUDGED = OUTCOMES | {
    "both": OutcomeWords(
        "customer",
        "Will sales take it up, and will it become a customer?",
        "taken up and won",
        "being taken up and becoming a customer",
        "customers",
    )
}


@checked_dataclass(frozen=True)
class Horizons:
    """How long an outcome may take to count, in days.

    Attributes
    ----------
    pursue_days : float
        From the as-of time to being accepted.
    convert_days : float
        From being accepted (or from the as-of time, if that is later) to being won.
    delay : timedelta
        From a lead's creation to its as-of time in training.
    """

    pursue_days: float = Field(default=21.0, gt=0)
    convert_days: float = Field(default=90.0, gt=0)
    delay: timedelta = timedelta(0)

    @property
    def both(self) -> timedelta:
        """From the as-of time until nothing that comes can count any more."""
        return timedelta(days=self.pursue_days + self.convert_days)

    @property
    def scored(self) -> str:
        """When leads are scored, in words."""
        for unit, span in UNITS.items():
            if self.delay >= span:
                return f"scored {self.delay / span:g} {unit}{'s' * (self.delay != span)} after creation"
        return "scored at creation"


@dataclass(frozen=True)
class Labels:
    """One model's labels, an entry for each row of the cohort.

    Attributes
    ----------
    at_risk : array of bool
        In this model's population, with a start. Pursue: neither answered nor closed at the as-of time.
        Convert: accepted, and not closed at the start.
    start : array of datetime64[us]
        When the clock of the outcome starts; NaT where there is none.
    age : array of float
        Days observed since the start; inf for an outcome without a time, which is final; nan without a start.
    delay : array of float
        Days from the start to the event, if it was seen; 0 for an outcome without a time; nan otherwise.
    open : array of bool
        Not settled, and may still come.
    outcome : array of float
        1 or 0 where settled, nan elsewhere.
    mature : array of bool
        The whole horizon was observed, so the row may be judged on. Taking everything settled instead would
        favour early answers.
    """

    at_risk: np.ndarray
    start: np.ndarray
    age: np.ndarray
    delay: np.ndarray
    open: np.ndarray
    outcome: np.ndarray
    mature: np.ndarray

    @property
    def state(self) -> np.ndarray:
        """ "settled", "open" or "unknown", array of str. Rows that are not at risk are unknown, but for those that may
        still come to be: what was over at the start is no outcome of it.
        """
        return np.select([np.isfinite(self.outcome), self.open], ["settled", "open"], "unknown")

    @property
    def counts(self) -> dict[str, int]:
        """How many leads are in each state."""
        settled, waiting = int(np.isfinite(self.outcome).sum()), int(self.open.sum())
        return {"settled": settled, "open": waiting, "unknown": len(self.open) - settled - waiting}

    @property
    def judged(self) -> np.ndarray:
        """Rows that a model may be judged on: at risk, with an outcome, their whole horizon observed."""
        return self.at_risk & self.mature & np.isfinite(self.outcome)


def pursue_labels(
    fate: pd.DataFrame, horizons: Horizons, known_until: datetime, stages: Sequence[str], outcome_times: bool
) -> Labels:
    """Whether sales took each lead up within the horizon of the as-of time.

    A lead that was won without ever being accepted counts as accepted at the win. Being rejected or lost
    settles a lead at once as not pursued; it stays at risk, with outcome 0, for as long as it was observed.

    Parameters
    ----------
    fate : DataFrame
        As ``fates`` gives it.
    known_until : datetime
        Outcomes recorded at or after this moment are not seen.
    stages : sequence of str
        The stages that the source can tell. Without "accepted" every lead counts as worked, and all are
        unknown here.
    outcome_times : bool
        False where outcomes carry no time of their own.
    """
    seen = _seen(fate, known_until, outcome_times)
    start = seen["as_of"]
    accepted = _earliest(seen["accepted_at"], seen["won_at"])
    ended = _earliest(seen["rejected_at"], seen["lost_at"])
    if "accepted" not in stages:
        return _nobody(start)
    answered = _earliest(accepted, ended)
    undecided = np.isnat(answered) | (answered >= start) if outcome_times else np.ones(len(start), dtype=bool)
    return _labels(
        start,
        undecided & (start < _moment(known_until)),
        accepted,
        ended,
        horizons.pursue_days,
        known_until,
        outcome_times,
    )


def convert_labels(
    fate: pd.DataFrame, horizons: Horizons, known_until: datetime, stages: Sequence[str], outcome_times: bool
) -> Labels:
    """Whether each accepted lead was won within the horizon of its acceptance.

    The clock starts at the acceptance, or at the as-of time if that is later. A lead that was never accepted
    is unknown; one that may still be accepted is open. Where the source cannot tell acceptance, every lead
    starts at its as-of time.

    Parameters are those of ``pursue_labels``.
    """
    known = (fate, horizons, known_until, stages, outcome_times)
    return _convert(*known, pursue_labels(*known))


def _convert(
    fate: pd.DataFrame,
    horizons: Horizons,
    known_until: datetime,
    stages: Sequence[str],
    outcome_times: bool,
    pursue: Labels,
) -> Labels:
    seen = _seen(fate, known_until, outcome_times)
    as_of = seen["as_of"]
    accepted = _earliest(seen["accepted_at"], seen["won_at"]) if "accepted" in stages else as_of
    start = (
        np.where(np.isnat(accepted), accepted, np.maximum(accepted, as_of))
        if outcome_times
        else np.where(np.isnat(accepted), accepted, as_of)
    )
    closed = _earliest(seen["won_at"], seen["lost_at"])
    # A win recorded in the very moment of the acceptance is an outcome of it, unless both lie before the
    # as-of time.
    ran = np.isnat(closed) | (closed >= start) if outcome_times else np.ones(len(start), dtype=bool)
    at_risk = ~np.isnat(start) & ran & (as_of < _moment(known_until))
    labels = _labels(
        start, at_risk, seen["won_at"], seen["lost_at"], horizons.convert_days, known_until, outcome_times
    )
    return replace(labels, open=labels.open | (~at_risk & np.isnat(accepted) & pursue.open))


def both_labels(
    fate: pd.DataFrame, horizons: Horizons, known_until: datetime, stages: Sequence[str], outcome_times: bool
) -> Labels:
    """Whether each lead was taken up and became a customer: 0 for one that was settled as not taken up, else
    its conversion.

    Both horizons are to be over, for any lead: who is passed over is known sooner than who is won, and the
    newest leads would all be a "no". A lead that cannot be told is not at risk. Parameters are those of
    ``pursue_labels``.
    """
    known = (fate, horizons, known_until, stages, outcome_times)
    pursue = pursue_labels(*known)
    convert = _convert(*known, pursue)
    passed_over = pursue.judged & (pursue.outcome == 0)
    outcome = np.where(passed_over, 0.0, np.where(convert.judged, convert.outcome, np.nan))
    over = (fate["as_of"] + horizons.both <= known_until).to_numpy() | (not outcome_times)
    told = over & np.isfinite(outcome)
    return Labels(
        at_risk=told,
        start=pursue.start,
        age=np.where(told, pursue.age, np.nan),
        delay=np.where(told, convert.delay, np.nan),
        open=np.zeros(len(told), bool),
        outcome=np.where(told, outcome, np.nan),
        mature=told,
    )


def taken_up_before(fate: pd.DataFrame, stages: Sequence[str], outcome_times: bool) -> np.ndarray:
    """Leads that sales had taken up before their as-of time: whether it will is known of them."""
    if "accepted" not in stages or not outcome_times:
        return np.zeros(len(fate), bool)
    accepted, won = (fate[f"{stage}_at"].to_numpy("datetime64[us]") for stage in ("accepted", "won"))
    return _earliest(accepted, won) < fate["as_of"].to_numpy("datetime64[us]")


def _labels(
    start, at_risk, event, ended, horizon: float, known_until: datetime, outcome_times: bool
) -> Labels:
    """Labels of rows whose clock starts at ``start``, of an event, and of another end that rules the event
    out.
    """
    happened, over = ~np.isnat(event), ~np.isnat(ended)
    if outcome_times:
        age = (_moment(known_until) - start) / DAY
        delay = np.where(at_risk & happened, (event - start) / DAY, np.nan)
        # Who ended first and was taken up after all is an event all the same: the clock ran on.
        mature = age >= horizon
        positive = delay <= horizon
        settled = positive | mature | over
    else:
        age = np.where(happened | over, np.inf, 0.0)
        delay = np.where(at_risk & happened, 0.0, np.nan)
        mature = settled = happened | over
        positive = happened
    age = np.where(at_risk, age, np.nan)
    settled, mature = settled & at_risk, mature & at_risk
    outcome = np.where(settled, positive.astype("float64"), np.nan)
    return Labels(
        at_risk=at_risk,
        start=start,
        age=age,
        delay=delay,
        open=at_risk & ~settled,
        outcome=outcome,
        mature=mature,
    )


def _nobody(start: np.ndarray) -> Labels:
    """Labels of a population without anybody in it."""
    nothing, no = np.full(len(start), np.nan), np.zeros(len(start), dtype=bool)
    return Labels(
        at_risk=no,
        start=start,
        age=nothing,
        delay=nothing,
        open=no,
        outcome=nothing,
        mature=no,
    )


def _seen(fate: pd.DataFrame, known_until: datetime, outcome_times: bool) -> dict[str, np.ndarray]:
    """The as-of and stage times as arrays, without the stages that were recorded too late to be seen."""
    times = {
        name: fate[name].to_numpy(dtype="datetime64[us]")
        for name in ("as_of", *(f"{stage}_at" for stage in STAGES))
    }
    unseen = np.datetime64("NaT", "us")
    as_of = times.pop("as_of")
    return {"as_of": as_of} | {
        name: np.where(time < _moment(known_until), time, unseen) for name, time in times.items()
    }


def _moment(time: datetime) -> np.datetime64:
    return np.datetime64(time, "us")


def _earliest(*times: np.ndarray) -> np.ndarray:
    """The earliest of the times of each row, passing over the empty ones."""
    earliest = times[0]
    for time in times[1:]:
        earliest = np.fmin(earliest, time)
    return earliest
