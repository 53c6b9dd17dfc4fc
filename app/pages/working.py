"""What a rep does beside single answers: several leads answered at once, notes and next steps, and lists kept
under a name.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from app.desk import desk_of
from app.pages.queue import answer_of
from app.pages.rendering import back_with, inside, render
from app.sessions import AskedFirst, address_of, at_least, check_form, signed_in
from features.errors import UsageError
from pipelines.store.access.users import Person
from pipelines.store.work.assignment import pass_on, team
from pipelines.store.work.notes import add_note, finish
from pipelines.store.work.views import drop_view, keep_view
from pipelines.store.worklist import states

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
Somebody = Annotated[Person, Depends(signed_in)]
Token = Annotated[str, Form(max_length=1000)]
Back = Annotated[str, Form(max_length=3000)]
MOST_AT_ONCE = 200


@router.post("/answers/several")
def several(
    request: Request,
    person: Somebody,
    token: Token,
    kind: Annotated[str, Form(max_length=20)],
    lead: Annotated[list[str], Form(max_length=MOST_AT_ONCE)] = [],  # noqa: B006 - FastAPI copies it
    reason: Annotated[str, Form(max_length=40)] = "",
    days: Annotated[int, Form(ge=1, le=366)] = 1,
    back: Back = "/queue",
) -> Response:
    """Give one answer to several leads; each stands for itself, and what is refused of one keeps no other."""
    check_form(request, token)
    desk = desk_of(request)
    done, refused = 0, []
    if not lead:
        raise UsageError("no lead is selected; tick some first. Nothing was recorded.")
    for each in lead:
        turn, _, lead_id = each.partition(":")
        try:
            seen = int(turn) if turn.isdecimal() else -1
            answer_of(request, person, lead_id, seen, kind, reason=reason, days=days)
            done += 1
        except UsageError as error:
            refused.append(str(error))
    if not done:
        raise UsageError(refused[0])
    words = f"{desk.settings.words.did(kind, desk.settings.words.counted(done))}."
    if refused:
        words += f" {len(refused):,} not: {desk.settings.words.in_own(refused[0])}"
    return back_with(request, back, words)


@router.post("/assign")
def assign(
    request: Request,
    person: Somebody,
    token: Token,
    to: Annotated[str, Form(max_length=80)] = "",
    lead: Annotated[list[str], Form(max_length=MOST_AT_ONCE)] = [],  # noqa: B006 - FastAPI copies it
    back: Back = "/queue",
) -> Response:
    """Pass leads on to somebody, or back to the pool."""
    check_form(request, token)
    desk = desk_of(request)
    if not lead:
        raise UsageError("no lead is selected; tick some first. Nothing was passed on.")
    count = pass_on(
        desk.store,
        [each.partition(":")[2] for each in lead],
        to or None,
        who=person.name,
        at=desk.clock(),
        anybodys=person.may("ops"),
        team=desk.team_of(person),
        seen_by=desk.seen_by(person),
        address=address_of(request),
    )
    left = f" {len(lead) - count:,} not: they are on another's desk." if count < len(lead) else ""
    where = f"on to {to}" if to else "back to the pool"
    return back_with(request, back, f"You passed {desk.settings.words.counted(count)} {where}.{left}")


@router.get("/team")
def team_page(request: Request, person: Annotated[Person, Depends(at_least("manager"))]) -> Response:
    """The desks of a manager's team, or everybody's; how many somebody took is for managers and administrators."""
    desk = desk_of(request)
    only = desk.team_of(person) if person.role == "manager" else None
    desks = team(desk.store, desk.settings.assignment, now=desk.clock(), only=only)
    pool = states(desk.store, person.name, now=desk.clock())["pool"]
    return render(
        request,
        "team.html",
        desks=desks,
        pool=pool,
        by=desk.settings.assignment.by,
        hours=desk.settings.assignment.answer_hours,
        figures=person.role in ("manager", "admin"),
    )


@router.post("/notes")
def write_note(
    request: Request,
    person: Somebody,
    token: Token,
    lead_id: Annotated[str, Form(max_length=500)],
    words: Annotated[str, Form(max_length=2000)] = "",
    due: Annotated[str, Form(max_length=10)] = "",
    back: Back = "/queue",
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    day = _day(due)
    add_note(
        desk.store,
        lead_id,
        words,
        who=person.name,
        at=desk.clock(),
        due=day,
        seen_by=desk.seen_by(person),
        address=address_of(request),
    )
    return back_with(
        request, back, "The note is kept." if day is None else f"The next step is kept for {day:%-d %b}."
    )


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d") if text else None
    except ValueError:
        raise UsageError(f"'{text}' is no day: say it like 2026-03-31; nothing was recorded.") from None


@router.post("/notes/done")
def step_done(
    request: Request,
    person: Somebody,
    token: Token,
    entry: Annotated[int, Form(ge=1)],
    back: Back = "/queue",
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    seen_by, address = desk.seen_by(person), address_of(request)
    finish(desk.store, entry, who=person.name, at=desk.clock(), seen_by=seen_by, address=address)
    return back_with(request, back, "The next step is done.")


@router.post("/views")
def keep(
    request: Request,
    person: Somebody,
    token: Token,
    title: Annotated[str, Form(max_length=200)],
    back: Back = "/queue",
) -> Response:
    check_form(request, token)
    keep_view(desk_of(request).store, person.name, title, inside(back))
    return back_with(request, back, f"This list is kept as “{' '.join(title.split())}”.")


@router.post("/views/remove")
def remove(
    request: Request,
    person: Somebody,
    token: Token,
    title: Annotated[str, Form(max_length=200)],
    back: Back = "/queue",
) -> Response:
    check_form(request, token)
    drop_view(desk_of(request).store, person.name, title)
    return back_with(request, back, f"“{title}” is kept no longer.")
