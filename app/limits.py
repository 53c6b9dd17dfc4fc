"""How much a request may send: counted as it comes, whatever it says of its own length."""

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
