"""A made-up market as the tables that a CRM would hold when the data end."""

import numpy as np
import pyarrow as pa

from pipelines import simulated_dirt as dirt
from pipelines.simulated_events import EVENT_CHANNELS, KINDS, Doings, recorded, touch_channels
from pipelines.simulated_fates import Fates
from pipelines.simulated_leads import CAMPAIGNS_PER_CHANNEL, CHANNELS, COUNTRIES, INDUSTRIES, REPS, People

DAY = 86400 * 10**6  # microseconds
REJECT_REASONS = ("no budget", "wrong fit", "no answer", "wrong contact", "competitor")
LOST_REASONS = ("price", "timing", "competitor", "no decision", "went silent")


def lead_table(rng: np.random.Generator, lead_id: pa.Array, people: People, first: int) -> pa.Table:
    campaigns = [f"{channel}-{number}" for channel in CHANNELS for number in range(1, CAMPAIGNS_PER_CHANNEL + 1)]
    table = pa.table(
        {
            "lead_id": lead_id,
            "account_id": dirt.numbered("A", people.account + 1, 7),
            "created_at": moments(people.created, first),
            "channel": dirt.words(CHANNELS, people.channel),
            "campaign": dirt.words(campaigns, people.campaign),
            "owner": dirt.words(reps(), people.owner),
            "country": dirt.words(list(COUNTRIES), people.country),
            "industry": dirt.words(list(INDUSTRIES), people.industry),
            "employees": pa.array(people.employees),
            "job_title": dirt.typed_titles(rng, people.title),
            "email": dirt.emails(rng, people.account),
        }
    )
    return dirt.with_gaps(rng, table)


def outcome_table(rng: np.random.Generator, lead_id: pa.Array, people: People, fates: Fates, first: int, days: float) -> pa.Table:
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
            "stage": dirt.words(stages, stage),
            "occurred_at": moment,
            "recorded_at": moment,
            "amount": pa.array(fates.amount[lead], mask=~won),
            "margin": pa.array(fates.margin[lead], mask=~won),
            "reason": pa.array([*REJECT_REASONS, *LOST_REASONS]).take(pa.array(reason, mask=~has_reason)),
            "rep": dirt.words(reps(), people.owner[lead]),
        }
    )


def event_table(rng: np.random.Generator, lead_id: pa.Array, people: People, doings: list[Doings], first: int, days: float) -> pa.Table:
    """Every event that was recorded before the end, in the order of recording."""
    every = Doings(*(np.concatenate([getattr(part, name) for part in doings]) for name in ("lead", "kind", "occurred")))
    known_at = recorded(rng, every.occurred)
    channel = touch_channels(rng, every, people.channel)
    minutes = np.round(rng.gamma(2.0, 8.0, len(every.lead)), 1)
    order = np.argsort(known_at, kind="stable")
    order = order[known_at[order] < days]
    timed = np.isin(every.kind[order], [KINDS.index("webinar"), KINDS.index("call")])
    return pa.table(
        {
            "lead_id": lead_id.take(pa.array(every.lead[order])),
            "kind": dirt.words(KINDS, every.kind[order]),
            "occurred_at": moments(every.occurred[order], first),
            "recorded_at": moments(known_at[order], first),
            "channel": dirt.words(EVENT_CHANNELS, channel[order]),
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
    """Days since ``first`` (microseconds since 1970) as timestamps, cut down so that what is before the end stays before it."""
    return pa.array(first + np.floor(days * DAY).astype(np.int64), type=pa.timestamp("us"))
