"""What is refused whatever is asked: pages of other sites, and what comes while the server ends."""

import asyncio
import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfp_lcma.training.tryout.connections import Connections
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.traffic import Traffic

_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The page needs nothing from elsewhere; a mistake that asks for it fails at once.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
}


class Guard:
    """An ASGI application around another that it guards."""

    def __init__(
        self, app: ASGIApp, traffic: Traffic, connections: Connections, host: str, seconds: float
    ):
        """Guards an application.

        Args:
            app: The application.
            traffic: Counts the requests.
            connections: Learn which of them are in use.
            host: Address of the server, which requests may name.
            seconds: After that time, a client that does not read its answer is given up.
        """
        self._app, self._traffic, self._connections = app, traffic, connections
        self._names, self._seconds = {"localhost", socket.gethostname(), host}, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        with self._connections.in_use(scope["client"]), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                try:
                    self._check_origin(Headers(scope=scope))
                    with self._traffic.request():
                        await self._app(scope, receive, send_guarded)
                except RequestError as error:
                    await error.response()(scope, receive, send_guarded)

    def _check_origin(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        # A page of another site may have its own name point here, to read what is answered.
        if not self._is_own(host):
            raise RequestError(f"Host must be the server's; got {shown(host)}.", http_status=403)
        if origin not in (None, f"http://{host}"):
            raise RequestError(f"Origin must be the page; got {shown(origin)}.", http_status=403)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
