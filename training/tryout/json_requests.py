"""Requests and responses of TensorFlow Serving's REST API.

The rules are those of https://www.tensorflow.org/tfx/serving/api_rest: requests in
rows ("instances") or in columns ("inputs"), names left out where there is only one
tensor, NaN and Infinity as bare words.
"""

import json
from typing import Any

import numpy as np
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.json_tensors import is_binary, to_array, to_json
from tfp_lcma.training.tryout.model import DEFAULT_SIGNATURE
from tfp_lcma.training.tryout.signatures import Signature


def parse_request(body: bytes) -> dict[str, Any]:
    """Returns the object in a request's body, its `signature_name` filled in.

    Raises:
        RequestError: it is not JSON, or not a request of the API.
    """
    try:
        request = json.loads(body)
    except RecursionError as error:
        raise RequestError("the body must be JSON; got lists nested too deeply.") from error
    except ValueError as error:
        raise RequestError(f"the body must be JSON; {error}.") from error
    if not isinstance(request, dict):
        raise RequestError(f"the body must be a JSON object; got {shown(request)}.")
    given = [key for key in ("instances", "inputs") if key in request]
    if len(given) != 1:
        raise RequestError(
            f"the body must have either instances or inputs; got {' and '.join(given) or 'none'}."
        )
    name = request.setdefault("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise RequestError(f"signature_name must be a string; got {shown(name)}.")
    return request


def request_inputs(request: dict[str, Any], signature: Signature) -> dict[str, np.ndarray]:
    """Returns a request's inputs by name, also those that the signature does not have.

    Args:
        request: what `parse_request` returned.
        signature: the one that is asked for.

    Raises:
        RequestError: values do not fit the types of their inputs, or lists are ragged.
    """
    unknown = np.empty(0)
    return {
        name: to_array(name, value, signature.inputs[name].dtype)
        if name in signature.inputs
        else unknown
        for name, value in _columns(request, list(signature.inputs)).items()
    }


def response(outputs: dict[str, np.ndarray], in_rows: bool) -> dict[str, Any]:
    """Returns the object that answers a request.

    Args:
        outputs: values by name.
        in_rows: whether the request had instances rather than inputs.
    """
    values = {name: to_json(name, array) for name, array in outputs.items()}
    key = "predictions" if in_rows else "outputs"
    if len(values) == 1:
        return {key: next(iter(values.values()))}
    if in_rows:
        rows = zip(*values.values(), strict=True)
        return {key: [dict(zip(values, row, strict=True)) for row in rows]}
    return {key: values}


def _columns(request, names):
    """Returns the JSON value of every input by name."""
    if "inputs" in request:
        value = request["inputs"]
        if _is_named(value):
            return value
        if len(names) != 1:
            raise RequestError(f"inputs must be an object with {', '.join(names)}.")
        return {names[0]: value}
    rows = request["instances"]
    if not isinstance(rows, list) or not rows:
        raise RequestError(f"instances must be a list of at least one; got {shown(rows)}.")
    if not any(map(_is_named, rows)):
        if len(names) != 1:
            raise RequestError(f"instances must be objects with {', '.join(names)}.")
        return {names[0]: rows}
    keys = next(row.keys() for row in rows if _is_named(row))
    for place, row in enumerate(rows):
        if not _is_named(row) or row.keys() != keys:
            raise RequestError(
                f"instances must be objects that all have {', '.join(keys)}; "
                f"got {shown(row)} at [{place}]."
            )
    return {name: [row[name] for row in rows] for name in keys}


def _is_named(value):
    return isinstance(value, dict) and not is_binary(value)
