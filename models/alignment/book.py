"""The book that both sides read: one row for each lead, with what marketing, the filter and sales did with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

TIMES = ("accepted_at", "rejected_at", "won_at", "lost_at", "decided_at")
NOTHING = "–"  # the channel, campaign or team of a lead that has none
SMALL_TEAMS = "small teams"  # in which those are one whose figures would be those of single people
HANDED_OFF, HELD, UNDECIDED = "handed off", "held", "undecided"
STATES = ("won", "in work", "waiting", "held", "lost", "no end", "rejected", "unanswered")
OPEN = ("in work", "waiting")
NAMED = ("channel", "campaign", "team", "rep", "grade")  # what can be asked for besides a period


@dataclass(frozen=True)
class Asked:
    """Which leads are looked at; what is None leaves nothing out.

    Attributes
    ----------
    since, until : datetime, optional
        Created at or after, and before.
    channel, campaign, team, rep, grade : str, optional
    """

    since: datetime | None = None
    until: datetime | None = None
    channel: str | None = None
    campaign: str | None = None
    team: str | None = None
    rep: str | None = None
    grade: str | None = None

    def named(self) -> dict[str, str]:
        """What is asked for besides the period."""
        return {name: value for name in NAMED if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Book:
    """Leads as both sides know them.

    Attributes
    ----------
    leads : DataFrame
        ``lead_id``, ``account`` (a number), ``created_at``, ``channel``, ``campaign``, ``team`` (of
        its owner), ``rep`` (who answered), ``handed`` (handed off, held or undecided), ``decided_at``, ``grade``,
        ``accepted_at``, ``rejected_at``, ``won_at``, ``lost_at``, ``reason``, ``margin``, ``amount``, ``list_amount`` and
        ``own_margin`` (whether margins are on record, and no share of amounts). Times are those of recording,
        empty for what has not happened.
    end : datetime
        Nothing recorded from then on is known.
    pursue_days, convert_days : float
        How long sales may take to take a lead up, and to win it.
    stages : tuple of str
        What the source can tell.
    """

    leads: pd.DataFrame
    end: datetime
    pursue_days: float
    convert_days: float
    stages: tuple[str, ...]

    @classmethod
    def of(
        cls, leads: pd.DataFrame, end: datetime, days: Mapping[str, float], stages: tuple[str, ...]
    ) -> "Book":
        """With the columns that follow from the others: ``answered_at``, ``given_at``, ``state``."""
        found = leads.reset_index(drop=True)
        accepted = found[["accepted_at", "won_at"]].min(axis=1)
        answers = pd.concat([accepted, found[["rejected_at", "lost_at"]]], axis=1).min(axis=1)
        given = found["decided_at"].where(found["handed"] == HANDED_OFF, found["created_at"])
        found = found.assign(accepted_at=accepted, answered_at=answers, given_at=given)
        book = cls(found, end, stages=stages, **days)
        return replace(book, leads=found.assign(state=book._states()))

    def _states(self) -> np.ndarray:
        """Where each lead stands; what still has time is open, and never lost."""
        leads, age = self.leads, self.age
        worked = self.has("accepted") & (
            ~self.has("rejected") | (leads["accepted_at"] > leads["rejected_at"]).to_numpy()
        )
        since = self.days_since("accepted_at")
        if not self.answers_told:
            closed = [
                (self.has("won"), "won"),
                (self.has("lost"), "lost"),
                ((leads["handed"] == HELD).to_numpy(), "held"),
            ]
            young = [(age < self.pursue_days + self.convert_days, "waiting")]
            return np.select(*map(list, zip(*closed, *young, strict=True)), "no end")
        chosen = [
            (self.has("won"), "won"),
            (self.has("lost"), "lost"),
            (worked & (since < self.convert_days), "in work"),
            (worked, "no end"),
            (self.has("rejected"), "rejected"),
            ((leads["handed"] == HELD).to_numpy(), "held"),
            (age < self.pursue_days, "waiting"),
        ]
        return np.select([mask for mask, _ in chosen], [state for _, state in chosen], "unanswered")

    @property
    def answers_told(self) -> bool:
        """Whether the source tells whom sales has taken up; a table of won deals does not."""
        return "accepted" in self.stages

    @property
    def age(self) -> np.ndarray:
        """Days since each lead came to sales."""
        return self.days_since("given_at")

    @property
    def account(self) -> np.ndarray:
        return self.leads["account"].to_numpy()

    @property
    def for_sales(self) -> np.ndarray:
        """Leads that nobody held back."""
        return (self.leads["handed"] != HELD).to_numpy()

    def has(self, stage: str) -> np.ndarray:
        """Whether each lead has reached a stage."""
        return self.leads[f"{stage}_at"].notna().to_numpy()

    def days(self, start: str, end: str) -> np.ndarray:
        """Days from one time of each lead to another; NaN where either is not there."""
        return ((self.leads[end] - self.leads[start]) / pd.Timedelta(days=1)).to_numpy()

    def days_since(self, start: str) -> np.ndarray:
        """Days from a time of each lead until the end of what is known; NaN where it is not there."""
        return ((self.end - self.leads[start]) / pd.Timedelta(days=1)).to_numpy()

    def asked_for(self, asked: Asked) -> np.ndarray:
        """Which leads are asked for."""
        keep = np.ones(len(self.leads), dtype=bool)
        created = self.leads["created_at"]
        if asked.since is not None:
            keep &= (created >= asked.since).to_numpy()
        if asked.until is not None:
            keep &= (created < asked.until).to_numpy()
        for name, value in asked.named().items():
            keep &= (self.leads[name] == value).to_numpy()
        return keep

    def within(self, asked: Asked) -> "Book":
        """The leads that are asked for."""
        return self.rows(self.asked_for(asked))

    def rows(self, mask: np.ndarray) -> "Book":
        """Some of its leads."""
        return replace(self, leads=self.leads[mask].reset_index(drop=True))

    def as_known(self, moment: datetime) -> "Book":
        """The book as it stood at an earlier moment."""
        leads = self.leads[self.leads["created_at"] < moment]
        seen = {name: leads[name].where(leads[name] < moment) for name in TIMES}
        handed = leads["handed"].where(seen["decided_at"].notna(), UNDECIDED)
        margin = leads["margin"].where(seen["won_at"].notna())
        days = {"pursue_days": self.pursue_days, "convert_days": self.convert_days}
        return Book.of(leads.assign(**seen, handed=handed, margin=margin), moment, days, self.stages)

    @property
    def months(self) -> np.ndarray:
        """The month of creation of each lead, as text."""
        return months_of(self.leads["created_at"])


def months_of(times: pd.Series) -> np.ndarray:
    """The month of each time, such as ``2026-03``; "NaT" where there is none."""
    months, place = np.unique(times.to_numpy("datetime64[M]"), return_inverse=True)
    return months.astype(str)[place]
