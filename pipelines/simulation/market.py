"""A made-up market with a known truth, as a source of leads, events and outcomes.

Real data never show what would have become of a lead that nobody took up. Here both outcomes of every lead
are drawn, sales chooses by what it sees and by what only it sees, wins take their time, and the data end in
the middle of it. ``simulate`` hands out the truth for tests; ``simulate_tables`` hands out what a pipeline
may see.
"""

from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from features.errors import UsageError
from pipelines.simulation import noise
from pipelines.simulation.events import (
    EVENT_CHANNELS,
    KINDS,
    Doings,
    after_creation,
    before_creation,
    engagement,
    recorded,
    touch_channels,
)
from pipelines.simulation.leads import (
    CAMPAIGNS_PER_CHANNEL,
    CHANNELS,
    COUNTRIES,
    INDUSTRIES,
    REPS,
    People,
    draw_people,
)
from pipelines.simulation.outcomes import WEIBULL_SHAPE, Fates, draw_fates, visible_logit

SCHEME = "simulated:"
DAY = 86400 * 10**6  # microseconds
REJECT_REASONS = ("no budget", "wrong fit", "no answer", "wrong contact", "competitor")
LOST_REASONS = ("price", "timing", "competitor", "no decision", "went silent")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SimulatorSettings:
    """A market to make up; the same settings give the same tables.

    Attributes
    ----------
    leads, months, start
        How many leads, over how many months, from which day on. The data end ``months`` after ``start``.
    end
        The same market moved by whole days, so that its data end as this day begins.
    gamma
        Weight of the factor that no column shows in the chance of winning. 0: everything that matters can be
        seen.
    delta
        Weight of that factor in what sales takes up.
    rho
        Correlation of what sales goes by with what wins.
    rep_skill
        How far reps differ in how well they win, as a standard deviation of the logit.
    slow
        Deals take twice as long.
    leaks
        Add lead columns that are filled in only after the outcome.
    dirt
        Add what breaks the contract: repeated leads, mixed time zones, back-dated outcomes.
    """

    leads: Annotated[int, Field(ge=10, le=20_000_000)] = 30_000
    months: Annotated[int, Field(ge=1, le=120)] = 24
    seed: Annotated[int, Field(ge=0)] = 1
    gamma: Annotated[float, Field(ge=0, le=5)] = 1.0
    delta: Annotated[float, Field(ge=0, le=5)] = 1.0
    rho: Annotated[float, Field(ge=-1, le=1)] = 0.9
    rep_skill: Annotated[float, Field(ge=0, le=3)] = 0.0
    start: date = date(2024, 1, 1)
    end: date | None = None
    slow: bool = False
    leaks: bool = False
    dirt: bool = False


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class World:
    """Everything about a made-up market; all times are UTC without a zone, in microseconds.

    Attributes
    ----------
    leads, events, outcomes : pa.Table
        What a CRM would hold at ``end``.
    truth : pa.Table
        One row per lead, in the order of ``lead_id``: ``visible_logit`` (f), ``u``, ``p1``, ``p0`` (chance of
        ever winning if pursued, if not), ``would_win_if_pursued``, ``would_win_if_not``, ``selected``,
        ``delay_days`` (from acceptance to winning, if pursued and won), ``delay_scale_days``, ``amount``,
        ``margin``. For judging alone: never an input.
    start, end : datetime
    """

    leads: pa.Table
    events: pa.Table
    outcomes: pa.Table
    truth: pa.Table
    start: datetime
    end: datetime

    def probability_within(self, days: float) -> np.ndarray:
        """True P(won within ``days`` of acceptance, if pursued) of every lead, shape (leads,)."""
        arrived = -np.expm1(-((days / self.truth["delay_scale_days"].to_numpy()) ** WEIBULL_SHAPE))
        return self.truth["p1"].to_numpy() * arrived


def simulate(settings: SimulatorSettings) -> World:
    """Make up a market. Pure: the same settings give equal tables, and the flags add to a world without
    changing it.
    """
    start = pd.Timestamp(settings.start)
    end = start + pd.DateOffset(months=settings.months)
    days = float((end - start).days)
    for_people, for_before, for_fates, for_after, for_looks, for_leaks, for_dirt, for_skill = (
        np.random.default_rng([settings.seed, part]) for part in range(8)
    )
    people = draw_people(for_people, leads=settings.leads, days=days)
    before = before_creation(for_before, people.created)
    fates = draw_fates(
        for_fates,
        visible=visible_logit(
            people.effect + engagement(before, people.created),
            paid=people.paid,
            day_of_year=start.day_of_year + people.created,
            gamma=settings.gamma,
        ),
        created=people.created,
        owner=people.owner,
        employees=people.employees,
        taste=people.taste,
        skill=settings.rep_skill * for_skill.standard_normal(REPS)[people.owner],
        gamma=settings.gamma,
        delta=settings.delta,
        rho=settings.rho,
        slow=settings.slow,
    )
    after = after_creation(
        for_after, people.created, would_buy=fates.wins_if_pursued, accepted=fates.accepted
    )

    lead_id = noise.numbered("L", np.arange(1, settings.leads + 1), 8)
    moved = pd.Timedelta(0) if settings.end is None else pd.Timestamp(settings.end) - end
    first = int(np.datetime64(start + moved, "us").astype(np.int64))
    leads = lead_table(for_looks, lead_id, people, first)
    outcomes = outcome_table(for_looks, lead_id, people, fates, first, days)
    events = event_table(for_looks, lead_id, people, [before, after], first, days)
    if settings.leaks:
        leads = noise.with_leaks(for_leaks, leads, fates=fates, people=people, days=days)
    if settings.dirt:
        leads = noise.with_mixed_zones(for_dirt, noise.with_duplicates(for_dirt, leads))
        outcomes = noise.with_back_dates(for_dirt, outcomes)
    return World(
        leads=leads,
        events=events,
        outcomes=outcomes,
        truth=truth_table(lead_id, fates),
        start=(start + moved).to_pydatetime(),
        end=(end + moved).to_pydatetime(),
    )


def simulate_tables(url: str) -> dict[str, pa.Table]:
    """What a pipeline may see of the market that a URL names: ``leads``, ``events``, ``outcomes``, and never
    the truth.

    Raises
    ------
    UsageError
        The URL names an unknown parameter, or gives a value that cannot be meant; all of them at once.

    Examples
    --------
    >>> sorted(simulate_tables("simulated:?leads=100&months=3&seed=7"))
    ['events', 'leads', 'outcomes']
    """
    world = simulate(settings_from_url(url))
    return {"leads": world.leads, "events": world.events, "outcomes": world.outcomes}


def settings_from_url(url: str) -> SimulatorSettings:
    """Read ``simulated:?leads=30000&months=24&seed=1…``; what is not named keeps its default."""
    problems = []
    path, _, query = url.removeprefix(SCHEME).partition("?")
    if not url.startswith(SCHEME) or path:
        raise UsageError(
            f"source '{url}' is no simulated market. Write 'simulated:' or 'simulated:?leads=30000&months=24&seed=1'."
        )
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in SimulatorSettings.__dataclass_fields__:
            close = get_close_matches(name, SimulatorSettings.__dataclass_fields__, n=1)
            hint = (
                f"did you mean '{close[0]}'?"
                if close
                else f"known: {', '.join(SimulatorSettings.__dataclass_fields__)}."
            )
            problems.append(f"{name}: no such parameter; {hint}")
        elif name in given:
            problems.append(f"{name}: given twice.")
        given[name] = value
    known = {name: value for name, value in given.items() if name in SimulatorSettings.__dataclass_fields__}
    try:
        settings = TypeAdapter(SimulatorSettings).validate_python(known)
    except ValidationError as error:
        problems += [f"{entry['loc'][0]}: '{entry['input']}': {entry['msg']}." for entry in error.errors()]
    if problems:
        raise UsageError("\n  ".join([f"source '{url}' cannot be made up; nothing was read.", *problems]))
    return settings


def lead_table(rng: np.random.Generator, lead_id: pa.Array, people: People, first: int) -> pa.Table:
    campaigns = [
        f"{channel}-{number}" for channel in CHANNELS for number in range(1, CAMPAIGNS_PER_CHANNEL + 1)
    ]
    table = pa.table(
        {
            "lead_id": lead_id,
            "account_id": noise.numbered("A", people.account + 1, 7),
            "created_at": moments(people.created, first),
            "channel": noise.words(CHANNELS, people.channel),
            "campaign": noise.words(campaigns, people.campaign),
            "owner": noise.words(reps(), people.owner),
            "country": noise.words(list(COUNTRIES), people.country),
            "industry": noise.words(list(INDUSTRIES), people.industry),
            "employees": pa.array(people.employees),
            "job_title": noise.typed_titles(rng, people.title),
            "email": noise.emails(rng, people.account),
        }
    )
    return noise.with_gaps(rng, table)


def outcome_table(
    rng: np.random.Generator, lead_id: pa.Array, people: People, fates: Fates, first: int, days: float
) -> pa.Table:
    """Every stage that was recorded before the end; a later one is not yet in the data."""
    times = {"accepted": fates.accepted, "rejected": fates.rejected, "won": fates.won, "lost": fates.lost}
    stages = list(times)
    lead = np.concatenate([np.flatnonzero(time < days) for time in times.values()])
    stage = np.concatenate([np.full((time < days).sum(), index) for index, time in enumerate(times.values())])
    occurred = np.concatenate([time[time < days] for time in times.values()])
    order = np.argsort(occurred, kind="stable")
    lead, stage, occurred = lead[order], stage[order], occurred[order]
    reason = rng.integers(5, size=len(lead))
    has_reason = np.isin(stage, [stages.index("rejected"), stages.index("lost")])
    reason = np.where(stage == stages.index("lost"), len(REJECT_REASONS) + reason, reason)
    won = stage == stages.index("won")
    moment = moments(occurred, first)
    return pa.table(
        {
            "lead_id": lead_id.take(pa.array(lead)),
            "stage": noise.words(stages, stage),
            "occurred_at": moment,
            "recorded_at": moment,
            "amount": pa.array(fates.amount[lead], mask=~won),
            "margin": pa.array(fates.margin[lead], mask=~won),
            "reason": pa.array([*REJECT_REASONS, *LOST_REASONS]).take(pa.array(reason, mask=~has_reason)),
            "rep": noise.words(reps(), people.owner[lead]),
        }
    )


def event_table(
    rng: np.random.Generator, lead_id: pa.Array, people: People, doings: list[Doings], first: int, days: float
) -> pa.Table:
    """Every event that was recorded before the end, in the order of recording."""
    every = Doings(
        *(np.concatenate([getattr(part, name) for part in doings]) for name in ("lead", "kind", "occurred"))
    )
    known_at = recorded(rng, every.occurred)
    channel = touch_channels(rng, every, people.channel)
    minutes = np.round(rng.gamma(2.0, 8.0, len(every.lead)), 1)
    order = np.argsort(known_at, kind="stable")
    order = order[known_at[order] < days]
    timed = np.isin(every.kind[order], [KINDS.index("webinar"), KINDS.index("call")])
    return pa.table(
        {
            "lead_id": lead_id.take(pa.array(every.lead[order])),
            "kind": noise.words(KINDS, every.kind[order]),
            "occurred_at": moments(every.occurred[order], first),
            "recorded_at": moments(known_at[order], first),
            "channel": noise.words(EVENT_CHANNELS, channel[order]),
            "value": pa.array(minutes[order], mask=~timed),
        }
    )


def truth_table(lead_id: pa.Array, fates: Fates) -> pa.Table:
    return pa.table(
        {
            "lead_id": lead_id,
            "visible_logit": fates.visible,
            "u": fates.unseen,
            "p1": fates.p1,
            "p0": fates.p0,
            "would_win_if_pursued": fates.wins_if_pursued,
            "would_win_if_not": fates.wins_if_not,
            "selected": fates.selected,
            "delay_days": fates.delay,
            "delay_scale_days": fates.scale,
            "amount": fates.amount,
            "margin": fates.margin,
        }
    )


def reps() -> list[str]:
    return [f"rep-{number:02d}" for number in range(1, REPS + 1)]


def moments(days: np.ndarray, first: int) -> pa.Array:
    """Days since ``first`` (microseconds since 1970) as timestamps, cut down so that what is before the end
    stays before it.
    """
    return pa.array(first + np.floor(days * DAY).astype(np.int64), type=pa.timestamp("us"))
