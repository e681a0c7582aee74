"""Values of JSON to arrays of a signature's types, and back."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tfp_lcma.training.tryout.errors import RequestError, shown

# More nesting than any tensor has.
_MOST_DIMENSIONS = 16


def is_binary(value: object) -> bool:
    """Whether a value is the API's form of binary data, `{"b64": ...}`."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def to_array(name: str, value: Any, dtype: tf.DType) -> np.ndarray:
    """Returns nested lists, or a single value, as an array.

    Args:
        name: of the input, for messages.
        value: what JSON said.
        dtype: type of the input; strings become objects of bytes.

    Raises:
        RequestError: a value is not of the type, or the lists are ragged.
    """
    shape, first = [], value
    while isinstance(first, list) and len(shape) <= _MOST_DIMENSIONS:
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > _MOST_DIMENSIONS:
        raise RequestError(f"{name} must have at most {_MOST_DIMENSIONS} dimensions.")
    wanted, convert = _kind(dtype)
    flat: list[Any] = []

    def refused(place, expected, got):
        at = f" at [{', '.join(map(str, place))}]" if place else ""
        return RequestError(f"{name}{at} must be {expected}; got {got}.")

    def gather(part, place):
        if len(place) == len(shape):
            converted = None if isinstance(part, list) else convert(part)
            if converted is None:
                raise refused(place, wanted, "a list" if isinstance(part, list) else shown(part))
            flat.append(converted)
            return
        size = shape[len(place)]
        if not isinstance(part, list):
            raise refused(place, f"a list of {size}", shown(part))
        if len(part) != size:
            expected = f"a list of {size}, as the first of its kind is"
            raise refused(place, expected, f"a list of {len(part)}")
        for index, item in enumerate(part):
            gather(item, (*place, index))

    gather(value, ())
    array = np.empty(len(flat), dtype.as_numpy_dtype)
    with np.errstate(over="ignore"):  # infinite then, and refused as such
        array[:] = flat
    return array.reshape(shape)


def to_json(name: str, array: np.ndarray) -> Any:
    """Returns an array as nested lists, or as a single value if it has no dimensions.

    Args:
        name: of the output; strings of a name that ends in `_bytes` are binary.
        array: its value.
    """
    if array.dtype == object:
        texts = np.empty(array.size, object)
        for place, text in enumerate(array.ravel()):
            texts[place] = (
                {"b64": base64.b64encode(text).decode()}
                if name.endswith("_bytes")
                else text.decode("utf-8", "replace")
            )
        return texts.reshape(array.shape).tolist()
    if array.dtype == np.float32:
        # The shortest digits that read back as the same float32, not those of a float64.
        return array.astype(str).astype(np.float64).tolist()
    return array.tolist()


def _kind(dtype: tf.DType) -> tuple[str, Callable[[Any], Any]]:
    """Returns what JSON must say for a type, and how to read it: None where it does not fit."""
    if dtype == tf.string:
        return 'a string, or binary data as {"b64": "..."} in base64', _read_string
    if dtype == tf.bool:
        return "true or false", lambda value: value if isinstance(value, bool) else None
    if dtype.is_floating:
        return "a number", _read_float
    if not dtype.is_integer:
        raise RequestError(f"values of type {dtype.name} cannot be sent as JSON.")

    # TensorFlow's own limits take long to ask for.
    limits = np.iinfo(dtype.as_numpy_dtype)
    lowest, highest = int(limits.min), int(limits.max)

    def read_integer(value):
        fits = _is_number(value, int) and lowest <= value <= highest
        return value if fits else None

    return f"a whole number from {lowest} to {highest}", read_integer


def _read_float(value):
    try:
        return float(value) if _is_number(value, int | float) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def _read_string(value):
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(value["b64"], validate=True) if is_binary(value) else None
    except (binascii.Error, ValueError, TypeError):
        return None


def _is_number(value, kind):
    # In Python true is an int.
    return isinstance(value, kind) and not isinstance(value, bool)
