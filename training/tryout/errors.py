"""Requests that are answered with an error: one code for gRPC, one status for HTTP."""

import grpc

# As TensorFlow Serving maps them.
_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class RequestError(Exception):
    """What is wrong with a request, said to the client.

    Attributes:
        code: gRPC's code of the error.
        headers: what HTTP's answer says beside the message.
    """

    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT):
        super().__init__(message)
        self.code = code
        self.headers: dict[str, str] = {}

    @property
    def http_status(self) -> int:
        """The HTTP status of the error."""
        return _HTTP_STATUS.get(self.code, 500)


def from_session(error) -> RequestError:
    """Returns a session's `tf.errors.OpError` as an error for the client, without its traces."""
    # A session raises its error anew with the trace of the graph's making put before the
    # message, which the first one has. Further lines and double brackets are names of nodes.
    message = getattr(error.__context__, "message", error.message).split("\n")[0].split("[[")[0]
    return RequestError(
        f"the model refused the request: {message.strip() or type(error).__name__}",
        _CODES.get(error.error_code, grpc.StatusCode.INTERNAL),
    )


def shown(value: object, length: int = 60) -> str:
    """Returns what came, short enough for a message."""
    text = repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."
