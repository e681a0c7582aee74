"""Both servers of a model, started and stopped together."""

import threading

from tfp_lcma.training.tryout.grpc_services import start_grpc
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.rest_server import RestServer

# Requests that are under way when the server stops have so long to end.
_GRACE_SECONDS = 2.0


class TryOutServer:
    """Serves a model over REST, with the page, and over gRPC, until it is stopped.

    Works as a context manager, too.

    Attributes:
        rest_address: host and port of REST and the page.
        grpc_address: host and port of gRPC.
    """

    def __init__(
        self,
        model: ServedModel,
        host: str = "127.0.0.1",
        rest_port: int = 8501,
        grpc_port: int = 8500,
        max_request_bytes: int = 16 << 20,
    ):
        """Starts to serve.

        Args:
            model: what to serve.
            host: address to listen on.
            rest_port: port of REST and the page; 0 for any that is free.
            grpc_port: port of gRPC; 0 for any that is free.
            max_request_bytes: larger requests are refused unread.

        Raises:
            OSError: a port cannot be had.
        """
        self._rest = RestServer(model, host, rest_port, max_request_bytes)
        try:
            self._grpc, grpc_port = start_grpc(model, host, grpc_port, max_request_bytes)
        except OSError:
            self._rest.server_close()
            raise
        shown_host = f"[{host}]" if ":" in host else host
        self.rest_address = f"{shown_host}:{self._rest.server_port}"
        self.grpc_address = f"{shown_host}:{grpc_port}"
        self._thread = threading.Thread(target=self._rest.serve_forever, name="rest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops to listen, gives requests under way a little time, and returns."""
        stopped = self._grpc.stop(_GRACE_SECONDS)
        self._rest.stop(_GRACE_SECONDS)
        self._thread.join()
        stopped.wait()

    def __enter__(self) -> "TryOutServer":
        return self

    def __exit__(self, *error) -> None:
        self.stop()
