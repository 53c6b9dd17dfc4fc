"""The queue: whom to call first and why, the answers that any page gives, and the leads that are held.

What is wanted stands in the address, so that it can be kept and passed on.
"""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import QueryParams

from app.api.queries import ListQuery, given_in, given_of, morning
from app.desk import Desk, desk_of
from app.pages.rendering import back_with, held_words, inside, plainly, render
from app.sessions import AskedFirst, address_of, check_form, signed_in
from pipelines.sources.lead_lookup import Painter
from pipelines.store import worklist
from pipelines.store.access.users import Person, people
from pipelines.store.answers import REASONS, Answer, give
from pipelines.store.filters import DecisionFilter
from pipelines.store.work.views import views_of
from pipelines.store.worklist import A_PAGE, COUNTED, COUNTED_HELD, Listed

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
LATEST = 2  # happenings shown with each lead
LISTS = {
    "desk": "My desk",
    "team": "My team",
    "pool": "Pool",
    "open": "Waiting",
    "mine": "Mine",
    "snoozed": "Put off",
    "rejected": "",
    "accepted": "",
}  # the last two by the company's terms
DESKS = ("desk", "team", "pool")  # lists of where leads are assigned
STATES = {"mine": "accepted", **dict.fromkeys(DESKS, "open")}
AGES = {1: "a day", 7: "a week", 30: "a month", 90: "three months"}
# What a list is sorted by, in words; of held leads nothing that tells their score.
ORDERS = {"value": "Value", "score": "Score", "worked": "If worked", "grade": "Grade", "name": "Name", "came": "Age", "channel": "Channel",
          "country": "Country", "owner": "Owner", "due": "Next step"}  # fmt: skip
ORDERS_HELD = {name: ORDERS[name] for name in ("grade", "name", "came", "channel")}


@router.get("/")
def start() -> Response:
    return RedirectResponse("/queue", 303)


@router.get("/queue")
def queue(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[dict, Depends(given_of)],
    list: Annotated[str, Query(max_length=20)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    worklist.wake(desk.store, now=now)
    list = list or first_list(desk, person)
    found = listing(desk, {"list": list, **given}, person, now, page=page)
    rows = shown(desk, found["found"].rows, now, first=A_PAGE * (page - 1))
    return render(request, "queue.html", rows=rows, reasons=REASONS, page=page, **found)


def first_list(desk: Desk, person: Person) -> str:
    """What the queue opens on: a rep's own desk and a manager's team where leads are assigned, else all that
    wait.
    """
    first = {"rep": "desk", "manager": "team"}.get(person.role, "open")
    return first if first in lists_of(desk, person) else "open"


def lists_of(desk: Desk, person: Person) -> dict[str, str]:
    """The lists there are for somebody: desks and the pool only where leads are assigned, the team's for its
    manager.
    """
    left_out = set() if desk.settings.assignment.on else set(DESKS)
    left_out |= set() if person.role == "manager" else {"team"}
    terms = desk.settings.words
    return {name: words or terms.begun(name) for name, words in LISTS.items() if name not in left_out}


def listing(
    desk: Desk, given: dict[str, Any], person: Person, now: datetime, *, page: int = 1
) -> dict[str, Any]:
    """A page of one of the ``LISTS``, or of "held": what its rows, its filters and the counts beside them are
    drawn from.
    """
    name = given.pop("list", "open")
    lists = lists_of(desk, person)
    name = name if name in (*lists, "held") else "open"
    query = ListQuery.of(given)
    orders = ORDERS_HELD if name == "held" else ORDERS
    sort = query.sort if (query.sort or "").removeprefix("-") in orders else None
    wanted = wanted_of(desk, given, name, person, now)
    counted = COUNTED_HELD if name == "held" else COUNTED
    found = worklist.page_of(desk.store, wanted, page=page, counted=counted, sort=sort)
    kept = given if name == "held" else {"list": name, **given}
    return {
        "wanted": wanted,
        "within": query.days,
        "given": kept,
        "chips": chips(query, kept),
        "sort": sort,
        "orders": orders,
        "compact": query.rows == "compact",
        "found": found,
        "states": {
            **dict.fromkeys(lists, 0),
            **worklist.states(
                desk.store, person.name, now=now, team=desk.team_of(person), seen_by=desk.seen_by(person)
            ),
        },
        "views": views_of(desk.store, person.name),
        "lists": lists,
        "people": [each.name for each in people(desk.store)] if desk.settings.assignment.on else [],
        "list": name,
        "ages": AGES,
        "top": max([row.high or row.score or 0 for row in found.rows], default=0),
    }


def chips(query: ListQuery, given: dict[str, Any]) -> list[tuple[str, str]]:
    """Each filter that is set, in words, and what the address asks for without it."""
    set_ = [(f"Grade {letter}", "grade", letter) for letter in query.grade]
    set_ += [
        (f"{name.capitalize()}: {plainly(value)}", name, None)
        for name in ("channel", "country", "owner")
        if (value := getattr(query, name))
    ]
    if query.assigned_to:
        set_.append((f"On the desk of {query.assigned_to}", "assigned_to", None))
    if query.held_by:
        set_.append((held_words(query.held_by), "held_by", None))
    if query.least is not None:
        set_.append((f"Score from {query.least:g} %", "least", None))
    if query.days is not None:
        set_.append((f"Came within {AGES.get(query.days, f'{query.days} days')}", "days", None))
    set_ += [
        (words, name, None)
        for name, words in (("asked", "Please work"), ("due", "Step due today"))
        if getattr(query, name)
    ]
    if query.q:
        set_.append((f"“{query.q}”", "q", None))
    return [(words, urlencode(_without(given, name, value), doseq=True)) for words, name, value in set_]


def _without(given: dict[str, Any], name: str, value: str | None) -> dict[str, Any]:
    left = [each for each in given[name] if each != value] if value else None
    others = {key: kept for key, kept in given.items() if key != name}
    return others | ({name: left} if left else {})


def wanted_of(desk: Desk, given: dict, name: str, person: Person, now: datetime) -> DecisionFilter:
    """What the address of one of somebody's lists asks for, or of "held"; a list that is none of them is the
    queue.
    """
    name = name if name in (*lists_of(desk, person), "held") else "open"
    own: dict[str, dict[str, Any]] = {
        "mine": {"answered_by": person.name},
        "desk": {"assigned_to": person.name},
        "pool": {"assigned_to": ""},
        "team": {"assigned_among": tuple(sorted(desk.team_of(person)))},
    }
    more = {"seen_by": desk.seen_by(person), **own.get(name, {})}
    return ListQuery.of(given).wanted(now=now, state=STATES.get(name, name), **more)


def asked_at(address: str, *, first: str) -> dict[str, Any]:
    """What an address of the queue or of the held leads asks for, as ``listing`` takes it; ``first`` is the
    list of one that names none.
    """
    parts = urlsplit(address)
    sent = QueryParams(parts.query)
    name = "held" if parts.path == "/held" else sent.get("list", "")
    name = first if name == "" or (name == "held" and parts.path != "/held") else name
    return {"list": name, **given_in(sent)}


def shown(desk: Desk, rows: list[Listed], now: datetime, *, first: int = 0) -> list[dict]:
    """Rows of the list with what the log and the snapshot say of them: reasons, what happened lately, and how
    to reach them; with their places in the list from ``first`` on.
    """
    ids = [row.lead_id for row in rows]
    reasons = worklist.reasons(desk.store, ids)
    happened = desk.dossiers.happenings(ids, until=now, most=LATEST)
    painter = Painter(desk.dossiers.columns())
    reached = [column for column in (painter.mail, painter.phone) if column]
    known = desk.dossiers.leads(ids, reached) if reached else {}
    return [
        {
            "lead": row,
            "place": first + place,
            "reasons": reasons.get(row.lead_id, []),
            "latest": happened.get(row.lead_id, []),
            "mail": known.get(row.lead_id, {}).get(painter.mail),
            "phone": known.get(row.lead_id, {}).get(painter.phone),
        }
        for place, row in enumerate(rows)
    ]


def answer_of(
    request: Request,
    person: Person,
    lead_id: str,
    turn: int,
    kind: str,
    *,
    reason: str,
    days: int,
    words: str = "",
) -> Answer:
    """Record what a form answers; ``days`` is how long a lead is put off."""
    desk = desk_of(request)
    now = desk.clock()
    return give(
        desk.store,
        lead_id,
        kind,
        turn=turn,
        who=person.name,
        at=now,
        reason=reason or None,
        words=words,
        until=morning(now, days) if kind == "snoozed" else None,
        anybodys=person.may("ops"),
        seen_by=desk.seen_by(person),
        address=address_of(request),
    )


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
    place: Annotated[int, Form(ge=0, le=10_000_000)] = 0,
    top: Annotated[float, Form(ge=0, le=1)] = 0,
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    now = desk.clock()
    given = answer_of(request, person, lead_id, turn, kind, reason=reason, words=words, days=days)
    row = worklist.listed(desk.store, lead_id)
    if request.headers.get("hx-request"):
        back = inside(back)
        found = listing(desk, asked_at(back, first=first_list(desk, person)), person, now) | {"top": top}
        each = shown(desk, [row], now, first=place)[0]
        return render(request, "answered_part.html", each=each, reasons=REASONS, address=back, **found)
    undo = {"lead_id": lead_id, "turn": given.turn} if kind != "undone" else {}
    return back_with(request, back, f"{desk.settings.words.did(kind, row.name)}.", **undo)


@router.get("/held")
def held(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[dict, Depends(given_of)],
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    given.pop("least", None)  # beside a score that somebody asked for, scores of held leads could be told
    found = listing(desk, {**given, "list": "held"}, person, now, page=page)
    rows = found["found"].rows
    cuts = worklist.cuts(desk.store, [row.lead_id for row in rows])
    rows = [
        each | {"cut": cuts.get(each["lead"].lead_id)}
        for each in shown(desk, rows, now, first=A_PAGE * (page - 1))
    ]
    return render(
        request,
        "held.html",
        rows=rows,
        pursue_days=desk.settings.label.pursue_days,
        reasons=REASONS,
        page=page,
        **found,
    )
