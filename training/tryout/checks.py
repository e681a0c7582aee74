"""What a request's inputs must be before the session sees them.

TensorFlow Serving leaves values to the graph, which answers an image of NaNs with NaN.
Here a person is told instead.
"""

from collections.abc import Sequence

import grpc
import numpy as np
from tfp_lcma.training.tryout.encoded_images import check_encoded
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.training.tryout.model_card import ModelCard
from tfp_lcma.training.tryout.signatures import Signature, Tensor

# Rows of one request. A sample's row is eight bytes and may take seconds.
MAX_ROWS = 1024


def check_inputs(
    name: str, signature: Signature, inputs: dict[str, np.ndarray], card: ModelCard | None
) -> None:
    """Checks names, types, shapes and values of a request's inputs.

    Args:
        name: of the signature.
        signature: what is wanted.
        inputs: what came; strings as arrays of bytes objects.
        card: says which values make sense; None: only finite numbers are asked for.

    Raises:
        RequestError: naming the input, what was expected and what came.
    """
    _check_names(name, signature, inputs)
    for key, value in inputs.items():
        wanted = signature.inputs[key]
        if value.dtype != wanted.dtype.as_numpy_dtype:
            raise RequestError(f"{key} must be {wanted}; got {value.dtype.name}.")
        check_shape(key, wanted, value.shape)
    rows = {key: len(inputs[key]) for key, wanted in signature.inputs.items() if wanted.batched}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{key} has {count}" for key, count in rows.items())
        raise RequestError(f"all inputs must have the same number of rows; {counts}.")
    if max(rows.values(), default=0) > MAX_ROWS:
        raise RequestError(
            f"a request may have up to {MAX_ROWS} rows; got {max(rows.values())}.",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
    for key, value in inputs.items():
        _check_values(key, value, card)


def check_shape(key: str, wanted: Tensor, shape: Sequence[int]) -> None:
    """Checks the shape of an input.

    Raises:
        RequestError: it is not what the signature takes.
    """
    if not wanted.fits(shape):
        raise RequestError(f"{key} must be {wanted}; got shape {shown(list(shape))}.")


def _check_names(name, signature, inputs):
    unknown = sorted(set(inputs) - set(signature.inputs))
    missing = sorted(set(signature.inputs) - set(inputs))
    if unknown or missing:
        wanted = ", ".join(f"{key} ({tensor})" for key, tensor in signature.inputs.items())
        parts = [f"{shown(key)} is unknown" for key in unknown]
        parts += [f"{key} is missing" for key in missing]
        raise RequestError(f"signature {name} takes {wanted}; {', '.join(parts)}.")


def _check_values(key, value, card):
    if value.dtype == object:
        if key == "image_bytes" and card is not None:
            check_encoded(key, value, card)
        return
    if np.issubdtype(value.dtype, np.floating):
        bad = ~np.isfinite(value)
        if bad.any():
            raise RequestError(f"{key} must be finite; {_first(value, bad)}.")
    for lowest, highest, text in _ranges(key, value.dtype, card):
        bad = (value < lowest) | (value > highest)
        if bad.any():
            raise RequestError(f"{key} must be {text}; {_first(value, bad)}.")


def _ranges(key, dtype, card):
    """Yields the range of an input's values, if it has one: lowest, highest and how to say it."""
    if key == "temperature":
        yield 0, np.inf, "at least 0"
    if key == "weight":
        yield 0, 1, "from 0 to 1"
    if card is None:
        return
    if key in ("images", "first", "second"):
        if np.issubdtype(dtype, np.floating):
            highest = np.nextafter(dtype.type(card.bins), dtype.type(0))
            yield 0, highest, f"at least 0 and less than {card.bins}"
        else:
            yield 0, card.bins - 1, f"whole intensities from 0 to {card.bins - 1}"
    if key == "condition" and isinstance(card.conditions, int):
        yield 0, card.conditions - 1, f"a class from 0 to {card.conditions - 1}"


def _first(value, bad):
    place = tuple(int(index) for index in np.argwhere(bad)[0])
    return f"got {value[place].item()} at [{', '.join(map(str, place))}]"
