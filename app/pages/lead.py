"""One lead: why its score is what it is, and its timeline: created, what it did, what was decided and
answered.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from app.api.queries import ListQuery
from app.desk import desk_of
from app.pages.queue import asked_at, first_list, wanted_of
from app.pages.rendering import inside, plainly, render
from app.pages.score_history import moves, picture
from app.sessions import signed_in
from models.alignment.settings import WordSettings
from pipelines.sources.lead_lookup import Happening
from pipelines.store import answers, worklist
from pipelines.store.access.users import Person, people
from pipelines.store.answers import REASONS, Answer, told
from pipelines.store.work.assignment import ITSELF, moves_of
from pipelines.store.work.notes import Note, notes_of
from pipelines.store.work.rescores import history
from pipelines.store.worklist import Listed

router = APIRouter(include_in_schema=False)
MOST = 200  # happenings on the timeline
KEYS = ("lead_id", "account_id", "created_at")
# why a lead came to a desk where nobody put it there
GIVEN = {
    "owner": "whose it is in the source",
    "account": "who has another lead of its account",
    "turn": "by turn",
    "skill": "by skill: who won more of such leads before",
}


@router.get("/leads/{lead_id:path}")
def lead(
    request: Request,
    lead_id: str,
    person: Annotated[Person, Depends(signed_in)],
    of: Annotated[str, Query(max_length=3000)] = "",
    at: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    row = worklist.listed(desk.store, lead_id, seen_by=desk.seen_by(person))
    if row is None:
        raise HTTPException(404, "There is no such lead on the list.")
    known = desk.dossiers.leads([lead_id]).get(lead_id, {})
    happened = desk.dossiers.happenings([lead_id], until=now, most=MOST).get(lead_id, [])
    given = answers.history(desk.store, lead_id)
    decision = worklist.decided(desk.store, lead_id)
    reasons = worklist.reasons(desk.store, [lead_id]).get(lead_id, [])
    may_see = row.state != "held" or person.may(
        "ops"
    )  # beside its figures a rep could tell which leads of the queue were drawn to pass
    live = request.app.state.champions.live if may_see else None
    moved = moves(row, desk.dossiers, live, decided_as_of=decision.get("as_of"), now=now)
    others = [each for each in _of_account(request, row.account_id, person) if each["lead_id"] != lead_id]
    written = notes_of(desk.store, lead_id)
    return render(
        request,
        "lead.html",
        each={"lead": row, "reasons": reasons, "latest": [], "place": at},
        of=inside(of, "/held" if row.state == "held" else "/queue"),
        beside=_beside(request, of, person, lead_id, at=at),
        notes=written,
        people=[each.name for each in people(desk.store)] if desk.settings.assignment.on else [],
        attributes={name: value for name, value in known.items() if name not in KEYS and value is not None},
        timeline=timeline(
            row,
            happened,
            given,
            written,
            moves_of(desk.store, lead_id),
            history(desk.store, lead_id),
            words=desk.settings.words,
            now=now,
        ),
        answers=given,
        others=others,
        reasons=REASONS,
        decision=decision,
        may_see=may_see,
        moved=moved,
        picture=picture(moved.steps) if moved and len(moved.steps) > 1 else None,
        cut=worklist.cuts(desk.store, [lead_id]).get(lead_id),
        widest=max(
            [abs(told.weight or 0) for told in (*reasons, *(moved.reasons if moved else ()))], default=0
        ),
        pursue_days=desk.settings.label.pursue_days,
        waited=_waited(row.created_at, decision, desk.settings.label.delay),
    )


def _waited(created_at: datetime | None, decision: dict, delay: timedelta) -> int:
    """For how many whole days a lead that sales had not taken up had waited when it was scored."""
    if created_at is None or decision.get("as_of") is None or decision["p_pursue"] in (None, 1.0):
        return 0
    return max(0, (decision["scored_as_of"] - created_at - delay).days)


def _beside(
    request: Request, of: str, person: Person, lead_id: str, *, at: int
) -> list[tuple[str, str, str]]:
    """The leads before and after this one in the list that it was opened from: how they are related, their
    names, and their addresses.
    """
    if not of:
        return []
    desk = desk_of(request)
    given = asked_at(of, first=first_list(desk, person))
    wanted = wanted_of(desk, given, given["list"], person, desk.clock())
    sort = ListQuery.of(given).sort
    around = worklist.neighbours(desk.store, wanted, lead_id, place=at, sort=sort)
    names = {
        row.lead_id: row.name for row in worklist.some(desk.store, [each for each, _ in around.values()])
    }
    return [
        (how, names[each], f"/leads/{quote(each, safe='')}?{urlencode({'of': of, 'at': place})}")
        for how, (each, place) in around.items()
    ]


def _of_account(request: Request, account_id: str | None, person: Person) -> list[dict]:
    """The account's leads that somebody sees, the newest first, with what became of them."""
    if account_id is None:
        return []
    desk = desk_of(request)
    found, mine = desk.dossiers.of_account(account_id), desk.seen_by(person)
    names = desk.dossiers.portraits([lead_id for lead_id, _ in found])
    listed = {row.lead_id: row for row in worklist.some(desk.store, [lead_id for lead_id, _ in found])}
    latest = desk.dossiers.happenings([lead_id for lead_id, _ in found], until=desk.clock(), most=50)
    stages = {
        lead_id: next((each.what for each in latest.get(lead_id, []) if each.stage), None)
        for lead_id, _ in found
    }
    if mine is not None:  # one that is not on the list is somebody's where sales has answered it
        known = worklist.sight(desk.store, [lead_id for lead_id, _ in found], mine)
        found = [each for each in found if known.get(each[0], stages[each[0]] is None)]
    return [
        {
            "lead_id": lead_id,
            "created_at": created,
            "row": listed.get(lead_id),
            "stage": stages.get(lead_id),
            "name": names.get(lead_id, lead_id),
        }
        for lead_id, created in found
    ]


@dataclass(frozen=True)
class Moment:
    """One entry; ``kind`` is "event", "stage", "ours" (the decision) or "answer"."""

    at: datetime
    kind: str
    words: str
    more: str
    count: int = 1


def timeline(
    row: Listed,
    happened: list[Happening],
    given: list[Answer],
    written: list[Note],
    moved: list[tuple[datetime, str, str | None, str]],
    scored: list[dict[str, Any]],
    *,
    words: WordSettings,
    now: datetime,
) -> list[Moment]:
    """The newest first; the same event several times in a row is one entry."""
    found = [Moment(row.created_at, "ours", f"{words.begun('lead')} created", plainly(row.channel or ""))]
    for each in happened:
        more = (
            plainly(each.channel or "")
            if not each.stage
            else ""
            if each.value is None
            else f"{each.value:,.0f}"
        )
        found.append(
            Moment(
                each.at,
                "stage" if each.stage else "event",
                words.own(each.what)
                if each.stage and words.own(each.what)
                else plainly(each.what).capitalize(),
                more,
            )
        )
    done = (words.own("held") or "Held back") if row.state == "held" else "Scored and decided"
    grade = row.was_grade if row.rescored_at else row.grade
    found.append(Moment(row.decided_at, "ours", done, f"grade {grade}" if grade else ""))
    for answer in given:
        ours = told(answer)
        said = f" {ours}" if (own := words.noted(ours)) == ours else f": {own}"
        found.append(Moment(answer.at, "answer", f"{answer.who}{said}", answer.words or ""))
    for each in scored:
        words_of = f"grade {each['grade']}, after {plainly(each['because'])}" if each["grade"] else ""
        found.append(Moment(each["at"], "ours", "Scored anew", words_of))
    found += desks(moved)
    for note in written:
        more = f"for {note.due:%-d %b %Y}" if note.due else ""
        found.append(Moment(note.at, "answer", f"{note.who}: {note.words or ''}", more))
    found.sort(key=lambda moment: moment.at, reverse=True)
    return _joined(found)


def desks(moves: list[tuple[datetime, str, str | None, str]]) -> list[Moment]:
    """When it came to whose desk."""
    return [
        Moment(
            at,
            "ours",
            f"On the desk of {to}" if to else "Back in the pool",
            GIVEN.get(why, why if by == ITSELF else f"{why}, by {by}"),
        )
        for at, by, to, why in moves
    ]


def _joined(found: list[Moment]) -> list[Moment]:
    joined: list[Moment] = []
    for moment in found:
        before = joined[-1] if joined else None
        if (
            before
            and moment.kind == "event"
            and (before.kind, before.words, before.more) == ("event", moment.words, moment.more)
        ):
            joined[-1] = Moment(before.at, before.kind, before.words, before.more, before.count + 1)
        else:
            joined.append(moment)
    return joined
