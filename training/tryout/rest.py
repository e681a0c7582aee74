"""Every path of the server: TensorFlow Serving's REST API, and the page."""

import asyncio
import functools
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import msgspec
from google.protobuf import json_format
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2

from tfp_lcma.training.data.pixels import UnreadableImageError, read_pixels
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.json_requests import read_request, request_inputs, response
from tfp_lcma.training.tryout.services import Services

# As model_servers/http_rest_api_util.cc of TensorFlow Serving has them.
_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PATHS = {
    "POST": re.compile(_MODEL + ":(predict|classify|regress)"),
    "GET": re.compile(_MODEL + "(?:/(metadata))?"),
    "HEAD": re.compile(_MODEL + "(?:/(metadata))?"),
}
# What answers the rest of a path.
_METHODS = {
    "classify": "Classify",
    "regress": "Regress",
    "metadata": "GetModelMetadata",
    None: "GetModelStatus",
}


class RestApi:
    """The answers to requests, which are computed in threads."""

    def __init__(self, services: Services, max_bytes: int, seconds: float):
        """Takes what answers, the most bytes of a body, and how long a request may take."""
        self._services, self._model = services, services.model
        self._max_bytes, self._seconds = max_bytes, seconds
        self._threads = anyio.CapacityLimiter(8)
        self.application = Starlette(
            routes=[
                Route("/v1/{path:path}", self._ask, methods=["GET", "POST"]),
                Route("/model.json", self._describe),
                Route("/pixels", self._read_image, methods=["POST"]),
                Mount("/", StaticFiles(directory=Path(__file__).parent / "page", html=True)),
            ],
            exception_handlers={
                RequestError: lambda _, error: error.response(),
                Exception: lambda *_: RequestError(
                    "the server failed.", http_status=500
                ).response(),
            },
        )

    async def _ask(self, request: Request) -> Response:
        """Answers a request of TensorFlow Serving's API."""
        deadline = time.monotonic() + self._seconds
        body = await self._body(request)
        path = request.scope["raw_path"].decode("ascii", "replace")
        match = _PATHS[request.method].fullmatch(path)
        if match is None:
            raise RequestError(f"malformed request: {request.method} {shown(path)}.")
        answer, warning = await self._in_thread(self._answer, *match.groups(), body, deadline)
        # The code of a warning of any kind.
        headers = {"Warning": f'299 - "{warning}"'} if warning else None
        return Response(answer, headers=headers, media_type="application/json")

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        call = functools.partial(function, *arguments)
        return await anyio.to_thread.run_sync(call, limiter=self._threads)

    async def _describe(self, request: Request) -> Response:
        """Answers with what the page needs to know of the model."""
        model = self._model
        facts = {"signatures": sorted(model.signatures), "card": model.card}
        return _as_json({"name": model.name, "version": model.version, **facts})

    async def _read_image(self, request: Request) -> Response:
        """Answers an image file with the model's pixels of it, and the file's own size."""
        if self._model.pixels is None:
            raise RequestError("the model's images are neither grey nor colour; no file fits.")
        file = await self._body(request)
        try:
            pixels = await self._in_thread(read_pixels, file, self._model.pixels)
        except UnreadableImageError as error:
            raise RequestError(str(error)) from error
        width, height = Image.open(io.BytesIO(file)).size
        return _as_json({"pixels": pixels.tolist(), "size": [height, width]})

    async def _body(self, request: Request) -> bytes:
        """Reads a body. What is too long is read, too: a client that sends reads no answer."""
        kept, length = [], 0
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    length += len(chunk)
                    if length <= self._max_bytes:
                        kept.append(chunk)
        except TimeoutError:
            raise RequestError("the body took too long to come.", http_status=408) from None
        except ClientDisconnect:
            raise RequestError("the body ended too early.") from None
        if length > self._max_bytes:
            text = f"the body may have up to {self._max_bytes} bytes; got {length}."
            raise RequestError(text, http_status=413)
        return b"".join(kept)

    def _answer(self, name, version, label, what, body, deadline):
        spec = model_pb2.ModelSpec(name=unquote(name))
        if label:
            spec.version_label = unquote(label)
        elif version:
            try:
                spec.version.value = int(version)
            except ValueError as error:
                raise RequestError("a version is a whole number of 64 bits.") from error
        if what in ("predict", "classify", "regress"):
            request = read_request(body)
            spec.signature_name = request.signature_name
        if what == "predict":
            signature = self._services.requested(spec)
            inputs = request_inputs(request, self._model.signature(signature))
            outputs = self._model.predict(signature, inputs, (), deadline - time.monotonic())
            body = response(outputs, in_rows=request.inputs is msgspec.UNSET)
            return body, self._model.warning(inputs)
        # This request has the fields that any of the methods reads.
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        )
        answer = json_format.MessageToDict(
            getattr(self._services, _METHODS[what])(request, None),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        if what == "metadata":
            del answer["metadata"]["signature_def"]["@type"]
        return json.dumps(answer).encode(), None


def _as_json(value: dict) -> Response:
    # A card may say NaN, which starlette's own response of JSON refuses.
    return Response(json.dumps(value), media_type="application/json")
