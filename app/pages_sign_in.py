"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.desk import desk_of
from app.rendering import inside, render
from app.sessions import LONGEST_PASSWORD, address_of, begin, check_form, end, person_at, session_token, signed_in
from pipelines import people
from pipelines.people import Person

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/queue") -> Response:
    if person_at(request):
        return RedirectResponse(inside(next), 303)
    return render(request, "sign_in.html", next=inside(next), wrong=False, nobody=not people.people(desk_of(request).store))


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=LONGEST_PASSWORD)],
    token: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/queue",
) -> Response:
    check_form(request, token, "sign in")
    desk = desk_of(request)
    session = people.sign_in(desk.store, name, password, at=desk.clock(), address=address_of(request))
    if session is None:
        return render(request, "sign_in.html", status=401, next=inside(next), wrong=True, nobody=False)
    response = RedirectResponse(inside(next), 303)
    begin(request, response, session)
    return response


@router.post("/sign-out")
def sign_out(request: Request, token: Annotated[str, Form()], person: Annotated[Person, Depends(signed_in)]) -> Response:
    check_form(request, token, "sign out")
    desk = desk_of(request)
    if session := session_token(request):
        people.sign_out(desk.store, session, person.name, at=desk.clock(), address=address_of(request))
    response = RedirectResponse("/sign-in", 303)
    end(response)
    return response
