"""Warm-up requests: what TensorFlow Serving asks a new version before it serves it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfp_lcma.export_layout import WARM_UP
from tfp_lcma.serving.fields import Field
from tfp_lcma.serving.signatures import Signature

# What TensorFlow Serving takes.
MOST_REQUESTS = 1000


def write_warm_up(
    version: Path,
    signatures: Sequence[Signature],
    rows: Sequence[int],
    event_shape: tuple[int, int, int],
) -> int:
    """Writes one request per signature and number of rows.

    Each is of black images, seeds and latents of zero, one draw, and class 0.

    Args:
        version: Folder of the exported version.
        signatures: What to ask for.
        rows: Numbers of rows.
        event_shape: Of the images in files.

    Returns:
        The number of requests; 0, and no file, where the package
        `tensorflow-serving-api` is not installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ModuleNotFoundError:
        return 0
    path = version / WARM_UP
    path.parent.mkdir(exist_ok=True)
    count = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures:
            for number in rows:
                request = predict_pb2.PredictRequest()
                # No model's name: the file goes wherever the version is copied.
                request.model_spec.signature_name = signature.name
                for name, field in signature.inputs.items():
                    values = tf.make_tensor_proto(_usual(field, number, event_shape))
                    request.inputs[name].CopyFrom(values)
                log = prediction_log_pb2.PredictLog(request=request)
                record = prediction_log_pb2.PredictionLog(predict_log=log)
                writer.write(record.SerializeToString())
                count += 1
    return count


def _usual(field: Field, rows: int, event_shape):
    """Returns that many rows that make sense everywhere."""
    if field.dtype == tf.string:
        picture = tf.io.encode_png(tf.zeros(event_shape, tf.uint8)).numpy()
        return np.full((rows, *field.shape), picture, object)
    return np.full((rows, *field.shape), field.usual, field.dtype.as_numpy_dtype)
