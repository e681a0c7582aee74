"""Both servers of a model, started and stopped together."""

import asyncio
import resource
import threading
import time

from tfp_lcma.training.tryout.connections import Connections
from tfp_lcma.training.tryout.guard import Guard
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.rest import RestApi
from tfp_lcma.training.tryout.services import Services, start_grpc
from tfp_lcma.training.tryout.traffic import Traffic

# Requests that are under way when the server stops have so long to end.
_GRACE_SECONDS = 10.0
# And new ones are refused in so many words for so long: gRPC cuts off, without any, what it has
# received and not handed over yet.
_REFUSAL_SECONDS = 0.5


class TryOutServer:
    """Serves a model over REST, with the page, and over gRPC, until it is stopped.

    Works as a context manager, too.

    Attributes:
        rest_address: Host and port of REST and the page.
        grpc_address: Host and port of gRPC.
    """

    def __init__(
        self,
        model: ServedModel,
        host: str = "127.0.0.1",
        rest_port: int = 8501,
        grpc_port: int = 8500,
        max_bytes: int = 16 << 20,
        seconds: float = 30.0,
    ):
        """Starts to serve.

        Args:
            model: What to serve.
            host: Address to listen on.
            rest_port: Port of REST and the page; 0 for any that is free.
            grpc_port: Port of gRPC; 0 for any that is free.
            max_bytes: Larger requests are refused.
            seconds: How long a request may take.

        Raises:
            OSError: If a port cannot be had.
        """
        services, self._traffic = Services(model, max_bytes, seconds), Traffic()
        # Each may have a quarter of the files that the process may open.
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = 256 if files == resource.RLIM_INFINITY else min(256, files // 4)
        self._connections = Connections(host, rest_port, most)
        try:
            self._grpc, grpc_port = start_grpc(
                services, self._traffic, host, grpc_port, max_bytes, most
            )
        except OSError:
            self._connections.close()
            raise
        shown_host = f"[{host}]" if ":" in host else host
        self.rest_address = f"{shown_host}:{self._connections.port}"
        self.grpc_address = f"{shown_host}:{grpc_port}"
        application = RestApi(services, max_bytes, seconds).application
        self._guard = Guard(application, self._traffic, self._connections, host, 2 * seconds)
        self._drained = threading.Event()
        self._thread = threading.Thread(target=self._serve_rest, name="rest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuses new requests, gives those under way time to end, and returns."""
        self._traffic.drain(_GRACE_SECONDS)
        time.sleep(_REFUSAL_SECONDS)
        # What had come before, and waits for a thread, is told that the server ends.
        stopped = self._grpc.stop(_GRACE_SECONDS)
        self._drained.set()
        self._thread.join()
        stopped.wait()

    def __enter__(self) -> "TryOutServer":
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _serve_rest(self) -> None:
        async def serve():
            await self._connections.serve(self._guard, asyncio.to_thread(self._drained.wait))

        asyncio.run(serve())
