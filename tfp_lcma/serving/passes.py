"""The four passes through a flow that all signatures share."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.probes import probing
from tfp_lcma.flow_model import FlowModel
from tfp_lcma.serving.rows import all_of, nan_unless


class Passes:
    """Functions of continuous images or latents, each of which holds the flow's graph once.

    A dozen signatures call them: traced for every one of them, a large flow would
    take a dozen times as long to export and to load. Rows are independent.

    Every function takes, last, the condition of a model that has one.

    Attributes:
      log_prob: `(x, probe_rows, probe_shared, *condition)` to nats `[n]`; the
        probes are the two arguments of `probing`.
      event_log_prob: The same per dimension, in the shape of `x`.
      encode: `(x, *condition)` to latents in its shape.
      decode: `(z, *condition)` to images, float32 in [0, bins), and a boolean `[n]`:
        where it is false the latents are not finite or have no image, and the row
        is NaN.
    """

    def __init__(self, model: FlowModel):
        """Wraps the passes of a model; each is traced when it is first called."""
        distribution, dtype = model.distribution, model.flow.dtype
        # The largest float32 below bins: rounded down, an image holds intensities.
        highest = np.nextafter(np.float32(model.bins), np.float32(0))
        event = tf.TensorSpec((None, *model.event_shape), dtype)
        rows, shared = tf.TensorSpec((None, 2), tf.int32), tf.TensorSpec((), tf.int32)
        told = condition_specs(model.conditions)

        def log_prob(x, probe_rows, probe_shared, condition=None):
            with probing(probe_rows, probe_shared):
                return distribution.log_prob(x, condition=condition)

        def event_log_prob(x, probe_rows, probe_shared, condition=None):
            with probing(probe_rows, probe_shared):
                return distribution.event_log_prob(x, condition)

        def encode(x, condition=None):
            return distribution.encode(x, condition)

        def decode(z, condition=None):
            x, converged = distribution.bijector.forward_with_convergence(z, condition)
            # Infinite latents may have finite images.
            found = converged & all_of(tf.math.is_finite(z))
            images = tf.clip_by_value(tf.cast(x, tf.float32), 0.0, highest)
            return nan_unless(found, images), found

        def traced(function, *specs):
            return tf.function(function, input_signature=[*specs, *told], autograph=False)

        self.log_prob = traced(log_prob, event, rows, shared)
        self.event_log_prob = traced(event_log_prob, event, rows, shared)
        self.encode = traced(encode, event)
        self.decode = traced(decode, event)


def condition_specs(conditions: int | tuple[int] | None) -> list[tf.TensorSpec]:
    """Returns what is taken beside images: nothing, classes `[n]` or vectors `[n, k]`."""
    if conditions is None:
        return []
    if isinstance(conditions, int):
        return [tf.TensorSpec((None,), tf.int32, name="condition")]
    return [tf.TensorSpec((None, *conditions), tf.float32, name="condition")]
