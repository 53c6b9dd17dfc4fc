"""How a lead's score moved: what the version in use says of it at the moments of its story, as a line in SVG.

Each moment is judged by what was known then; each step takes one place, so that a busy first hour takes no
less room than a silent month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from app.pages.rendering import plainly
from app.scoring.realtime import LiveScorer
from features.errors import LeadsieveError
from pipelines.sources.lead_lookup import Dossiers
from pipelines.store.worklist import Listed, Told

MOST = 12  # moments
TICK = timedelta(microseconds=1)
DECIDED = "decision"
LEFT, RIGHT, TOP, BOTTOM = 40, 326, 18, 96  # of the plot, in the picture's own units
NICE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Step:
    """A moment, what had just happened, and the score by what was known then."""

    at: datetime
    why: str
    score: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Moves:
    """The steps, the oldest first, and everything that the version counts at the last of them."""

    version: str
    steps: tuple[Step, ...]
    reasons: tuple[Told, ...]


def moves(
    row: Listed, dossiers: Dossiers, live: LiveScorer | None, *, decided_as_of: datetime | None, now: datetime
) -> Moves | None:
    """A lead as the version in use sees it, up to now or to when sales answered it.

    Returns
    -------
    Moves or None
        None where nothing can be said: no version is in use, the source has no times, or has this lead no
        more.
    """
    if live is None or live.note.clock != "time":
        return None
    schemas = live.prepared.schemas
    lead = dossiers.rows(live.snapshot, "leads", row.lead_id)
    if not len(lead):
        return None
    events = (
        dossiers.rows(live.snapshot, "events", row.lead_id).select(schemas["events"].names)
        if "events" in schemas
        else None
    )
    end = min(
        now,
        datetime.fromisoformat(live.note.newest) + TICK,
        row.answered_at if row.state in ("accepted", "rejected") else now,
    )
    found = moments(lead["created_at"][0].as_py(), events, decided_as_of, end)
    try:
        scores, told = live.chances(
            lead.select(schemas["leads"].names).cast(schemas["leads"]),
            events and events.cast(schemas["events"]),
            [at for at, _ in found],
        )
    except LeadsieveError:
        return None
    steps = [
        Step(at, why, each.score, *(None if bound != bound else bound for bound in (each.low, each.high)))
        for (at, why), each in zip(found, scores.itertuples(), strict=True)
    ]
    return Moves(
        live.champion.version, tuple(steps), tuple(Told(each.words, round(each.logits, 3)) for each in told)
    )


def moments(
    created: datetime, events: pa.Table | None, decided: datetime | None, end: datetime
) -> list[tuple[datetime, str]]:
    """When to look: just after the lead came, after what it did, when it was decided, and at the end; those
    between thinned out evenly.
    """
    first = created + TICK
    found: dict[datetime, str] = {}
    if events is not None:
        known = zip(events["recorded_at"].to_pylist(), events["kind"].to_pylist(), strict=True)
        for at, kind in sorted(known, key=lambda event: event[0]):
            if first <= at < end - TICK:
                found[at + TICK] = plainly(kind)
    fixed = {
        first: "came",
        max(end, first): "latest",
        **({decided: DECIDED} if decided and first < decided <= end else {}),
    }
    between = thinned(sorted(set(found) - set(fixed)), MOST - len(fixed))
    return sorted({**{at: found[at] for at in between}, **fixed}.items())


def thinned(moments: Sequence[datetime], most: int) -> list[datetime]:
    """At most so many, evenly, the last among them."""
    if len(moments) <= most:
        return list(moments)
    return [moments[round((number + 1) * len(moments) / most) - 1] for number in range(most)]


@dataclass(frozen=True)
class Mark:
    """One step's point; ``kind`` is "step", "decided" or "latest", and ``label`` says whether its figure is
    written beside it.
    """

    x: float
    y: float
    kind: str
    label: bool
    step: Step


@dataclass(frozen=True)
class Picture:
    """What a template draws: the scale's upper end, the band between bounds and the line as lists of points,
    and the marks.
    """

    top: float
    band: str
    line: str
    marks: tuple[Mark, ...]


def picture(steps: tuple[Step, ...]) -> Picture:
    """Of at least two steps."""
    highest = max(step.score if step.high is None else step.high for step in steps)
    top = next((nice for nice in NICE if nice >= highest), 1.0)

    def x(place: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * place / (len(steps) - 1), 1)

    def y(score: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * score / top, 1)

    bounded = [
        (place, step) for place, step in enumerate(steps) if step.low is not None and step.high is not None
    ]
    over = [f"{x(place)},{y(step.high)}" for place, step in bounded]
    under = [f"{x(place)},{y(step.low)}" for place, step in reversed(bounded)]
    last = len(steps) - 1
    marks = tuple(
        Mark(
            x(place),
            y(step.score),
            "decided" if step.why == DECIDED else "latest" if place == last else "step",
            place in (0, last) or step.why == DECIDED,
            step,
        )
        for place, step in enumerate(steps)
    )
    return Picture(top, " ".join(over + under), " ".join(f"{mark.x},{mark.y}" for mark in marks), marks)
