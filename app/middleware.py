"""What every answer carries and every request must keep.

A strict content policy, our own hosts, no forms from elsewhere; a limit on what a request may send, counted
as it comes, whatever it says of its own length; and a proxy in front of the desk, believed only where it was
named.
"""

from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.errors import problem
from app.sessions import THROUGH

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
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


class Guard:
    """Middleware around the whole app.

    Parameters
    ----------
    app : ASGI app
    hosts : tuple of str
        Names under which the desk may be reached; ``*.example.com`` stands for all below.
    large : tuple of str
        Beginnings of paths that may take more than a form: uploads and the API, which have limits of their
        own.
    """

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], large: tuple[str, ...] = ()) -> None:
        self.app, self.hosts, self.large = app, hosts, large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

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
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        refused = self._refused(scope["method"], scope["path"], Headers(scope=scope))
        await (refused or self.app)(scope, receive, with_headers)

    def _refused(self, method: str, path: str, headers: Headers) -> Response | None:
        """What is said to a request that goes no further."""
        if not self._ours(headers.get("host", "")):
            return _refusal(
                path,
                400,
                "This desk is not reached under this name; nothing was done. [desk] hosts in the configuration adds one.",
            )
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        if _foreign(headers):
            return _refusal(path, 403, "This form came from another site; nothing was done.")
        if not path.startswith(self.large) and _too_large(headers):
            return _refusal(path, 413, "This is more than a form can hold; nothing was done.")
        return None

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return any(
            ours in ("*", name) or (ours.startswith("*.") and name.endswith(ours[1:])) for ours in self.hosts
        )


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


def _too_large(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return not length.isdigit() or int(length) > LONGEST_FORM  # a form without a length is of no browser


class Limit:
    """Middleware that reads no more than so many bytes of a request's body.

    Parameters
    ----------
    app : ASGI app
    most : int
        Bytes; more is a 413, which the app's own handlers word.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        left = self.most

        async def counted() -> Message:
            nonlocal left
            if told.isdigit() and int(told) > self.most:
                raise HTTPException(413, f"A request may hold at most {self.most:,} bytes; nothing was done.")
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"A request may hold at most {self.most:,} bytes; nothing was done.")
            return message

        await self.app(scope, counted, send)


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
