"""A made-up market with a known truth, as a source of leads, events and outcomes.

Real data never show what would have become of a lead that nobody took up. Here both outcomes of every lead are drawn,
sales chooses by what it sees and by what only it sees, wins take their time, and the data end in the middle of it.
``simulate`` hands out the truth for tests; ``simulate_tables`` hands out what a pipeline may see.
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
from pipelines import simulated_dirt as dirt
from pipelines import simulated_tables as tables
from pipelines.simulated_events import after_creation, before_creation, engagement
from pipelines.simulated_fates import WEIBULL_SHAPE, draw_fates, visible_logit
from pipelines.simulated_leads import draw_people

SCHEME = "simulated:"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SimulatorSettings:
    """A market to make up; the same settings give the same tables.

    Attributes
    ----------
    leads, months, start
        How many leads, over how many months, from which day on. The data end ``months`` after ``start``.
    gamma
        Weight of the factor that no column shows in the chance of winning. 0: everything that matters can be seen.
    delta
        Weight of that factor in what sales takes up.
    rho
        Correlation of what sales goes by with what wins.
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
    start: date = date(2024, 1, 1)
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
        One row per lead, in the order of ``lead_id``: ``visible_logit`` (f), ``u``, ``p1``, ``p0`` (chance of ever winning if
        pursued, if not), ``would_win_if_pursued``, ``would_win_if_not``, ``selected``, ``delay_days`` (from acceptance to
        winning, if pursued and won), ``delay_scale_days``, ``amount``, ``margin``. For judging alone: never an input.
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
    """Make up a market. Pure: the same settings give equal tables, and the flags add to a world without changing it."""
    start = pd.Timestamp(settings.start)
    end = start + pd.DateOffset(months=settings.months)
    days = float((end - start).days)
    for_people, for_before, for_fates, for_after, for_looks, for_leaks, for_dirt = (
        np.random.default_rng([settings.seed, part]) for part in range(7)
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
        gamma=settings.gamma,
        delta=settings.delta,
        rho=settings.rho,
        slow=settings.slow,
    )
    after = after_creation(for_after, people.created, would_buy=fates.wins_if_pursued, accepted=fates.accepted)

    lead_id = dirt.numbered("L", np.arange(1, settings.leads + 1), 8)
    first = int(np.datetime64(settings.start, "us").astype(np.int64))
    leads = tables.lead_table(for_looks, lead_id, people, first)
    outcomes = tables.outcome_table(for_looks, lead_id, people, fates, first, days)
    events = tables.event_table(for_looks, lead_id, people, [before, after], first, days)
    if settings.leaks:
        leads = dirt.with_leaks(for_leaks, leads, fates=fates, people=people, days=days)
    if settings.dirt:
        leads = dirt.with_mixed_zones(for_dirt, dirt.with_duplicates(for_dirt, leads))
        outcomes = dirt.with_back_dates(for_dirt, outcomes)
    return World(
        leads=leads,
        events=events,
        outcomes=outcomes,
        truth=tables.truth_table(lead_id, fates),
        start=start.to_pydatetime(),
        end=end.to_pydatetime(),
    )


def simulate_tables(url: str) -> dict[str, pa.Table]:
    """What a pipeline may see of the market that a URL names: ``leads``, ``events``, ``outcomes``, and never the truth.

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
        raise UsageError(f"source '{url}' is no simulated market. Write 'simulated:' or 'simulated:?leads=30000&months=24&seed=1'.")
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in SimulatorSettings.__dataclass_fields__:
            close = get_close_matches(name, SimulatorSettings.__dataclass_fields__, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(SimulatorSettings.__dataclass_fields__)}."
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
