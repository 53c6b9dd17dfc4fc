"""The queue: whom to call first and why, the answers that any page gives, and the leads that are held.

What is wanted stands in the address, so that it can be kept and passed on.
"""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.api.queries import ListQuery, given_of
from app.desk import Desk, desk_of
from app.pages.rendering import inside, render, say
from app.sessions import AskedFirst, address_of, check_form, signed_in
from pipelines.store import worklist
from pipelines.store.answers import REASONS, SAID, give
from pipelines.store.filters import DecisionFilter
from pipelines.store.users import Person
from pipelines.store.worklist import Listed

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
LATEST = 2  # happenings shown with each lead
LISTS = {
    "open": "Waiting",
    "mine": "Mine",
    "snoozed": "Put off",
    "rejected": "Turned down",
    "accepted": "Taken",
}
AGES = {1: "a day", 7: "a week", 30: "a month", 90: "three months"}


@router.get("/")
def start() -> Response:
    return RedirectResponse("/queue", 303)


@router.get("/queue")
def queue(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[dict, Depends(given_of)],
    list: Annotated[str, Query(max_length=20)] = "open",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    worklist.wake(desk.store, now=now)
    wanted = wanted_of(given, list, person, now)
    found = worklist.page_of(desk.store, wanted, page=page)
    return render(
        request,
        "queue.html",
        wanted=wanted,
        within=ListQuery.of(given).days,
        page=page,
        given={"list": list if list in LISTS else "open", **given},
        found=found,
        rows=shown(desk, found.rows, now),
        states=worklist.states(desk.store, person.name, now=now),
        lists=LISTS,
        ages=AGES,
        reasons=REASONS,
        top=max([row.high or row.score or 0 for row in found.rows], default=0),
    )


def wanted_of(given: dict, name: str, person: Person, now: datetime) -> DecisionFilter:
    """What the address of one of the ``LISTS`` asks for; a list that is none of them is the queue."""
    return ListQuery.of(given).wanted(
        now=now,
        state={"mine": "accepted"}.get(name, name if name in LISTS else "open"),
        answered_by=person.name if name == "mine" else None,
    )


def shown(desk: Desk, rows: list[Listed], now: datetime) -> list[dict]:
    """Rows of the list with what the log and the snapshot say of them: reasons, and what happened lately."""
    ids = [row.lead_id for row in rows]
    reasons = worklist.reasons(desk.store, ids)
    happened = desk.dossiers.happenings(ids, until=now, most=LATEST)
    return [
        {"lead": row, "reasons": reasons.get(row.lead_id, []), "latest": happened.get(row.lead_id, [])}
        for row in rows
    ]


@router.post("/answers")
def answer(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    lead_id: Annotated[str, Form(max_length=500)],
    turn: Annotated[int, Form(ge=0, le=1_000_000)],
    kind: Annotated[str, Form(max_length=20)],
    token: Annotated[str, Form(max_length=1000)],
    reason: Annotated[str, Form(max_length=40)] = "",
    words: Annotated[str, Form(max_length=2000)] = "",
    days: Annotated[int, Form(ge=1, le=366)] = 1,
    back: Annotated[str, Form(max_length=3000)] = "/queue",
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    now = desk.clock()
    given = give(
        desk.store,
        lead_id,
        kind,
        turn=turn,
        who=person.name,
        at=now,
        reason=reason or None,
        words=words,
        until=_morning(now, days) if kind == "snoozed" else None,
        anybodys=person.may("ops"),
        address=address_of(request),
    )
    row = worklist.listed(desk.store, lead_id)
    if request.headers.get("x-desk"):
        top = row.high or row.score or 0
        states = {**dict.fromkeys(LISTS, 0), **worklist.states(desk.store, person.name, now=now)}
        each = shown(desk, [row], now)[0]
        return render(
            request, "row_part.html", each=each, reasons=REASONS, back=inside(back), top=top, states=states
        )
    response = RedirectResponse(inside(back), 303)
    undo = {"lead_id": lead_id, "turn": given.turn} if kind != "undone" else {}
    say(request, response, f"You {SAID[kind]} {row.name}.", **undo)
    return response


def _morning(now: datetime, days: int) -> datetime:
    """The beginning of a day to come."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


@router.get("/held")
def held(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    wanted = ListQuery(q=q).wanted(now=now, state="held")
    found = worklist.page_of(desk.store, wanted, page=page, counted=())
    cuts = worklist.cuts(desk.store, [row.lead_id for row in found.rows])
    return render(
        request,
        "held.html",
        wanted=wanted,
        page=page,
        given={"q": q} if q else {},
        found=found,
        rows=[each | {"cut": cuts.get(each["lead"].lead_id)} for each in shown(desk, found.rows, now)],
        pursue_days=desk.settings.label.pursue_days,
        reasons=REASONS,
        top=max([row.high or row.score or 0 for row in found.rows], default=0),
    )
