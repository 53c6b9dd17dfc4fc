"""Who is there, and whether a form is one of ours: signed cookies, and a token for each session."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.concurrency import run_in_threadpool

from app.desk import Desk, desk_of
from features.errors import LeadsieveError
from pipelines.store.access import users
from pipelines.store.access.audit import note_refusal
from pipelines.store.access.sessions import in_session
from pipelines.store.access.users import Person, Role

COOKIE, BEFORE = "leadsieve", "leadsieve_before"
THROUGH = "leadsieve.through_proxy"


class NotSignedInError(Exception):
    """Nobody is there."""


class ForbiddenError(Exception):
    """Who is there may not do this."""


class TemporaryPasswordError(Exception):
    """Who is there has a password that others know, and has to change it first."""


class StaleFormError(Exception):
    """A form that is not ours, or not of this session."""


def person_at(request: Request) -> Person | None:
    """Who is at the desk: by session, or where that is switched on, by the header of a trusted proxy."""
    if not hasattr(request.state, "person"):
        request.state.person = _by_proxy(request) or _by_session(request)
    return request.state.person


def somebody(request: Request) -> Person:
    """Who is at the desk; somebody has to be, if only to change a password or to go."""
    person = person_at(request)
    if person is None:
        raise NotSignedInError
    return person


def signed_in(request: Request) -> Person:
    """Who is at the desk, with a password that nobody else knows."""
    person = somebody(request)
    if person.temporary:
        raise TemporaryPasswordError
    return person


def at_least(role: Role) -> Callable[[Request], Person]:
    """A dependency: who is there may do what this role may."""

    def allowed(request: Request) -> Person:
        person = signed_in(request)
        if not person.may(role):
            raise ForbiddenError
        return person

    return first(allowed)


GATES: set[Callable] = set()


def first(gate: Callable) -> Callable:
    """Let a dependency that asks who is there be asked before a body is read, wherever it guards a route."""
    GATES.add(gate)
    return gate


first(somebody)
first(signed_in)


class AskedFirst(APIRoute):
    """A route that reads nothing of what was sent before it knows who sent it: what strangers send costs
    nothing.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        gates = [each.call for each in self.dependant.dependencies if each.call in GATES]

        async def asked(request: Request) -> Response:
            for gate in gates:
                await run_in_threadpool(gate, request)
            await self.look(request)
            return await handler(request)

        return asked

    async def look(self, request: Request) -> None:
        """Refuse a body before it is read into objects."""


def note_refused(request: Request, words: str, *, who: str | None = None) -> None:
    """Note in the audit log that something was refused; where the log is out of reach, the refusal stands
    nevertheless.
    """
    with suppress(LeadsieveError):
        if who is None:
            person = person_at(request)
            who = person.name if person else "nobody"
        desk = desk_of(request)
        note_refusal(desk.store, desk.clock(), who, words, address=address_of(request))


def _by_session(request: Request) -> Person | None:
    token, desk = session_token(request), desk_of(request)
    if token is None:
        return None
    return in_session(desk.store, token, at=desk.clock(), idle=desk.settings.desk.idle)


def _by_proxy(request: Request) -> Person | None:
    desk = desk_of(request)
    header = desk.settings.desk.identity_header
    name = request.headers.get(header) if header and request.scope[THROUGH] else None
    return users.person(desk.store, name) if name else None


def session_token(request: Request) -> str | None:
    """What the session's cookie holds, if we have signed it."""
    try:
        return _signer(desk_of(request)).loads(cookie(request, COOKIE) or "")
    except BadSignature:
        return None


def begin(request: Request, response: Response, token: str) -> None:
    """Let the browser keep a session until it closes."""
    set_cookie(request, response, COOKIE, _signer(desk_of(request)).dumps(token))
    drop_cookie(request, response, BEFORE)


def end(request: Request, response: Response) -> None:
    """Let the browser forget a session, and what it kept of its pages."""
    drop_cookie(request, response, COOKIE)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def cookie(request: Request, name: str) -> str | None:
    """A cookie of ours."""
    return request.cookies.get(_named(request, name))


def set_cookie(
    request: Request, response: Response, name: str, value: str, *, seconds: int | None = None
) -> None:
    """Let the browser keep something that no script and no other site sees."""
    secure = request.url.scheme == "https"
    name = _named(request, name)
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure, path="/")


def drop_cookie(request: Request, response: Response, name: str) -> None:
    secure = request.url.scheme == "https"
    response.delete_cookie(_named(request, name), httponly=True, samesite="lax", secure=secure, path="/")


def _named(request: Request, name: str) -> str:
    """Behind TLS a name that browsers take from this very host alone, and over TLS alone."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def form_token(request: Request) -> str:
    """What every form of a session carries, and no page of another site knows.

    A form that is sent twice does no harm: the second answer to a lead is refused by its turn.
    """
    secret = desk_of(request).secret.encode()
    return hmac.new(secret, f"form {_whose(request)}".encode(), hashlib.sha256).hexdigest()


def check_form(request: Request, token: str) -> None:
    """Raise StaleFormError unless a form is of this session."""
    if not hmac.compare_digest(form_token(request).encode(), token.encode()):
        raise StaleFormError


def _whose(request: Request) -> str:
    """What ties a form to a browser: the session, the proxy's name for the person, or before signing in a
    cookie of its own.
    """
    person = person_at(request)
    if person is None:
        return f"before {before(request)}"
    return f"session {token}" if (token := session_token(request)) else f"proxy {person.name}"


def before(request: Request) -> str:
    """The value that ties the sign-in form to this browser."""
    if not hasattr(request.state, "before"):
        request.state.before = cookie(request, BEFORE) or secrets.token_urlsafe(18)
    return request.state.before


def keep_before(request: Request, response: Response) -> None:
    set_cookie(request, response, BEFORE, before(request))


def address_of(request: Request) -> str | None:
    """The network address that a request came from."""
    return request.client.host if request.client else None


# What a browser calls itself, the first that is found: most of them name those that they are like as well.
BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
            "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "CrOS": "ChromeOS", "Windows": "Windows", "Mac OS": "Mac",
           "Linux": "Linux"}  # fmt: skip


def browser_of(request: Request) -> str:
    """Which browser asks, in words such as "Firefox on Windows": all that is kept of what it says of itself."""
    said = request.headers.get("User-Agent", "")
    browser = next((words for name, words in BROWSERS.items() if name in said), "A browser")
    system = next((words for name, words in SYSTEMS.items() if name in said), None)
    return f"{browser} on {system}" if system else browser


def _signer(desk: Desk) -> URLSafeSerializer:
    return URLSafeSerializer(desk.secret, salt="session")
