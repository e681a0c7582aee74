"""What every path of the server answers: TensorFlow Serving's REST API, and the page."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from tfp_lcma.training.tryout import descriptions
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.json_requests import parse_request, request_inputs, response
from tfp_lcma.training.tryout.model import ServedModel

_MODEL = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18}))?"
    r"(?P<rest>:predict|/metadata|)"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_PAGE = {
    "/" if path.name == "index.html" else f"/page/{path.name}": (
        path.read_bytes(),
        _TYPES[path.suffix],
    )
    for path in (Path(__file__).parent / "page").iterdir()
    if path.suffix in _TYPES
}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # The page needs nothing from elsewhere; a mistake that asks for it fails at once.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:",
}


class HttpError(RequestError):
    """An error of HTTP that gRPC has no code for."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self._status = status
        self.headers = headers or {}

    @property
    def http_status(self) -> int:
        return self._status


@dataclasses.dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        status: HTTP's.
        body: its bytes.
        headers: its headers but for those of the connection.
    """

    status: int
    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Answer":
        """Returns an answer in JSON; NaN and Infinity are bare words, as in TensorFlow Serving."""
        headers = {"Content-Type": "application/json", **_HEADERS}
        return cls(status, json.dumps(value).encode(), headers)

    @classmethod
    def of_error(cls, error: RequestError) -> "Answer":
        """Returns an error as the API says it."""
        answer = cls.of({"error": str(error)}, error.http_status)
        return dataclasses.replace(answer, headers=answer.headers | error.headers)


def answer(model: ServedModel, method: str, path: str, body: bytes) -> Answer:
    """Answers a request.

    Args:
        model: what is served.
        method: GET, POST or another.
        path: without the query.
        body: of the request.

    Raises:
        RequestError: nothing is there, or the request does not fit.
    """
    if path in _PAGE:
        _check_method(method, "GET")
        content, kind = _PAGE[path]
        return Answer(200, content, {"Content-Type": kind, **_HEADERS})
    if path == "/page/model.json":
        _check_method(method, "GET")
        return Answer.of(descriptions.page_json(model))
    match = _MODEL.fullmatch(path)
    if match is None:
        raise HttpError(404, f"nothing is at {shown(path)}; models are at /v1/models/{model.name}.")
    _check_method(method, "POST" if match["rest"] == ":predict" else "GET")
    model.check_servable(match["name"], match["version"] and int(match["version"]))
    if match["rest"] == ":predict":
        return Answer.of(_predict(model, body))
    if match["rest"] == "/metadata":
        return Answer.of(descriptions.metadata_json(model))
    return Answer.of(descriptions.status_json(model))


def _predict(model, body):
    request = parse_request(body)
    name = request["signature_name"]
    outputs = model.predict(name, request_inputs(request, model.signature(name)))
    return response(outputs, in_rows="instances" in request)


def _check_method(method, allowed):
    # HEAD goes wherever GET goes.
    if ("GET" if method == "HEAD" else method) != allowed:
        raise HttpError(
            405, f"the method must be {allowed} here; got {method}.", {"Allow": allowed}
        )
