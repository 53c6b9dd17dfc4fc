"""Requests to other systems: what cannot have arrived is sent again, as late as ``Retry-After`` asks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from features.errors import UnreachableError

TRIES, BACKOFF, LONGEST_WAIT = 5, 0.5, 120.0
SAID = 300  # characters of an answer that are passed on
NOT_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def client(
    base: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    auth: httpx.Auth | None = None,
    again: bool = False,
) -> httpx.Client:
    """A client that waits and tries again where a request was not taken (429, 503) or never arrived.

    ``again`` says that a request may arrive twice without harm, so that lost answers are asked for again, too.
    """
    retry = Retry(
        total=TRIES,
        allowed_methods=METHODS,
        status_forcelist=(429, 502, 503, 504) if again else (429, 503),
        retry_on_exceptions=(*NOT_ARRIVED, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError)
        if again
        else NOT_ARRIVED,
        backoff_factor=BACKOFF,
        max_backoff_wait=LONGEST_WAIT,
    )
    return httpx.Client(
        base_url=base,
        headers=headers,
        auth=auth,
        transport=RetryTransport(httpx.HTTPTransport(), retry),
        timeout=30,
        follow_redirects=False,
    )


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Turn a connection that fails for good into ours."""
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(
            f"{place} does not answer: {str(error) or type(error).__name__}. What was not confirmed stays in the outbox."
        ) from error


def checked(response: httpx.Response, place: str, *, key: str) -> Any:
    """The JSON of an answer.

    Raises
    ------
    UnreachableError
        For any answer but a good one.
    """
    if response.status_code == 401:
        raise UnreachableError(f"{place} does not let us in (401); is {key} in the environment still valid?")
    if not response.is_success:
        raise UnreachableError(f"{place} answers {response.status_code}: {said(response)}")
    return response.json() if response.content else None


def said(response: httpx.Response) -> str:
    """An answer's reason in one line, from the fields that APIs put it into."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, list) and body and isinstance(body[0], dict):
        body = body[0]
    if isinstance(body, dict) and isinstance(words := body.get("message") or body.get("error"), str):
        code = f"{body['errorCode']}: " if body.get("errorCode") else ""
        return code + " ".join(words.split())[:SAID]
    return response.reason_phrase or "no reason given"
