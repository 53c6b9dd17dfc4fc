"""The queue: whom to call first, and why. What is wanted stands in the address, so that it can be kept and passed on."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.desk import Desk, desk_of
from app.rendering import render
from app.sessions import signed_in
from pipelines import worklist
from pipelines.answers import REASONS
from pipelines.people import Person
from pipelines.worklist import Listed, Wish

router = APIRouter(include_in_schema=False)
LATEST = 2  # happenings shown with each lead
LISTS = {"open": "Waiting", "mine": "Mine", "snoozed": "Put off", "rejected": "Turned down", "accepted": "Taken"}
AGES = {1: "a day", 7: "a week", 30: "a month", 90: "three months"}


@router.get("/")
def start() -> Response:
    return RedirectResponse("/queue", 303)


def given_of(
    grade: Annotated[list[str], Query(max_length=8)] = [],  # noqa: B006  FastAPI copies it
    least: Annotated[str, Query(max_length=8)] = "",
    channel: Annotated[str, Query(max_length=200)] = "",
    country: Annotated[str, Query(max_length=200)] = "",
    owner: Annotated[str, Query(max_length=200)] = "",
    days: Annotated[str, Query(max_length=8)] = "",
    asked: Annotated[str, Query(max_length=1)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, str | list[str]]:
    """The filters of an address, as they stand in it; those that are empty are not there."""
    given = {"grade": grade, "least": least, "channel": channel, "country": country, "owner": owner, "days": days, "asked": asked, "q": q}
    return {name: value for name, value in given.items() if value}


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
    wish = wish_of(given, list, person, page)
    found = worklist.page_of(desk.store, wish, now=now)
    return render(
        request,
        "queue.html",
        wish=wish,
        given={"list": list if list in LISTS else "open", **given},
        found=found,
        rows=shown(desk, found.rows, now),
        states=worklist.states(desk.store, person.name, now=now),
        lists=LISTS,
        ages=AGES,
        reasons=REASONS,
        top=max([row.high or row.chance or 0 for row in found.rows], default=0),
    )


def wish_of(given: dict, name: str, person: Person, page: int) -> Wish:
    """What a query asks for; what cannot be read leaves nothing out."""
    number = given.get("least", "").replace(",", ".")
    least = float(number) / 100 if number.replace(".", "", 1).isdigit() and number.isascii() else None
    told = given.get("days", "")
    days = int(told) if told.isdigit() and told.isascii() else None
    return Wish(
        state={"mine": "accepted"}.get(name, name if name in LISTS else "open"),
        by=person.name if name == "mine" else None,
        grades=tuple(each for each in given.get("grade", ()) if each),
        least=least,
        channel=given.get("channel"),
        country=given.get("country"),
        owner=given.get("owner"),
        days=min(days, 36_500) if days else None,
        asked=given.get("asked") == "1",
        search=given.get("q", ""),
        page=page,
    )


def shown(desk: Desk, rows: list[Listed], now: datetime) -> list[dict]:
    """Rows of the list with what the log and the snapshot say of them: reasons, and what happened lately."""
    ids = [row.lead_id for row in rows]
    reasons = worklist.reasons(desk.store, ids)
    happened = desk.dossiers.happenings(ids, until=now, most=LATEST)
    return [{"lead": row, "reasons": reasons.get(row.lead_id, []), "latest": happened.get(row.lead_id, [])} for row in rows]
