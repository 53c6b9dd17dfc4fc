"""A proxy in front of the desk: what it says of who asks, and from where, is believed only where it was named."""

from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

THROUGH = "leadsieve.through_proxy"


class Proxies(ProxyHeadersMiddleware):
    """Middleware that takes a named proxy's word for address and scheme, and notes that a request came through one.

    The note is needed because the address is the browser's from here on, and no more the proxy's.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        scope[THROUGH] = peer is not None and peer[0] in self.trusted_hosts
        await super().__call__(scope, receive, send)
