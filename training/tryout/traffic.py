"""Requests that are being answered, counted so that the server can end after the last one."""

import contextlib
import threading
from collections.abc import Iterator

from grpc import StatusCode

from tfp_lcma.training.tryout.errors import RequestError


class Traffic:
    """What is under way over both protocols."""

    def __init__(self):
        self._draining, self._count, self._ended = False, 0, threading.Condition()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request while it is answered.

        Raises:
            RequestError: If the server is about to end.
        """
        with self._ended:
            if self._draining:
                raise RequestError("the server is stopping.", StatusCode.UNAVAILABLE)
            self._count += 1
        try:
            yield
        finally:
            with self._ended:
                self._count -= 1
                self._ended.notify_all()

    def drain(self, seconds: float) -> None:
        """Refuses new requests and waits for those under way, not longer than some seconds."""
        with self._ended:
            self._draining = True
            self._ended.wait_for(lambda: self._count == 0, seconds)
