"""Answers, from any page: taken, turned down, put off, undone, pulled out."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.desk import desk_of
from app.pages_queue import LISTS, shown
from app.rendering import inside, render, say
from app.sessions import address_of, check_form, signed_in
from pipelines import worklist
from pipelines.answers import REASONS, SAID, give
from pipelines.people import Person

router = APIRouter(include_in_schema=False)


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
    check_form(request, token, f"answer {lead_id}")
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
        top = row.high or row.chance or 0
        states = {**dict.fromkeys(LISTS, 0), **worklist.states(desk.store, person.name, now=now)}
        each = shown(desk, [row], now)[0]
        return render(request, "row_part.html", each=each, reasons=REASONS, back=inside(back), top=top, states=states)
    response = RedirectResponse(inside(back), 303)
    undo = {"lead_id": lead_id, "turn": given.turn} if kind != "undone" else {}
    say(request, response, f"You {SAID[kind]} {row.name}.", **undo)
    return response


def _morning(now: datetime, days: int) -> datetime:
    """The beginning of a day to come."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
