"""What every answer carries and every request must keep.

A strict content policy, our own hosts, no forms from elsewhere; a limit on what a request may send, counted
as it comes, whatever it says of its own length; and a proxy in front of the desk, believed only where it was
named.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import anyio
from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.errors import problem
from app.sessions import THROUGH, note_refused

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LONGEST_FORM = 64_000  # bytes
SLOWEST = 30  # seconds that the next part of a body may take


class SecurityHeaders:
    """Middleware around all others, so that also what a bug answers carries the policy."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault(
                        "Cache-Control", "no-store"
                    )  # names of people stay in no shared machine's cache
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class Guard:
    """Middleware that lets in what comes under our names, from our own pages, and within limits.

    A body is counted as it comes, whatever it says of its own length; more than it may hold is a 413, which
    the app's own handlers word.

    Parameters
    ----------
    app : ASGI app
    hosts : tuple of str
        Names under which the desk may be reached; ``*.example.com`` stands for all below.
    largest : mapping of str to int
        Bytes that a body may hold, by the beginning of the path; any other path takes a form.
    """

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], largest: Mapping[str, int]) -> None:
        self.app, self.hosts, self.largest = app, hosts, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, headers = scope["path"], Headers(scope=scope)
        most = next((size for start, size in self.largest.items() if path.startswith(start)), LONGEST_FORM)
        refused = self._refused(scope["method"], path, headers, most)
        if refused is None:
            await self.app(scope, _counted(receive, most), send)
            return
        if refused.status_code == 403:
            await run_in_threadpool(note_refused, Request(scope), f"from another site: {path}", who="nobody")
        await refused(scope, receive, send)

    def _refused(self, method: str, path: str, headers: Headers, most: int) -> Response | None:
        """What is said to a request that goes no further."""
        if not self._ours(headers.get("host", "")):
            return _refusal(
                path,
                400,
                "This desk is not reached under this name; nothing was done. [desk] hosts in the configuration adds one.",
            )
        if method not in ("GET", "HEAD", "OPTIONS") and _foreign(headers):
            return _refusal(path, 403, "This form came from another site; nothing was done.")
        told = headers.get("content-length", "")
        if told.isdigit() and int(told) > most:
            return _refusal(path, 413, _too_large(most))
        return None

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return any(
            ours in ("*", name) or (ours.startswith("*.") and name.endswith(ours[1:])) for ours in self.hosts
        )


def _counted(receive: Receive, most: int) -> Receive:
    """A body's parts, no more than so many bytes, and none that lets us wait."""
    left, more = most, True

    async def counted() -> Message:
        nonlocal left, more
        if not more:  # whoever still listens waits for the other end to go
            return await receive()
        with anyio.move_on_after(SLOWEST) as waiting:
            message = await receive()
        if waiting.cancelled_caught:
            raise HTTPException(408, f"Nothing came for {SLOWEST} seconds; nothing was done.")
        left -= len(message.get("body", b""))
        more = message.get("more_body", False)
        if left < 0:
            raise HTTPException(413, _too_large(most))
        return message

    return counted


def _too_large(most: int) -> str:
    return f"This may hold at most {most:,} bytes; nothing was done."


def _refusal(path: str, status: int, detail: str) -> Response:
    """A sentence; to a program a problem document."""
    return problem(status, detail) if f"{path}/".startswith("/api/") else PlainTextResponse(detail, status)


def _foreign(headers: Headers) -> bool:
    """Whether a browser says that a request was made by another site's page."""
    origin = headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc != headers.get("host")
        except ValueError:  # such as http://[
            return True
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


class Proxies(ProxyHeadersMiddleware):
    """Middleware that takes a named proxy's word for address and scheme, and notes that a request came
    through one.

    The note is needed because the address is the browser's from here on, and no more the proxy's.
    """

    # uvicorn has names of its own for the same three
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # ty: ignore[incompatible-method-override]
        peer = scope.get("client")
        scope[THROUGH] = peer is not None and peer[0] in self.trusted_hosts
        await super().__call__(scope, receive, send)
