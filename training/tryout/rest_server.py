"""HTTP for the REST API and the page.

The standard library's server is enough here: a thread a connection, nothing to install.
What it leaves open is closed below: bodies are bounded before they are read, idle
connections time out, and every error is JSON.
"""

import contextlib
import http.server
import logging
import re
import socket
import sys
import time
from http import HTTPStatus
from urllib.parse import unquote

from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.rest_api import Answer, HttpError, answer

# Enough for a client that has begun to send a body too large to read the answer to it.
_LINGER_SECONDS, _LINGER_BYTES = 10.0, 1 << 28


class RestServer(http.server.ThreadingHTTPServer):
    """Serves one model over HTTP.

    Attributes:
        model: what is served.
        max_request_bytes: larger bodies are refused unread.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model: ServedModel, host: str, port: int, max_request_bytes: int):
        """Binds the address; `serve_forever` serves.

        Raises:
            OSError: the address cannot be had.
        """
        self.model, self.max_request_bytes = model, max_request_bytes
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: set[socket.socket] = set()
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OSError(f"cannot listen on {host}, port {port}: {error}") from error

    def stop(self, grace: float) -> None:
        """Stops to listen, and to read from connections that are kept; answers what it has read.

        Args:
            grace: seconds that requests under way have to end.
        """
        self.shutdown()
        self.server_close()
        end = time.monotonic() + grace
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        while self._open and time.monotonic() < end:
            time.sleep(0.01)

    def get_request(self):
        """Takes a connection."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request):
        """Ends a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Keeps quiet about clients that went away; anything else goes to the log."""
        if not isinstance(sys.exc_info()[1], OSError):
            logging.exception("the connection of %s failed", client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    # One write an answer, sent at once: two would wait for the client's delayed acknowledgement.
    wbufsize, disable_nagle_algorithm = -1, True
    server: RestServer

    def do_GET(self):
        self._serve()

    do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def _serve(self):
        try:
            path = unquote(self.path.partition("?")[0])
            reply = answer(self.server.model, self.command, path, self._body())
        except RequestError as error:
            reply = Answer.of_error(error)
        except OSError:  # the client went away, or fell asleep
            raise
        except Exception:
            logging.exception("%s %s failed", self.command, self.path)
            reply = Answer.of_error(HttpError(500, "the server failed; its log says how."))
        self._send(reply)

    def _body(self):
        """Returns the body, which is read only if its size is known and allowed."""
        length = self._length()
        if length > self.server.max_request_bytes:
            raise self._unread(
                413, f"the body may have up to {self.server.max_request_bytes} bytes; got {length}."
            )
        body = self.rfile.read(length)
        if len(body) < length:
            raise self._unread(400, f"the body must have {length} bytes; got {len(body)}.")
        return body

    def _length(self):
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise self._unread(415, "the body must not be compressed.")
        if "Transfer-Encoding" in self.headers:
            raise self._unread(411, "the body must come with its Content-Length, not in chunks.")
        text = self.headers.get("Content-Length")
        if text is None and self.command == "POST":
            raise self._unread(411, "the body must come with its Content-Length.")
        if text is not None and not re.fullmatch("[0-9]{1,18}", text):
            raise self._unread(400, f"Content-Length must be a whole number; got {shown(text)}.")
        return int(text or 0)

    def _unread(self, status, message):
        # What is left of the body would be taken for the next request.
        self.close_connection = True
        return HttpError(status, message)

    def _send(self, reply):
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()
        if self.close_connection:
            self._linger()

    def _linger(self):
        """Discards what the client still sends: closing on it would destroy the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_SECONDS)
        end, left = time.monotonic() + _LINGER_SECONDS, _LINGER_BYTES
        while left > 0 and time.monotonic() < end:
            received = len(self.connection.recv(1 << 16))
            if received == 0:
                return
            left -= received

    def handle_expect_100(self):
        """Tells a client that asks first that its body is too large."""
        try:
            allowed = self._length() <= self.server.max_request_bytes
        except HttpError:
            allowed = False
        # The refusal itself comes from `_body`; a client that got no 100 sends nothing more.
        return super().handle_expect_100() if allowed else True

    def send_error(self, code, message=None, explain=None):
        """Answers as the API does to what is not even HTTP."""
        self.close_connection = True
        self.command = self.command or "GET"
        self._send(Answer.of_error(HttpError(code, message or HTTPStatus(code).phrase)))

    def version_string(self):
        """Names the server."""
        return "tfp_lcma-try-out"

    def log_message(self, format, *args):
        """Says nothing of requests."""
