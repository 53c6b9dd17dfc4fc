"""Held leads: why, until when, and how to pull one out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.desk import desk_of
from app.pages_queue import shown
from app.rendering import render
from app.sessions import signed_in
from pipelines import worklist
from pipelines.answers import REASONS
from pipelines.people import Person
from pipelines.worklist import Wish

router = APIRouter(include_in_schema=False)


@router.get("/held")
def held(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    desk = desk_of(request)
    now = desk.clock()
    wish = Wish(state="held", search=q, page=page)
    found = worklist.page_of(desk.store, wish, now=now, counted=())
    cuts = worklist.cuts(desk.store, [row.lead_id for row in found.rows])
    return render(
        request,
        "held.html",
        wish=wish,
        given={"q": q} if q else {},
        found=found,
        rows=[each | {"cut": cuts.get(each["lead"].lead_id)} for each in shown(desk, found.rows, now)],
        pursue_days=desk.settings.label.pursue_days,
        reasons=REASONS,
        top=max([row.high or row.chance or 0 for row in found.rows], default=0),
    )
