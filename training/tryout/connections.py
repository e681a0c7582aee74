"""The connections of the REST server: a limited number, in which idle ones give way."""

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import Awaitable, Iterator
from typing import cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

# Hypercorn closes connections that send nothing for so long.
_CONFIG = Config.from_mapping(keep_alive_timeout=5, loglevel="WARNING")


class Connections:
    """Runs hypercorn's protocol for a limited number of connections.

    A new one takes the place of one without a request, or of that whose last request is
    longest ago. While all are in use, new ones are closed.
    """

    def __init__(self, host: str, port: int, most: int):
        """Listens at an address; at most `most` connections are open.

        Raises:
            OSError: If the address cannot be had.
        """
        self._most = most
        self._open: dict[tuple[str, int], tuple[asyncio.Task, asyncio.Transport]] = {}
        self._used: dict[tuple[str, int], float] = {}
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise OSError(f"cannot listen on {host}, port {port}: {error}") from error
        self.port = self._socket.getsockname()[1]

    async def serve(self, app: ASGIApp, until: Awaitable) -> None:
        """Serves an application until something has happened, then closes all that is idle."""
        loop, context = asyncio.get_running_loop(), WorkerContext(None)
        asgi = wrap_app(cast(ASGIFramework, app), 0, "asgi")

        async def connected(reader, writer):
            if not self._has_room():
                writer.transport.abort()
                return
            client = writer.get_extra_info("peername")[:2]
            self._open[client] = (cast(asyncio.Task, asyncio.current_task()), writer.transport)
            try:
                await TCPServer(asgi, loop, _CONFIG, context, {}, reader, writer)
            except asyncio.CancelledError:
                pass  # it made room
            finally:
                self._open.pop(client, None)
                self._used.pop(client, None)

        server = await asyncio.start_server(connected, sock=self._socket, backlog=8)
        self._socket.listen(socket.SOMAXCONN)  # wait; the event loop takes eight at a time
        await until
        await context.terminated.set()
        server.close()
        if self._open:
            await asyncio.wait([task for task, _ in self._open.values()], timeout=1)

    def close(self) -> None:
        """Stops to listen, if nothing is served."""
        self._socket.close()

    @contextlib.contextmanager
    def in_use(self, client: tuple[str, int]) -> Iterator[None]:
        """Keeps the connection of a client open while its request is answered."""
        self._used[client] = math.inf
        try:
            yield
        finally:
            self._used[client] = time.monotonic()

    def _has_room(self) -> bool:
        if len(self._open) < self._most:
            return True
        idlest = min(self._open, key=lambda client: self._used.get(client, 0.0))
        if self._used.get(idlest) == math.inf:
            return False
        task, transport = self._open.pop(idlest)
        transport.abort()
        task.cancel()
        return True
