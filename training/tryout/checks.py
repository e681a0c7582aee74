"""What a request's inputs must be before the session sees them."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from PIL import Image
from tensorflow.core.protobuf import meta_graph_pb2

from tfp_lcma.export_layout import MAX_ROWS
from tfp_lcma.training.tryout.errors import RequestError, shown
from tfp_lcma.validation import look_scaled, scaled_text

# Inputs of signatures that are images.
_IMAGES = {"first", "images", "second"}


def check_inputs(
    signature: meta_graph_pb2.SignatureDef,
    inputs: Mapping[str, np.ndarray],
    size: Sequence[int] | None,
) -> None:
    """Checks names, types, shapes and rows of a request's inputs, and the sizes of files.

    Args:
        signature: What is asked.
        inputs: The inputs by name.
        size: Height and width of the model's images; None if unknown.

    Raises:
        RequestError: Naming the input, what was expected and what came.
    """
    if set(inputs) != set(signature.inputs):
        names = ", ".join(sorted(signature.inputs))
        raise RequestError(f"inputs must be {names}; got {shown(sorted(inputs))}.")
    for key, value in inputs.items():
        info = signature.inputs[key]
        dtype, shape = tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape)
        if value.dtype != dtype.as_numpy_dtype or not shape.is_compatible_with(value.shape):
            raise RequestError(
                f"{key} must be {dtype.name} {str(shape).replace('None', 'n')}; "
                f"got {value.dtype.name} {shown(value.shape)}."
            )
    rows = {key: len(value) for key, value in inputs.items() if value.ndim}
    if len(set(rows.values())) > 1:
        raise RequestError(f"all inputs must have the same number of rows; got {shown(rows)}.")
    if max(rows.values(), default=0) > MAX_ROWS:
        got = f"a request may have up to {MAX_ROWS} rows; got {max(rows.values())}."
        raise RequestError(got, StatusCode.RESOURCE_EXHAUSTED)
    if "image_bytes" in inputs and size is not None:
        for row, content in enumerate(inputs["image_bytes"].ravel()):
            _check_size(f"image_bytes[{row}]", content, size)


def scaled_images(inputs: Mapping[str, np.ndarray], bins: int | None) -> str | None:
    """Returns a warning if images look scaled to the unit interval, else None.

    Args:
        inputs: The inputs of a request by name.
        bins: Number of intensities of the model; None if unknown.
    """
    if bins is None:
        return None
    for name in _IMAGES & set(inputs):
        values = inputs[name]
        if values.size and look_scaled(values.max(), bins):
            return scaled_text(name, values.min(), values.max(), bins)
    return None


def _check_size(where: str, content: bytes, size: Sequence[int]) -> None:
    """Reads the header: a small file may be a vast image once it is decoded."""
    try:
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    except Exception as error:
        # Pillow's readers raise whatever a damaged header leads them to.
        raise RequestError(f"{where} must be a PNG or JPEG file.") from error
    height, width = size
    if image.size != (width, height):
        got = f"{image.height}×{image.width}"
        raise RequestError(f"{where} must have {height}×{width} pixels; got {got}.")
