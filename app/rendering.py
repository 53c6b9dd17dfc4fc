"""Pages from templates: everything a page shows is text unless a template of ours says otherwise."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from app import words
from app.desk import desk_of
from app.sessions import form_token, keep_before, person_at

FOLDER = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters.update({name: getattr(words, name) for name in words.FILTERS})
TEMPLATES.filters.update(path=lambda text: quote(text, safe=""), query=lambda pairs: urlencode(pairs, doseq=True))
SAID = "leadsieve_said"


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part of one; every template knows who is there, the time, and what was said after the last form."""
    desk = desk_of(request)
    said = _said(request)
    shown = {
        "person": person_at(request),
        "now": desk.clock(),
        "currency": desk.settings.desk.currency,
        "here": request.url.path,
        "address": _address(request),
        "said": said,
        "token": lambda purpose: form_token(request, purpose),
    }
    response = HTMLResponse(TEMPLATES.get_template(template).render(**shown | values), status)
    if shown["person"] is None:
        keep_before(request, response)
    if said is not None:
        response.delete_cookie(SAID)
    return response


def say(request: Request, response: Response, message: str, **more: Any) -> None:
    """Let the next page begin with a message, and perhaps with what can be done about it."""
    text = URLSafeSerializer(desk_of(request).secret, salt="said").dumps({"message": message, **more})
    response.set_cookie(SAID, text, max_age=60, httponly=True, samesite="lax", secure=request.url.scheme == "https")


def _said(request: Request) -> dict[str, Any] | None:
    try:
        return URLSafeSerializer(desk_of(request).secret, salt="said").loads(request.cookies.get(SAID, ""))
    except BadSignature:
        return None


def _address(request: Request) -> str:
    """Path and query of a page, to come back to."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def inside(address: str | None, otherwise: str = "/queue") -> str:
    """An address of ours to go back to; anything that could lead elsewhere is not one."""
    good = address and address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if good else otherwise
