"""How a lead's score moved: what the version in use says of it at the moments of its story, each by what was known then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from app.live import LiveScorer
from app.words import plainly
from features.errors import LeadsieveError
from pipelines.dossier import Dossiers
from pipelines.worklist import Listed, Told

MOST = 12  # moments
TICK = timedelta(microseconds=1)
DECIDED = "decision"


@dataclass(frozen=True)
class Step:
    """A moment, what had just happened, and the chance by what was known then."""

    at: datetime
    why: str
    chance: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Moves:
    """The steps, the oldest first, and everything that the version counts at the last of them."""

    version: str
    steps: tuple[Step, ...]
    reasons: tuple[Told, ...]


def moves(row: Listed, dossiers: Dossiers, live: LiveScorer | None, *, decided_as_of: datetime | None, now: datetime) -> Moves | None:
    """A lead as the version in use sees it, up to now or to when sales answered it.

    Returns
    -------
    Moves or None
        None where nothing can be said: no version is in use, the source has no times, or has this lead no more.
    """
    if live is None or live.note.clock != "time":
        return None
    schemas = live.statements.schemas
    lead = dossiers.rows(live.snapshot, "leads", row.lead_id)
    if not len(lead):
        return None
    events = dossiers.rows(live.snapshot, "events", row.lead_id).select(schemas["events"].names) if "events" in schemas else None
    end = min(now, datetime.fromisoformat(live.note.newest) + TICK, row.answered_at if row.state in ("accepted", "rejected") else now)
    found = moments(lead["created_at"][0].as_py(), events, decided_as_of, end)
    try:
        scores, told = live.chances(
            lead.select(schemas["leads"].names).cast(schemas["leads"]), events and events.cast(schemas["events"]), [at for at, _ in found]
        )
    except LeadsieveError:
        return None
    steps = [
        Step(at, why, each.chance, *(None if bound != bound else bound for bound in (each.low, each.high)))
        for (at, why), each in zip(found, scores.itertuples(), strict=True)
    ]
    return Moves(live.champion.version, tuple(steps), tuple(Told(each.words, round(each.logits, 3)) for each in told))


def moments(created: datetime, events: pa.Table | None, decided: datetime | None, end: datetime) -> list[tuple[datetime, str]]:
    """When to look: just after the lead came, after what it did, when it was decided, and at the end; those between thinned out evenly."""
    first = created + TICK
    found: dict[datetime, str] = {}
    if events is not None:
        known = zip(events["recorded_at"].to_pylist(), events["kind"].to_pylist(), strict=True)
        for at, kind in sorted(known, key=lambda event: event[0]):
            if first <= at < end - TICK:
                found[at + TICK] = plainly(kind)
    fixed = {first: "came", max(end, first): "latest", **({decided: DECIDED} if decided and first < decided <= end else {})}
    between = thinned(sorted(set(found) - set(fixed)), MOST - len(fixed))
    return sorted({**{at: found[at] for at in between}, **fixed}.items())


def thinned(moments: Sequence[datetime], most: int) -> list[datetime]:
    """At most so many, evenly, the last among them."""
    if len(moments) <= most:
        return list(moments)
    return [moments[round((number + 1) * len(moments) / most) - 1] for number in range(most)]
