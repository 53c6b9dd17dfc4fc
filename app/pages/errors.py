"""What a person sees when something is refused or fails: one sentence, and the way on."""

from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.api.errors import AGAIN, EXHAUSTED, OUTSIDE
from app.desk import desk_of
from app.pages.rendering import inside, render
from app.scoring.uploads import BusyError
from app.sessions import (
    ForbiddenError,
    NotSignedInError,
    StaleFormError,
    TemporaryPasswordError,
    note_refused,
    person_at,
)
from features.errors import LeadsieveError, UnreachableError, refused_by_the_system
from pipelines.store.access.passwords import TooManyTriesError
from pipelines.store.access.users import NotAllowedError
from pipelines.store.answers import TooLateError

SENTENCES = {404: "There is no such page.", 405: "This page takes no such request."}


def answer_in(app: FastAPI) -> None:
    """Let an app answer refusals with pages."""
    for kind, handler in (
        (NotSignedInError, _not_signed_in),
        (ForbiddenError, _forbidden),
        (NotAllowedError, _forbidden),
        (TemporaryPasswordError, _temporary),
        (StaleFormError, _stale),
        (LeadsieveError, _refused),
        *((kind, _exhausted) for kind in EXHAUSTED),
        *((kind, _out_of_reach) for kind in OUTSIDE),
        (RequestValidationError, _misfilled),
        (HTTPException, _by_status),
        (500, _bug),
    ):
        app.add_exception_handler(kind, handler)


def refusal(request: Request, status: int, message: str) -> Response:
    """A page that says why not; a part of one where a script of ours asked."""
    template = "refusal_part.html" if request.headers.get("hx-request") else "refusal.html"
    try:
        person_at(request)
    except LeadsieveError:
        request.state.person = None  # a refusal needs no store: it may be what is refused for
    message = desk_of(request).settings.words.in_own(message)
    back = inside(request.headers.get("referer", "").removeprefix(str(request.base_url).rstrip("/")))
    response = render(request, template, status=status, code=status, message=message, back=back)
    if status == 503:
        response.headers["Retry-After"] = str(AGAIN)
    return response


def _not_signed_in(request: Request, _error: Exception) -> Response:
    if request.method == "GET":
        return RedirectResponse(f"/sign-in?{urlencode({'next': _here(request)})}", 303)
    return refusal(request, 401, "You are not signed in any more; nothing was done. Sign in and try again.")


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _forbidden(request: Request, _error: Exception) -> Response:
    note_refused(request, f"may not: {request.method} {request.url.path}")
    return refusal(
        request,
        403,
        "Your role may not see or do this; nothing was done. An administrator can change your role.",
    )


def _temporary(request: Request, _error: Exception) -> Response:
    if request.method == "GET":
        return RedirectResponse("/password", 303)
    return refusal(request, 403, "Change your password first; nothing was done.")


def _stale(request: Request, _error: Exception) -> Response:
    note_refused(request, f"a form that is not of the session: {request.url.path}")
    message = "This form is not of your session, which may have ended; nothing was done. Load the page again and repeat it."
    return refusal(request, 403, message)


def _refused(request: Request, error: LeadsieveError) -> Response:
    status = 409 if isinstance(error, TooLateError) else 429 if isinstance(error, TooManyTriesError) else 400
    if isinstance(error, UnreachableError):
        request.state.person = None  # who is there is not asked again of a store that does not answer
    if isinstance(error, TooManyTriesError):
        note_refused(request, f"too many wrong passwords: {request.url.path}")
    return refusal(
        request,
        503 if isinstance(error, UnreachableError | BusyError) else status,
        str(error)[:1].upper() + str(error)[1:],
    )


def _exhausted(request: Request, _error: Exception) -> Response:
    message = "There is not enough memory for this just now; nothing was done. Try again in a few seconds."
    return refusal(request, 503, message)


def _out_of_reach(request: Request, error: Exception) -> Response:
    if refusal := refused_by_the_system(error):
        return _refused(request, refusal)
    raise error


def _misfilled(request: Request, error: RequestValidationError) -> Response:
    fields = ", ".join(dict.fromkeys(str(each["loc"][-1]) for each in error.errors()))
    return refusal(request, 400, f"What was sent cannot be read; nothing was done. Look at: {fields}.")


def _by_status(request: Request, error: HTTPException) -> Response:
    return refusal(request, error.status_code, SENTENCES.get(error.status_code, str(error.detail)))


def _bug(request: Request, _error: Exception) -> Response:
    return refusal(
        request,
        500,
        "Something is wrong with Leadsieve itself, not with what you did; nothing half-done was kept.",
    )
