"""Exporting a trained model as a versioned SavedModel for TensorFlow Serving."""

import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.files import written_whole
from tfp_lcma.flow_model import FlowModel
from tfp_lcma.online_split import variable_orders


def export_saved_model(model: FlowModel, directory: str | os.PathLike) -> Path:
    """Writes `model` as the next version under `directory`.

    Signatures, all over batches of any size:

    | signature | inputs | outputs |
    |---|---|---|
    | `log_prob` | `images` uint8 [n, h, w, c] | `log_prob` [n] nats, `bits_per_dimension` [n] |
    | `event_log_prob` | `images` uint8 [n, h, w, c] | `event_log_prob` [n, h, w, c] nats |
    | `sample` | `seed` int32 [n, 2] | `images` float32 [n, h, w, c] in [0, bins) |

    Each of them takes `condition` too if the model has conditions: int32 [n]
    classes or float32 [n, k] vectors.

    `serving_default` is `log_prob`. One row of `seed` makes one image. Of a flow
    that samples by iteration, `sample` also says `converged` bool [n]: where it
    is false the image is NaN.

    Densities are those of one dequantisation draw that depends on the image
    alone; the same seed row gives the same sample whatever the batch.

    Args:
      model: A trained `FlowModel`.
      directory: Folder of the model's versions; made if it does not exist.

    Returns:
      The folder of the new version, `directory/<integer>`.

    Raises:
      ValueError: If the model was never initialised, a weight is not finite, or
        its split is still being measured.
    """
    model._check_initialized()
    if not all(order.decided for order in variable_orders(model.flow)):
        raise ValueError(
            "model must have settled its split to be exported: train it beyond the last of "
            f"decide_at={model.flow.factorization.decide_at}."
        )
    for variable in model.variables:
        if not np.isfinite(variable.numpy()).all():
            raise ValueError(
                f"model must have finite weights to be exported; {variable.path} has not."
            )
    shape = model.event_shape
    seed = noise.seed_pair(model.seed)
    images_spec = tf.TensorSpec((None, *shape), tf.uint8, name="images")

    def event_log_prob(images, condition=None):
        return {"event_log_prob": model._event_log_prob(images, condition, seed, 0)}

    def log_prob(images, condition=None):
        total = model._log_prob(images, condition, seed, 0)
        return {"log_prob": total, "bits_per_dimension": model._to_bits(total)}

    def sample(seed, condition=None):
        z = noise.normal_rows(seed, shape, model.flow.dtype)
        x, converged = model.distribution.bijector.forward_with_convergence(z, condition)
        highest = np.nextafter(np.float32(model.bins), np.float32(0))
        images = {"images": tf.clip_by_value(tf.cast(x, tf.float32), 0.0, highest)}
        return images | ({"converged": converged} if model.flow.iterates else {})

    archive = keras.export.ExportArchive()
    archive.track(model)
    seed_spec = tf.TensorSpec((None, 2), tf.int32, name="seed")
    told = _condition_specs(model.conditions)
    archive.add_endpoint("log_prob", log_prob, input_signature=[images_spec, *told])
    archive.add_endpoint("event_log_prob", event_log_prob, input_signature=[images_spec, *told])
    archive.add_endpoint("sample", sample, input_signature=[seed_spec, *told])
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in directory.iterdir() if path.name.isdecimal()]
    target = directory / str(max(versions, default=0) + 1)
    with written_whole(target) as temporary:
        archive.write_out(os.fspath(temporary), verbose=False)
    return target


def _condition_specs(conditions):
    """Returns what a signature takes beside its first input: nothing, classes or vectors."""
    if conditions is None:
        return []
    if isinstance(conditions, int):
        return [tf.TensorSpec((None,), tf.int32, name="condition")]
    return [tf.TensorSpec((None, *conditions), tf.float32, name="condition")]
