"""What is refused whatever is asked: pages of other sites, and requests while the server stops."""

import asyncio
import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

from grpc import StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tfp_lcma.training.tryout.connections import Connections
from tfp_lcma.training.tryout.errors import RequestError, shown

_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The page needs nothing from elsewhere; a mistake that asks for it fails at once.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
}


class Guard:
    """An ASGI application around another that it guards.

    Attributes:
        draining: Whether new requests are answered with 503.
        in_flight: Number of requests that are being answered.
    """

    def __init__(self, app: ASGIApp, connections: Connections, host: str, seconds: float):
        """Guards an application.

        Args:
            app: The application.
            connections: Are told which of them are in use.
            host: Address of the server, which requests may name.
            seconds: After that time, a client that does not read its answer is given up.
        """
        self._app, self._connections, self._seconds = app, connections, seconds
        self._names = {"localhost", socket.gethostname(), host}
        self.draining, self.in_flight = False, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app
        if scope["type"] == "http" and (refusal := self._refusal(Headers(scope=scope))):
            app = refusal.response()
        self.in_flight += 1
        try:
            with self._connections.in_use(scope["client"]), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await app(scope, receive, send_guarded)
        finally:
            self.in_flight -= 1

    def _refusal(self, headers: Headers) -> RequestError | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.draining:
            return RequestError("the server is stopping.", StatusCode.UNAVAILABLE)
        # A page of another site may have its own name point here, to read what is answered.
        if not self._is_own(host):
            return RequestError(f"Host must be the server's; got {shown(host)}.", http_status=403)
        if origin not in (None, f"http://{host}"):
            return RequestError(f"Origin must be the page; got {shown(origin)}.", http_status=403)
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
