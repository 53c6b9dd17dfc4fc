"""Pages from templates, and the filters that show figures and times as a rep would say them.

Everything a page shows is text unless a template of ours says otherwise.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from app.desk import desk_of
from app.sessions import cookie, drop_cookie, form_token, keep_before, person_at, set_cookie
from models.policy.decisions import ECONOMIC
from models.policy.rules import BY
from pipelines.reports import formats
from pipelines.reports.formats import chances, money, number
from pipelines.store.worklist import Told

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+?[\d ()/-]{5,25}")
FOLDER = Path(__file__).parents[1]
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SAID = "leadsieve_said"


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits: ``4 minutes``, ``3 hours``, ``12 days``."""
    if then is None:
        return "–"
    seconds = (now - then).total_seconds()
    if seconds < 0:
        return "ahead"
    for unit, length in (
        ("year", 31_557_600),
        ("month", 2_629_800),
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
    ):
        if seconds >= length * (2 if unit in ("year", "month") else 1):
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count != 1)}"
    return "just now"


def ago_words(then: datetime | None, now: datetime) -> str:
    """``3 hours ago``, or ``just now``."""
    said = ago(then, now)
    return said if said in ("–", "just now", "ahead") else f"{said} ago"


def percent(share: float | None, places: int = 0) -> str:
    """A share in words; small ones keep a decimal, an absent one is a dash."""
    return formats.percent(share, places) if places else formats.chance(share)


def plainly(word: str) -> str:
    """A source's own word, as ``email_open``, with spaces for its underscores."""
    return word.replace("_", " ").strip()


def reason(sentence: str) -> tuple[bool, str]:
    """Whether a reason counts for the lead, and its words without saying so."""
    for start, favours in (("counts for it: ", True), ("counts against it: ", False)):
        if sentence.startswith(start):
            words = sentence.removeprefix(start)
            return favours, plainly(words[:1].upper() + words[1:])
    return True, sentence


def held_words(cut_by: str | None) -> str:
    """Why a lead is held, in a few words, by whose cut it is."""
    if cut_by and cut_by.startswith(BY):
        return f"Rule: {cut_by.removeprefix(BY)}"
    return "Costs more than it brings" if cut_by == ECONOMIC else "Chance below the line"


def day(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%-d %b %Y}"


def plus(moment: datetime, days: float) -> datetime:
    return moment + timedelta(days=days)


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def known(value: object, column: str) -> str | Markup:
    """An attribute to read; addresses and telephone numbers can be followed."""
    if isinstance(value, datetime):
        return minute(value) if value.time() else day(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
    text = str(value)
    if _MAIL.fullmatch(text):
        return Markup('<a href="mailto:{0}">{0}</a>').format(text)
    if "phone" in column.lower() and _PHONE.fullmatch(text):
        return Markup('<a href="tel:{}">{}</a>').format(text.replace(" ", ""), text)
    return text


def minute(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%-d %b %Y, %H:%M}"


def few(told: list[Told], most: int = 3) -> list[Told]:
    """The reasons that fit into a row: the strongest, and among them one that speaks against the lead where
    there is one.
    """
    against = next((each for each in told if not reason(each.words)[0]), None)
    favouring = [each for each in told if each is not against][: most - (against is not None)]
    return [*favouring, against] if against else favouring


def favouring(told: list[Told]) -> list[Told]:
    """The reasons that count for a lead."""
    return [each for each in told if reason(each.words)[0]]


FILTERS = (
    held_words,
    favouring,
    ago,
    ago_words,
    percent,
    chances,
    money,
    number,
    plainly,
    reason,
    few,
    day,
    minute,
    plus,
    ordinal,
    known,
)
TEMPLATES.filters.update({each.__name__: each for each in FILTERS})


TEMPLATES.filters.update(
    path=lambda text: quote(text, safe=""), query=lambda pairs: urlencode(pairs, doseq=True)
)


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part of one; every template knows who is there, the time, and what was said after the last
    form.
    """
    desk = desk_of(request)
    said = _said(request)
    shown = {
        "person": person_at(request),
        "now": desk.clock(),
        "currency": desk.settings.desk.currency,
        "company": desk.settings.desk.company,
        "assigning": desk.settings.assignment.on,
        "lead_url": desk.settings.desk.lead_url,
        "term": desk.settings.words,
        "here": request.url.path,
        "address": _address(request),
        "said": said,
        "token": form_token(request),
    }
    response = HTMLResponse(TEMPLATES.get_template(template).render(**shown | values), status)
    if shown["person"] is None:
        keep_before(request, response)
    if said is not None:
        drop_cookie(request, response, SAID)
    return response


def say(request: Request, response: Response, message: str, **more: Any) -> None:
    """Let the next page begin with a message, and perhaps with what can be done about it."""
    text = URLSafeSerializer(desk_of(request).secret, salt="said").dumps({"message": message, **more})
    set_cookie(request, response, SAID, text, seconds=60)


def back_with(request: Request, to: str, message: str, **more: Any) -> Response:
    """The way back to a page of ours, which begins with a message, as ``say`` has it."""
    response = RedirectResponse(inside(to), 303)
    say(request, response, message, **more)
    return response


def _said(request: Request) -> dict[str, Any] | None:
    try:
        return URLSafeSerializer(desk_of(request).secret, salt="said").loads(cookie(request, SAID) or "")
    except BadSignature:
        return None


def _address(request: Request) -> str:
    """Path and query of a page, to come back to."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def inside(address: str | None, otherwise: str = "/queue") -> str:
    """An address of ours to go back to; anything that could lead elsewhere is not one."""
    good = (
        address
        and address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and address.isprintable()
    )
    return address if good else otherwise
