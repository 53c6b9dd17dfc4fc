"""The funnel as cohorts by month of creation: how far the leads of a month have come by now."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from models.alignment.book import HANDED_OFF, HELD, OPEN, STATES, Asked, Book
from models.alignment.figures import Share, Wait, change, share_of, wait
from models.evaluation.uncertainty import Estimate

YEAR = pd.DateOffset(years=1)
WEEK = timedelta(days=7)
BEFORE = 3  # months


@dataclass(frozen=True)
class Cohort:
    """The leads of a month, or of all months.

    Attributes
    ----------
    month : str or None
        Such as ``2026-03``; None for all.
    leads, open : int
        How many came, and how many of them may still be answered or won.
    steps : dict of str to Share
        ``handed_off``, ``held``, ``answered``, ``accepted``, ``won``: the share of all leads, so far. Without
        answered and accepted where the source does not tell them.
    states : dict of str to int
        Where each lead stands now; they add up to ``leads``.
    """

    month: str | None
    leads: int
    open: int
    steps: dict[str, Share]
    states: dict[str, int]


@dataclass(frozen=True)
class Latest:
    """The newest whole month of which every lead has had some days, against the three months before it.

    Attributes
    ----------
    month : str
    days : int
        What happened within so many days of coming to sales, for all alike.
    steps : dict of str to tuple of Share
        ``answered``, ``accepted`` and ``rejected`` of the month's leads that came to sales, and of those before.
    changes : dict of str to Estimate
    """

    month: str
    days: int
    steps: dict[str, tuple[Share, Share]]
    changes: dict[str, Estimate]


@dataclass(frozen=True)
class Funnel:
    """How far leads have come.

    Attributes
    ----------
    months : tuple of Cohort
    total : Cohort
    before : Cohort or None
        The leads of the same months a year earlier, as they stood a year earlier: they had as much time.
    changes : dict of str to Estimate
        Of each step's share since then; empty without ``before``.
    latest : Latest or None
        None without leads in both, or where answers are not told.
    times : dict of str to Wait
        Days from coming to sales to the answer, from then to being accepted, from being accepted to being won.
    times_before : dict of str to Wait
        The same of ``before``; empty without.
    """

    months: tuple[Cohort, ...]
    total: Cohort
    before: Cohort | None
    changes: dict[str, Estimate]
    latest: Latest | None
    times: dict[str, Wait]
    times_before: dict[str, Wait]


def funnel(book: Book, asked: Asked) -> Funnel:
    """The funnel of the leads that are asked for; the book is the whole one."""
    here = book.within(asked)
    months = here.months
    earlier = year_before(book, asked)
    total, before = whole(here), None if earlier is None else whole(earlier)
    return Funnel(
        months=tuple(cohort(here, months == month, month) for month in sorted(set(months))),
        total=total,
        before=before,
        changes={}
        if before is None
        else {step: change(total.steps[step], before.steps[step]) for step in total.steps},
        latest=latest_month(book, asked),
        times=times(here),
        times_before={} if earlier is None else times(earlier),
    )


def whole(book: Book) -> Cohort:
    """How far all leads of a book have come."""
    return cohort(book, np.ones(len(book.leads), dtype=bool), None)


def times(book: Book) -> dict[str, Wait]:
    """How long each step takes."""
    if not book.answers_told:
        return {"won": waited(book, "given_at", "won", book.pursue_days + book.convert_days)}
    return {
        "answered": waited(book, "given_at", "answered", book.pursue_days),
        "accepted": waited(book, "given_at", "accepted", book.pursue_days),
        "won": waited(book, "accepted_at", "won", book.convert_days),
    }


def cohort(book: Book, rows: np.ndarray, month: str | None) -> Cohort:
    """How far some leads of the book have come."""
    handed = book.leads["handed"].to_numpy()
    reached = {
        "handed_off": handed == HANDED_OFF,
        "held": handed == HELD,
        **{
            step: book.has(step)
            for step in ("answered", "accepted", "won")
            if step == "won" or book.answers_told
        },
    }
    counts = book.leads.loc[rows, "state"].value_counts()
    states = {state: int(counts.get(state, 0)) for state in STATES}
    return Cohort(
        month=month,
        leads=int(rows.sum()),
        open=sum(states[state] for state in OPEN),
        steps={step: share_of(each, rows, book.account) for step, each in reached.items()},
        states=states,
    )


def year_before(book: Book, asked: Asked) -> Book | None:
    """The leads of the same months a year earlier, knowing what was known a year earlier; None where not all of
    them are in the book, for the younger ones would be held against older ones.
    """
    since, until = (
        _earlier(moment) for moment in (asked.since or book.leads["created_at"].min(), asked.until)
    )
    then = _earlier(book.end)
    if book.leads["created_at"].min() >= since + pd.DateOffset(months=1):
        return None
    earlier = book.as_known(then).within(Asked(since, until, **asked.named()))
    return None if earlier.leads.empty else earlier


def latest_month(book: Book, asked: Asked) -> Latest | None:
    """The newest whole month whose leads have all had a week, against the three months before."""
    here = book.within(replace(asked, since=None))
    over = pd.Timestamp(min(asked.until or book.end, book.end - WEEK)).to_period("M")
    month = here.leads["created_at"].dt.to_period("M")
    ours = here.for_sales & (here.age >= WEEK.days)
    now = ours & (month == over - 1).to_numpy()
    before = ours & ((month < over - 1) & (month >= over - 1 - BEFORE)).to_numpy()
    if not now.any() or not before.any() or not book.answers_told:
        return None
    steps = {}
    for step in ("answered", "accepted", *({"rejected"} & set(book.stages))):
        soon = here.days("given_at", f"{step}_at") <= WEEK.days
        steps[step] = share_of(soon, now, here.account), share_of(soon, before, here.account)
    return Latest(
        month=str(over - 1),
        days=WEEK.days,
        steps=steps,
        changes={step: change(*pair) for step, pair in steps.items()},
    )


def waited(book: Book, start: str, stage: str, horizon: float) -> Wait:
    """Days from a time to a stage, of leads that had the whole horizon; who waits are those that still have time."""
    begun = book.leads[start].notna().to_numpy() & book.for_sales
    days, age = book.days(start, f"{stage}_at"), book.days_since(start)
    reached = begun & (age >= horizon) & (days >= 0) & (days <= horizon)
    waiting = begun & np.isin(book.leads["state"].to_numpy(), OPEN) & ~book.has(stage) & (age < horizon)
    return wait(days[reached], book.account[reached], waiting=int(waiting.sum()))


def _earlier(moment: datetime | None) -> datetime | None:
    return None if moment is None else (pd.Timestamp(moment) - YEAR).to_pydatetime()
