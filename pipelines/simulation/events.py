"""What the people of a made-up market do before and after they become leads."""

from dataclasses import dataclass

import numpy as np

from pipelines.simulation.leads import CHANNELS

KINDS = ("page_view", "email_open", "email_click", "form", "download", "webinar", "call")
KIND = {kind: index for index, kind in enumerate(KINDS)}
EMAIL = len(CHANNELS)
EVENT_CHANNELS = (*CHANNELS, "email", "phone")  # where a touch came in; for attribution
BEFORE = {
    "page_view": 3.0,
    "email_open": 0.8,
    "email_click": 0.3,
    "download": 0.3,
    "webinar": 0.15,
    "call": 0.05,
}  # mean per lead
AFTER = {"page_view": 2.0, "email_open": 1.6, "email_click": 0.4, "download": 0.15, "webinar": 0.1}
BUYERS_DO_MORE = 1.6  # after creation, those who would buy; so that a later look knows more
CALLS_PER_PURSUIT = 3.0
LATE_SHARE, LATE_DAYS = 0.08, 1.5  # synced overnight, or after days
SECOND = 1 / 86400


@dataclass(frozen=True)
class Doings:
    """One entry per event: ``lead`` and ``kind`` as indices, ``occurred`` in days since the start."""

    lead: np.ndarray
    kind: np.ndarray
    occurred: np.ndarray


def before_creation(rng: np.random.Generator, created: np.ndarray) -> Doings:
    """The thirty days that led to a lead: the keener, the more of everything; most leads end in a form."""
    keenness = np.exp(0.7 * rng.standard_normal(len(created)) - 0.245)
    parts = []
    for kind, mean in BEFORE.items():
        lead = np.repeat(np.arange(len(created)), rng.poisson(mean * keenness))
        age = np.minimum(rng.exponential(8.0, len(lead)), 30.0) + 60 * SECOND
        parts.append((lead, kind, created[lead] - age))
    filled_in = np.flatnonzero(rng.random(len(created)) < 0.7)
    parts.append((filled_in, "form", created[filled_in] - SECOND * rng.uniform(2, 30, len(filled_in))))
    return together(parts)


def after_creation(
    rng: np.random.Generator, created: np.ndarray, *, would_buy: np.ndarray, accepted: np.ndarray
) -> Doings:
    """Six weeks of visits and mails, more of them by later buyers, and the calls of reps who took a lead up.

    ``accepted`` is in days since the start, nan where nobody took the lead up.
    """
    keenness = np.exp(0.5 * rng.standard_normal(len(created)) - 0.125) * np.where(
        would_buy, BUYERS_DO_MORE, 1.0
    )
    parts = []
    for kind, mean in AFTER.items():
        lead = np.repeat(np.arange(len(created)), rng.poisson(mean * keenness))
        parts.append((lead, kind, created[lead] + np.minimum(rng.exponential(12.0, len(lead)), 45.0)))
    called = np.repeat(
        np.arange(len(created)), np.where(np.isnan(accepted), 0, rng.poisson(CALLS_PER_PURSUIT, len(created)))
    )
    parts.append((called, "call", accepted[called] + rng.exponential(6.0, len(called))))
    return together(parts)


def together(parts: list[tuple[np.ndarray, str, np.ndarray]]) -> Doings:
    return Doings(
        lead=np.concatenate([lead for lead, _, _ in parts]),
        kind=np.concatenate([np.full(len(lead), KIND[kind]) for lead, kind, _ in parts]),
        occurred=np.concatenate([occurred for _, _, occurred in parts]),
    )


def engagement(doings: Doings, created: np.ndarray) -> np.ndarray:
    """What the events before creation add to the logit of winning: recent visits count, old ones do not."""

    def seen(kind: str, days: float) -> np.ndarray:
        chosen = (doings.kind == KIND[kind]) & (created[doings.lead] - doings.occurred < days)
        return np.bincount(doings.lead[chosen], minlength=len(created))

    return (
        0.45 * np.log1p(seen("page_view", 7))
        + 0.45 * np.minimum(seen("download", 30), 2)
        + 0.5 * (seen("webinar", 30) > 0)
        + 0.35 * (seen("email_click", 7) > 0)
        + 0.3 * (seen("call", 30) > 0)
    )


def touch_channels(rng: np.random.Generator, doings: Doings, channel: np.ndarray) -> np.ndarray:
    """Through which channel each event came in: mostly the one that brought the lead; mails and calls by
    their own.
    """
    own = rng.random(len(doings.lead)) < 0.6
    came = np.where(own, channel[doings.lead], rng.integers(len(CHANNELS), size=len(doings.lead)))
    came = np.where(np.isin(doings.kind, [KIND["email_open"], KIND["email_click"]]), EMAIL, came)
    return np.where(doings.kind == KIND["call"], EMAIL + 1, came)


def recorded(rng: np.random.Generator, occurred: np.ndarray) -> np.ndarray:
    """When the events reached the data: at once, but for some that are synced late."""
    late = rng.random(len(occurred)) < LATE_SHARE
    return occurred + np.where(
        late, rng.exponential(LATE_DAYS, len(occurred)), SECOND * rng.random(len(occurred))
    )
