"""Requests that are answered with an error: one code for gRPC, one status for HTTP."""

from grpc import StatusCode
from starlette.responses import JSONResponse

# As model_servers/http_server.cc of TensorFlow Serving maps them.
_HTTP_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}


class RequestError(Exception):
    """What is wrong with a request, said to the client in less than 500 bytes.

    Attributes:
        code: gRPC's code of the error.
        http_status: HTTP's.
    """

    def __init__(
        self,
        message: str,
        code: StatusCode = StatusCode.INVALID_ARGUMENT,
        http_status: int | None = None,
    ):
        # What JSON would write as several bytes is replaced, the rest cut.
        plain = "".join(letter if letter.isprintable() else "?" for letter in message)
        text = plain.replace('"', "'").replace("\\", "/").encode()[:480].decode(errors="ignore")
        super().__init__(text)
        self.code, self.http_status = code, http_status or _HTTP_STATUS.get(code, 500)

    def response(self) -> JSONResponse:
        """Returns the error as TensorFlow Serving's REST API answers it."""
        return JSONResponse({"error": str(self)}, self.http_status)


def shown(value: object) -> str:
    """Returns what came, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
