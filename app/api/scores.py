"""Scores of leads that programs hand in, those of several requests at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from app.api.errors import RefusedError
from app.api.schemas import Score, ScoreRequest, Scores, as_json_number
from app.api.tables import Tables, read
from app.scoring.realtime import LiveScorer
from models.policy.rules import rule_of

FIGURES = ("score", "p_pursue", "p_convert", "p_both", "p_worked", "low", "high", "value")
WORDS = ("lead_id", "as_of", "grade", "extrapolated", "action", "cut_by")


@dataclass(frozen=True)
class Wanted:
    """A request, the version that answers it, and when it came."""

    request: ScoreRequest
    live: LiveScorer
    now: datetime


@dataclass
class _Batch:
    """Requests that one look at their leads answers: no lead stands in it twice."""

    live: LiveScorer
    worded: bool
    places: list[int] = field(default_factory=list)
    tables: list[Tables] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def takes(self, wanted: Wanted, ids: Sequence[str]) -> bool:
        same = self.live is wanted.live and self.worded == wanted.request.reasons
        return same and self.ids.isdisjoint(ids)

    def add(self, place: int, tables: Tables, ids: Sequence[str]) -> None:
        self.places.append(place)
        self.tables.append(tables)
        self.ids.update(ids)

    def scores(self) -> list[list[Score]]:
        """The scores of each request."""
        some = [each.events for each in self.tables if each.events is not None]
        found = self.live.score(
            pa.concat_tables([each.leads for each in self.tables]),
            pa.concat_tables(some) if some else None,
            pa.concat_arrays([each.as_of for each in self.tables]),
            worded=self.worded,
        )
        columns = {name: found[name].tolist() for name in WORDS}
        columns |= {name: [as_json_number(value) for value in found[name].tolist()] for name in FIGURES}
        scores = iter(
            Score.model_construct(
                lead_id=row["lead_id"],
                as_of=row["as_of"].isoformat(),
                grade=row["grade"],
                p_worked_by=found["p_worked_by"],
                extrapolated=row["extrapolated"],
                action=row["action"],
                rule=rule_of(row["cut_by"]),
                reasons=reasons,
                **{name: row[name] for name in FIGURES},
            )
            for *values, reasons in zip(*columns.values(), found["reasons"], strict=True)
            for row in (dict(zip(columns, values, strict=True)),)
        )
        return [[next(scores) for _ in range(len(each.leads))] for each in self.tables]


def scored(wanted: Sequence[Wanted]) -> list[Scores | Exception]:
    """The answers to some requests; that to one whose leads break the contract is its refusal."""
    answers: dict[int, Scores | Exception] = {}
    batches: list[_Batch] = []
    for place, each in enumerate(wanted):
        try:
            tables = read(
                each.request.leads,
                each.live,
                now=each.now,
                as_of=each.request.as_of,
                undone="no lead was scored",
            )
        except RefusedError as error:
            answers[place] = error
            continue
        ids = [lead.lead_id for lead in each.request.leads]
        batch = next((batch for batch in batches if batch.takes(each, ids)), None)
        if batch is None:
            batches.append(batch := _Batch(each.live, each.request.reasons))
        batch.add(place, tables, ids)
    for batch in batches:
        for place, scores in zip(batch.places, batch.scores(), strict=True):
            answers[place] = Scores.model_construct(
                version=batch.live.champion.version, known_until=known_until(batch.live), scores=scores
            )
    return [answers[place] for place in range(len(wanted))]


def known_until(live: LiveScorer) -> str | None:
    """Up to when a version's histories know anything; None where the source has no times."""
    return live.note.newest if live.note.clock == "time" else None
