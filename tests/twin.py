"""The slow twin: features again in plain pandas, one lead at a time, from the data dictionary and not from the
engine's code. A new feature gets one by a line of ``TWINS``; without it, the tests that need none hold it.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.definitions.emails import FREE
from features.definitions.job_titles import DEPARTMENT, SENIORITY
from features.labels import Horizons
from features.recipe import INDEX, Recipe
from tests.worlds import STAGES, World

DAY = pd.Timedelta(days=1)
MONTH = 30 * DAY


def twin_matrix(world: World, cohort: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """What ``matrix`` must give for this world, in pandas."""
    leads = world.leads.set_index("lead_id")
    fates = {lead.lead_id: fate_of(world, recipe, lead) for lead in world.leads.itertuples(index=False)}
    rows = []
    for row in cohort.sort_values(["as_of", "lead_id"]).itertuples(index=False):
        look = Look(world, recipe, row, leads.loc[row.lead_id], known_events(world, row), fates)
        values = [TWINS[column.feature](look, **dict(column.arguments)) for column in recipe.columns]
        rows.append([*(getattr(row, name) for name in INDEX), *values])
    return pd.DataFrame(rows, columns=[*INDEX, *(column.name for column in recipe.columns)])


class Look:
    """Everything one lead's features may look at."""

    def __init__(self, world, recipe, row, lead, known, fates):
        self.world, self.recipe, self.row, self.lead, self.known, self.fates = (
            world,
            recipe,
            row,
            lead,
            known,
            fates,
        )
        self.in_days, self.others, self.past = (
            cache(self.in_days),
            cache(self.others),
            cache(self.past),
        )  # many columns ask for the same

    def in_days(self, days: float) -> list["Known"]:
        return [event for event in self.known if event.age < days * DAY]

    def of_kind(self, kind: str, days: float | None = None) -> list["Known"]:
        events = self.known if days is None else self.in_days(days)
        return [event for event in events if event.kind == kind]

    def others(self, key: str | None) -> list[dict] | None:
        """Fates of the other leads with this lead's value of a key; None where it has none."""
        others = {lead_id: fate for lead_id, fate in self.fates.items() if lead_id != self.row.lead_id}
        if key is None:
            return list(others.values())
        values = dict(zip(self.world.leads["lead_id"], self.world.leads[key], strict=True))
        if key == "e-mail":
            values = {lead_id: company(address) for lead_id, address in values.items()}
        own = values[self.row.lead_id]
        return None if pd.isna(own) else [fate for lead_id, fate in others.items() if values[lead_id] == own]

    def moment(self, key: str | None) -> pd.Timestamp:
        """Up to when outcomes of a key are counted: midnight, but the as-of time itself for accounts and
        made-up times.
        """
        exact = self.world.clock != "time" or key == "account_id"
        return self.row.as_of if exact else self.row.as_of.normalize()

    def past(self, key: str | None, at: str, result: str) -> tuple[int, int] | None:
        """How many were settled (or decided) before the moment, and with how many the result was a yes."""
        others = self.others(key)
        if others is None:
            return None
        done = [fate for fate in others if fate[at] < self.moment(key)]
        return len(done), sum(fate[result] for fate in done)

    def rate(self, key: str, at: str, result: str) -> float:
        here, everywhere = self.past(key, at, result), self.past(None, at, result)
        if here is None or everywhere[0] == 0:
            return np.nan
        return (here[1] + 20 * everywhere[1] / everywhere[0]) / (here[0] + 20)


class Known(NamedTuple):
    """An event as it is known of at the as-of time."""

    kind: str
    channel: str | None
    value: float
    age: pd.Timedelta


def known_events(world: World, row) -> list[Known]:
    """The lead's events recorded before the as-of time, with their ages."""
    if world.events is None:
        return []
    own = world.events[world.events.lead_id == row.lead_id]
    return [
        Known(each.kind, each.channel, each.value, max(row.as_of - each.occurred_at, pd.Timedelta(0)))
        for each in own.itertuples(index=False)
        if each.recorded_at < row.as_of
    ]


def fate_of(world: World, recipe: Recipe, lead) -> dict:
    """When one lead was decided and settled, and how."""
    own = world.outcomes[(world.outcomes.lead_id == lead.lead_id) & (world.outcomes.recorded_at < world.end)]
    first = own.groupby("stage").recorded_at.min()
    accepted, rejected, won, lost = (
        first.get(stage, pd.NaT) for stage in ("accepted", "rejected", "won", "lost")
    )
    taken = earliest(accepted, won)
    answers, ends = [taken, rejected, lost], [won, lost]
    start = taken if "accepted" in world.stages else lead.created_at
    if world.outcome_times:
        answers.append(lead.created_at + recipe.horizons.delay + recipe.horizons.pursue_days * DAY)
        ends.append(start + recipe.horizons.convert_days * DAY)
    decided, ended = earliest(*answers), earliest(*ends)
    settled = pd.NaT if pd.isna(start) else max(ended, start) if world.outcome_times else ended
    late = DAY if world.clock == "time" and not world.outcome_times else 0 * DAY
    return {
        "decided_at": decided + late * recipe.horizons.pursue_days,
        "accepted": bool(taken <= decided),
        "settled_at": settled + late * recipe.horizons.convert_days,
        "won": bool(won <= ended),
    }


def became(world: World, horizons: Horizons, row, known_until: pd.Timestamp) -> dict:
    """What one row of a cohort came to by a moment, read off its outcomes one after the other."""
    own = world.outcomes[(world.outcomes.lead_id == row.lead_id) & (world.outcomes.recorded_at < known_until)]
    first = {stage: own[own.stage == stage].recorded_at.min() for stage in STAGES}
    taken, closed = earliest(first["accepted"], first["won"]), earliest(first["won"], first["lost"])
    told, timed = "accepted" in world.stages, world.outcome_times
    pursued = converted = customer = np.nan
    pursued_judged = converted_judged = False
    answer = earliest(taken, first["rejected"], first["lost"])
    if told and row.as_of < known_until and not (timed and answer < row.as_of):
        within = taken <= row.as_of + horizons.pursue_days * DAY if timed else not pd.isna(taken)
        whole = row.as_of + horizons.pursue_days * DAY <= known_until
        pursued_judged = whole if timed else not pd.isna(answer)
        refused = not pd.isna(earliest(first["rejected"], first["lost"]))
        if within or refused or pursued_judged:
            pursued = float(within)
    start = row.as_of if not told else taken
    if not pd.isna(start) and row.as_of < known_until:
        start = max(start, row.as_of) if timed else row.as_of
        if not (timed and closed < start):
            last = start + horizons.convert_days * DAY
            within = first["won"] <= last if timed else not pd.isna(first["won"])
            converted_judged = last <= known_until if timed else not pd.isna(closed)
            if within or not pd.isna(first["lost"]) or converted_judged:
                converted = float(within)
    over = not timed or row.as_of + (horizons.pursue_days + horizons.convert_days) * DAY <= known_until
    if over and pursued_judged and pursued == 0:
        customer = 0.0
    elif over and converted_judged:
        customer = converted
    return {
        "lead_id": row.lead_id,
        "pursued": pursued,
        "converted": converted,
        "pursued_judged": pursued_judged,
        "converted_judged": converted_judged,
        "over": over,
        "customer": customer,
    }


def earliest(*times):
    filled = [time for time in times if not pd.isna(time)]
    return min(filled) if filled else pd.NaT


def oldest(events: list[Known]) -> float:
    return days(max((event.age for event in events), default=pd.NaT))


def newest(events: list[Known]) -> float:
    return days(min((event.age for event in events), default=pd.NaT))


def days(age) -> float:
    return np.nan if pd.isna(age) else age / DAY


@cache
def domain(address) -> str | None:
    address = "" if address is None or pd.isna(address) else address.strip().lower()
    return address.split("@")[1] if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", address) else None


@cache
def free(name: str) -> bool:
    return any(re.fullmatch(re.escape(provider) + r"\.(co\.)?[a-z]+", name) for provider in FREE)


def company(address) -> str | None:
    name = domain(address)
    return None if name is None or free(name) else name


def by_rule(title, rules) -> str | float:
    if title is None or pd.isna(title) or not title.strip():
        return np.nan
    return next((name for name, pattern in rules if re.search(pattern, title.lower())), "other")


def trend(look: Look) -> float:
    month = len(look.in_days(30))
    return len(look.in_days(7)) / 7 - month / 30 if month else np.nan


def free_mailbox(look: Look, attribute: str) -> float:
    name = domain(look.lead[attribute])
    return np.nan if name is None else float(free(name))


def account_leads(look: Look) -> int:
    leads = look.world.leads
    return len(
        leads[
            (leads.account_id == look.row.account_id)
            & (leads.lead_id != look.row.lead_id)
            & (leads.created_at < look.row.as_of)
        ]
    )


def account_days_since_lead(look: Look) -> float:
    leads = look.world.leads
    earlier = leads[(leads.account_id == look.row.account_id) & (leads.created_at < look.row.created_at)]
    return days(look.row.as_of - earlier.created_at.max())


def amount(past: tuple[int, int] | None, part: int) -> float:
    return np.nan if past is None else past[part]


def cell(text: str | None, mark: str) -> list[str] | None:
    """The values of a cell that holds several."""
    return None if pd.isna(text) else [each.strip() for each in text.split(mark) if each.strip()]


TWINS: dict[str, Callable] = {
    "events_of_kind": lambda look, kind, days: len(look.of_kind(kind, days)),
    "events": lambda look, days: len(look.in_days(days)),
    "events_ever": lambda look: len(look.known),
    "days_since_kind": lambda look, kind: newest(look.of_kind(kind)),
    "days_since_event": lambda look: newest(look.known),
    "days_since_first_event": lambda look: oldest(look.known),
    "value_of_events": lambda look, days: np.nansum([event.value for event in look.in_days(days)]),
    "events_through_channel": lambda look, channel: sum(
        event.channel == channel for event in look.in_days(30)
    ),
    "trend": trend,
    "kinds_of_event": lambda look, kinds: len({event.kind for event in look.in_days(30)} & set(kinds)),
    "number": lambda look, attribute: look.lead[attribute],
    "category": lambda look, attribute: look.lead[attribute],
    "includes": lambda look, attribute, mark, member: (
        np.nan if (held := cell(look.lead[attribute], mark)) is None else float(member in held)
    ),
    "values": lambda look, attribute, mark: (
        np.nan if (held := cell(look.lead[attribute], mark)) is None else len(held)
    ),
    "days_ago": lambda look, attribute: days(look.row.as_of - look.lead[attribute]),
    "created_hour": lambda look, attribute: look.row.created_at.hour,
    "created_weekday": lambda look, attribute: look.row.created_at.weekday(),
    "seniority": lambda look, attribute: by_rule(look.lead[attribute], SENIORITY),
    "department": lambda look, attribute: by_rule(look.lead[attribute], DEPARTMENT),
    "free_mailbox": free_mailbox,
    "win_rate": lambda look, key: look.rate(key, "settled_at", "won"),
    "settled_leads": lambda look, key: amount(look.past(key, "settled_at", "won"), 0),
    "acceptance_rate": lambda look, key: look.rate(key, "decided_at", "accepted"),
    "decided_leads": lambda look, key: amount(look.past(key, "decided_at", "accepted"), 0),
    "account_leads": account_leads,
    "account_won": lambda look: look.past("account_id", "settled_at", "won")[1],
    "account_accepted": lambda look: look.past("account_id", "decided_at", "accepted")[1],
    "account_days_since_lead": account_days_since_lead,
}
