"""Refusals of the API: RFC 9457 problem documents, which name every field that is wrong."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from duckdb import IOException, OutOfMemoryException
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.schemas import Breach, Problem
from app.sessions import ForbiddenError, NotSignedInError, note_refused
from features.errors import LeadsieveError, UnreachableError, refused_by_the_system
from pipelines.store.answers import TooLateError

MOST_ERRORS = 100
AGAIN = 10  # seconds until one may ask again for what is not to be had now
EXHAUSTED = (MemoryError, OutOfMemoryException)
OUTSIDE = (OSError, IOException)  # of the disk, if they are no bug
TITLES = {422: "The request breaks its contract"}


class RefusedError(Exception):
    """A request that cannot be answered, with everything that is wrong with it."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[Breach] = (), *, after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.after = status, detail, errors, after


def problem(
    status: int, detail: str, errors: Sequence[Breach] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem document."""
    more = len(errors) - MOST_ERRORS
    if more > 0:
        detail = f"{detail} {more:,} more errors are not listed."
    title = TITLES.get(status) or HTTPStatus(status).phrase
    told = Problem(
        type="about:blank", title=title, status=status, detail=detail, errors=list(errors[:MOST_ERRORS])
    )
    return JSONResponse(told.model_dump(), status, headers=headers, media_type="application/problem+json")


def answer_in(app: FastAPI) -> None:
    """Let an app answer refusals with problem documents. What needs no store to say so waits for no thread, which
    others may hold who wait for the store.
    """
    for kind, handler in (
        (RefusedError, _refused),
        (RequestValidationError, _misfilled),
        (HTTPException, _by_status),
        (NotSignedInError, _no_key),
        (ForbiddenError, _forbidden),
        (LeadsieveError, _failed),
        *((kind, _exhausted) for kind in EXHAUSTED),
        *((kind, _out_of_reach) for kind in OUTSIDE),
        (500, _bug),
    ):
        app.add_exception_handler(kind, handler)


def pointer(location: Sequence[str | int]) -> str:
    """Where a value is: a JSON pointer into the body, or a parameter's name."""
    place, *rest = location
    if place != "body":
        return str(rest[0]) if rest else str(place)
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest)


async def _misfilled(_request: Request, error: RequestValidationError) -> JSONResponse:
    found = {}
    for each in error.errors():
        if each["type"] == "json_invalid":
            found[""] = f"the body is no JSON from character {each['loc'][-1]} on: {each['ctx']['error']}"
        elif each["type"] == "model_attributes_type":
            found[pointer(each["loc"])] = (
                "is no JSON object; a body is sent with Content-Type: application/json"
            )
        else:
            said = each["msg"].removeprefix("Value error, ").rstrip(".")
            found.setdefault(pointer(each["loc"]), said[:1].lower() + said[1:])
    count = "one value" if len(found) == 1 else f"{len(found):,} values"
    errors = [Breach(pointer=where, detail=said) for where, said in found.items()]
    return problem(422, f"{count} cannot be used; nothing was done.", errors)


async def _refused(_request: Request, error: RefusedError) -> JSONResponse:
    headers = None if error.after is None else {"Retry-After": str(error.after)}
    return problem(error.status, error.detail, error.errors, headers)


async def _by_status(_request: Request, error: HTTPException) -> JSONResponse:
    said = {404: "There is nothing at this address.", 405: "This address takes no such request."}
    return problem(error.status_code, said.get(error.status_code, str(error.detail)), headers=error.headers)


def _no_key(request: Request, _error: Exception) -> JSONResponse:
    if sent := request.headers.get("Authorization"):
        key_id = re.match(r"Bearer ls_(\w{8})_", sent, re.ASCII)  # which is no secret
        note_refused(request, f"a key that is not in use{f': {key_id[1]}' if key_id else ''}")
    detail = "Send a key that is in use: Authorization: Bearer ls_…; leadsieve key make gives one. Nothing was done."
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _forbidden(request: Request, _error: Exception) -> JSONResponse:
    note_refused(request, f"may not: {request.method} {request.url.path}")
    return problem(403, "This key's role may not do this; nothing was done. Make a key with another role.")


async def _failed(_request: Request, error: LeadsieveError) -> JSONResponse:
    status = 503 if isinstance(error, UnreachableError) else 409 if isinstance(error, TooLateError) else 422
    headers = {"Retry-After": str(AGAIN)} if status == 503 else None
    return problem(status, str(error)[:1].upper() + str(error)[1:], headers=headers)


async def _exhausted(_request: Request, _error: Exception) -> JSONResponse:
    detail = "There is not enough memory for this just now; nothing was done. Try again in a few seconds."
    return problem(503, detail, headers={"Retry-After": str(AGAIN)})


async def _out_of_reach(request: Request, error: Exception) -> JSONResponse:
    if refusal := refused_by_the_system(error):
        return await _failed(request, refusal)
    raise error


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    return problem(
        500, "Something is wrong with Leadsieve itself, not with the request; nothing half-done was kept."
    )
