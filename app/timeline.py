"""A lead's story in one line of time: created, what it did, what was decided, what people answered."""

from dataclasses import dataclass
from datetime import datetime

from app.words import plainly
from pipelines.answers import Answer, told
from pipelines.dossier import Happening
from pipelines.worklist import Listed


@dataclass(frozen=True)
class Moment:
    """One entry; ``kind`` is "event", "stage", "ours" (the decision) or "answer"."""

    at: datetime
    kind: str
    words: str
    more: str
    count: int = 1


def timeline(row: Listed, happened: list[Happening], given: list[Answer], *, now: datetime) -> list[Moment]:
    """The newest first; the same event several times in a row is one entry."""
    found = [Moment(row.created_at, "ours", "Lead created", plainly(row.channel or ""))]
    for each in happened:
        more = plainly(each.channel or "") if not each.stage else "" if each.value is None else f"{each.value:,.0f}"
        found.append(Moment(each.at, "stage" if each.stage else "event", plainly(each.what).capitalize(), more))
    words = "Held back" if row.state == "held" else "Scored and decided"
    found.append(Moment(row.decided_at, "ours", words, f"grade {row.grade}" if row.grade else ""))
    for answer in given:
        said = told(answer)
        found.append(Moment(answer.at, "answer", f"{answer.who} {said}", answer.words or ""))
    found.sort(key=lambda moment: moment.at, reverse=True)
    return _joined(found)


def _joined(found: list[Moment]) -> list[Moment]:
    joined: list[Moment] = []
    for moment in found:
        before = joined[-1] if joined else None
        if before and moment.kind == "event" and (before.kind, before.words, before.more) == ("event", moment.words, moment.more):
            joined[-1] = Moment(before.at, before.kind, before.words, before.more, before.count + 1)
        else:
            joined.append(moment)
    return joined
