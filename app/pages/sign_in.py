"""Signing in and out, with a password or through the company."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeSerializer

from app.desk import Desk, desk_of
from app.openid import LONGEST_WAY, NotProvenError, Provider, Way
from app.pages.rendering import inside, render
from app.sessions import (
    AskedFirst,
    address_of,
    begin,
    browser_of,
    check_form,
    cookie,
    drop_cookie,
    end,
    note_refused,
    person_at,
    session_token,
    set_cookie,
    somebody,
)
from features.errors import UsageError
from pipelines.store.access import company, passwords, sessions, users
from pipelines.store.access.users import Person

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
WAY = "leadsieve_way"


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/queue") -> Response:
    if person_at(request):
        return RedirectResponse(inside(next), 303)
    return _page(request, next, nobody=not users.people(desk_of(request).store))


def _page(
    request: Request, next: str, *, status: int = 200, wrong: str = "", nobody: bool = False
) -> Response:
    desk = desk_of(request).settings.desk
    values = {"oidc": desk.oidc, "passwords": desk.passwords, "wrong": wrong, "nobody": nobody}
    return render(request, "sign_in.html", status=status, next=inside(next), **values)


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=passwords.LONGEST)],
    token: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/queue",
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    if not desk.settings.desk.passwords:
        raise UsageError("no password opens this desk: your company signs you in.")
    session = sessions.sign_in(
        desk.store,
        name,
        password,
        at=desk.clock(),
        address=address_of(request),
        browser=browser_of(request),
        instead_of=session_token(request),
    )
    if session is None:
        return _page(request, next, status=401, wrong="Name or password is wrong.")
    response = RedirectResponse(inside(next), 303)
    begin(request, response, session)
    return response


@router.post("/sign-out")
def sign_out(
    request: Request, token: Annotated[str, Form()], person: Annotated[Person, Depends(somebody)]
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    if session := session_token(request):
        sessions.sign_out(desk.store, session, person.name, at=desk.clock(), address=address_of(request))
    response = RedirectResponse("/sign-in", 303)
    end(request, response)
    return response


def by_company(request: Request) -> Provider:
    """The company's sign-in."""
    if (provider := desk_of(request).provider) is None:
        raise UsageError(
            "this desk knows no sign-in of a company; [desk.oidc] in the configuration names one."
        )
    return provider


Company = Annotated[Provider, Depends(by_company)]


@router.get("/sign-in/company")
def to_company(request: Request, provider: Company, next: str = "/queue") -> Response:
    """Go to the provider, with what ties the way back to this browser."""
    desk = desk_of(request)
    url, way = provider.way_out(_here(request), inside(next), at=desk.clock())
    response = RedirectResponse(url, 303)
    kept = _signer(desk).dumps(way.kept())
    set_cookie(request, response, WAY, kept, seconds=int(LONGEST_WAY.total_seconds()))
    return response


@router.get("/sign-in/company/back")
def from_company(request: Request, provider: Company) -> Response:
    """Whoever comes back is let in, or told in a sentence why not."""
    desk, address = desk_of(request), address_of(request)
    passwords.count_try(desk.store, None, at=desk.clock(), address=address)
    try:
        way = Way(**_signer(desk).loads(cookie(request, WAY) or ""))
    except BadSignature:
        return _refused(request, "this browser has set out on no such way, or it took too long")
    try:
        claimed = provider.way_back(_here(request), way, request.query_params, at=desk.clock())
        session = company.enter(
            desk.store,
            claimed,
            gives_roles=bool(provider.settings.roles),
            create=provider.settings.create,
            passwords_open=provider.settings.passwords,
            at=desk.clock(),
            address=address,
            browser=browser_of(request),
            instead_of=session_token(request),
        )
    except NotProvenError as error:
        return _refused(request, str(error))
    except company.NotLetInError as error:  # which is in the audit log already
        return _without_way(request, _page(request, way.next, status=403, wrong=_sentence(str(error))))
    response = RedirectResponse(inside(way.next), 303)
    begin(request, response, session)
    return _without_way(request, response)


@router.get("/sign-in/company/end")
def end_at_company(request: Request, provider: Company) -> Response:
    """Go where one signs out at the provider, too."""
    return RedirectResponse(provider.end(at=desk_of(request).clock()) or "/sign-in", 303)


def _refused(request: Request, why: str) -> Response:
    note_refused(request, f"sign-in through the company: {why}")
    wrong = f"You are not signed in: {why}. Try again from this page."
    return _without_way(request, _page(request, "/queue", status=403, wrong=wrong))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _without_way(request: Request, response: Response) -> Response:
    drop_cookie(request, response, WAY)
    return response


def _here(request: Request) -> str:
    """Where the provider leads back to: the desk, under the name by which this browser reaches it."""
    return str(request.url_for("from_company"))


def _signer(desk: Desk) -> URLSafeSerializer:
    return URLSafeSerializer(desk.secret, salt="way to the company")
