"""Requests and responses of TensorFlow Serving's REST API.

The rules are those of https://www.tensorflow.org/tfx/serving/api_rest: requests in
rows ("instances") or in columns ("inputs"), names left out where there is only one
tensor, NaN and Infinity as bare words in responses. What a signature takes becomes a
type, which msgspec checks while it reads: a body of another shape is refused at its
first wrong value, however long it is.
"""

import base64
import functools
import json
import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import grpc
import msgspec
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfp_lcma.export_layout import MAX_ROWS
from tfp_lcma.training.tryout.errors import RequestError

# The first is an object that names its inputs, rather than one that is binary data.
_NAMED = re.compile(rb'\s*\[?\s*\{(?!\s*"b64"\s*:)')


class Request(msgspec.Struct):
    """The body of a request, its tensors unread."""

    signature_name: str = ""
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _String(bytes):
    """A value of a tensor of strings."""


_KINDS = {tf.string: _String, tf.bool: bool}


def read_request(body: bytes) -> Request:
    """Returns the object in a request's body.

    Raises:
        RequestError: If it is not JSON, or not a request of the API.
    """
    return _read(msgspec.json.Decoder(Request), body, "the body")


def request_inputs(
    request: Request, signature: meta_graph_pb2.SignatureDef
) -> dict[str, np.ndarray]:
    """Returns a request's inputs by name.

    Args:
        request: What `read_request` returned.
        signature: The one that is asked for.

    Raises:
        RequestError: If values do not fit the types and shapes of their inputs.
    """
    in_rows = request.inputs is msgspec.UNSET
    body = request.instances if in_rows else request.inputs
    if body is msgspec.UNSET or (not in_rows and request.instances is not msgspec.UNSET):
        raise RequestError("the body must have either instances or inputs.")
    where, named = "instances" if in_rows else "inputs", bool(_NAMED.match(body))
    if not named and len(signature.inputs) != 1:
        raise RequestError(f"{where} must name {', '.join(sorted(signature.inputs))}.")
    tensors = {key: _tensor(key, info) for key, info in sorted(signature.inputs.items())}
    values = sum(1 + math.prod(size or 1 for size in shape[1:]) for _, shape in tensors.values())
    if bytes(body).count(b",") > MAX_ROWS * values:
        raise RequestError(
            f"a request may have up to {MAX_ROWS} rows; got more values than these have.",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
    value = _read(_decoder(tuple(tensors.items()), in_rows, named), body, where)
    columns: Iterable[Any]
    if not named:
        columns = [value]
    elif in_rows:
        columns = zip(*map(msgspec.structs.astuple, value), strict=True)
    else:
        columns = msgspec.structs.astuple(value)
    return {
        key: _array(key, column, dtype)
        for (key, (dtype, _)), column in zip(tensors.items(), columns, strict=True)
    }


def response(outputs: Mapping[str, np.ndarray], in_rows: bool) -> bytes:
    """Returns the body that answers a request.

    Args:
        outputs: Values by name.
        in_rows: Whether the request had instances rather than inputs.
    """
    values = {key: _to_json(key, array) for key, array in outputs.items()}
    answer: Any = values
    if len(values) == 1:
        answer = next(iter(values.values()))
    elif in_rows:
        answer = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return json.dumps({"predictions" if in_rows else "outputs": answer}).encode()


def _read(decoder: msgspec.json.Decoder, body: msgspec.Raw | bytes, where: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise RequestError(f"{where}: {str(error).replace('`$', f'`{where}')}.") from error


@functools.cache
def _decoder(tensors: tuple, in_rows: bool, named: bool) -> msgspec.json.Decoder:
    """Returns what reads inputs: tuples of a name and what `_tensor` returned."""
    kinds = [_kind(dtype, shape[in_rows:]) for _, (dtype, shape) in tensors]
    kind: Any = kinds[0]
    if named:
        # Inputs may have names that Python's identifiers may not have.
        renamed = {f"input_{place}": key for place, (key, _) in enumerate(tensors)}
        fields = zip(renamed, kinds, strict=True)
        kind = msgspec.defstruct("Inputs", fields, rename=renamed, forbid_unknown_fields=True)
    if in_rows:
        kind = Annotated[_list_of(kind), msgspec.Meta(min_length=1)]
    return msgspec.json.Decoder(kind, dec_hook=_read_string)


def _tensor(key: str, info: meta_graph_pb2.TensorInfo) -> tuple[tf.DType, tuple[int | None, ...]]:
    """Returns the type and the shape of an input."""
    dtype, shape = tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape)
    if shape.rank is None or not (dtype in _KINDS or dtype.is_integer or dtype.is_floating):
        raise RequestError(f"{key} cannot be sent as JSON.", grpc.StatusCode.UNIMPLEMENTED)
    return dtype, tuple(shape.as_list())


def _kind(dtype: tf.DType, shape: tuple[int | None, ...]) -> Any:
    """Returns the type that a tensor has in JSON."""
    kind: Any = _KINDS.get(dtype, float)
    if dtype.is_integer:
        limits = np.iinfo(dtype.as_numpy_dtype)
        highest = min(int(limits.max), 2**63 - 1)  # msgspec's own limit
        kind = Annotated[int, msgspec.Meta(ge=int(limits.min), le=highest)]
    for size in reversed(shape):
        # A list is measured when all of it is read, a tuple while it is read.
        kind = _list_of(kind) if size is None else types.GenericAlias(tuple, (kind,) * size)
    return kind


def _list_of(kind: Any) -> Any:
    return types.GenericAlias(list, kind)


def _read_string(kind: type[_String], value: Any) -> _String:
    if isinstance(value, str):
        return kind(value.encode())
    if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
        padding = "=" * (-len(value["b64"]) % 4)  # which may be left out
        return kind(base64.b64decode(value["b64"] + padding, validate=True))
    raise ValueError('Expected a string, or binary data as {"b64": "..."} in base64')


def _array(key: str, value: Any, dtype: tf.DType) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # infinite then
            return np.array(value, dtype.as_numpy_dtype)
    except ValueError as error:
        raise RequestError(f"{key} must have rows of one shape.") from error


def _to_json(key: str, array: np.ndarray) -> Any:
    """Returns an array as nested lists; strings of a name that ends in `_bytes` are binary."""
    if array.dtype == object:
        read = _to_base64 if key.endswith("_bytes") else lambda text: text.decode(errors="replace")
        return np.frompyfunc(read, 1, 1)(array).tolist()
    if array.dtype == np.float32:
        # By rows: as text, numbers take thirty times their memory.
        return [_shortest(row) for row in array] if array.ndim > 1 else _shortest(array)
    return array.tolist()


def _to_base64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def _shortest(array: np.ndarray) -> Any:
    """Returns numbers of the fewest digits that read back as the same float32."""
    return array.astype(str).astype(np.float64).tolist()
