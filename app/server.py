"""How the desk is served: how many connections at once, how long each may take, how large a head may be."""

import asyncio

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 500  # of the 1,024 files that a process commonly may open
AT_ONCE = 50  # that are let in before those that are too many are closed
HEAD_SECONDS = 20  # until a request's head is whole
IDLE_SECONDS = 20  # that a connection may wait for its next request
LARGEST_HEAD = 64_000  # bytes
ENDING_SECONDS = 30  # that answers under way are given when the desk ends


class BoundedConnection(H11Protocol):
    """A connection that is closed at once where there are too many, and soon where no request comes.

    uvicorn's own limits count requests: a thousand connections on which nothing is sent would keep everybody
    else out for as long as they are held.
    """

    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self.waiting = self.loop.call_later(HEAD_SECONDS, self._none_came)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            return  # a head that comes in drops is given no more time
        self._wait_no_more()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_no_more()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self.waiting = self.loop.call_later(HEAD_SECONDS + IDLE_SECONDS, self._none_came)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait_no_more(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _none_came(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()


def server_of(web: ASGIApp) -> uvicorn.Server:
    """What serves the desk."""
    return uvicorn.Server(
        uvicorn.Config(
            web,
            http=BoundedConnection,
            ws="none",
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            backlog=AT_ONCE,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=ENDING_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
    )
