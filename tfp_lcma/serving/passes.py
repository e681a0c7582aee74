"""The passes through a flow that all signatures share."""

import tensorflow as tf

from tfp_lcma.bijectors.context import ProbeSeeds
from tfp_lcma.keras_model.flow_model import FlowModel


class Passes:
    """Functions of continuous images or latents, each of which holds the flow's graph once.

    A dozen signatures call them: traced for every one of them, a large flow would
    take a dozen times as long to export and to load. Rows are independent.

    Every function takes, last, the condition of a model that has one.

    Attributes:
        noised: `(images, seeds, draw)`, of whole intensities, int32 `[n, 2]` and an int32 scalar,
            to `x` and -log q(u | image), `[n]`; it takes no condition.
        event_noised: The same with the latter per dimension.
        log_prob: `(x, probe_rows, probe_shared, *condition)` to nats `[n]`; the
            probes are the two arguments of `probing`.
        event_log_prob: The same per dimension, in the shape of `x`.
        encode: `(x, *condition)` to latents in its shape.
        decode: `(z, *condition)` to images, float32 in [0, bins), and a boolean `[n]`: where it is
            false the latents are not finite or have no image, and the row is NaN.
    """

    def __init__(self, model: FlowModel):
        """Wraps the passes of a model; each is traced when it is first called."""
        density = model.density
        event = tf.TensorSpec((None, *model.event_shape), density.dtype)
        rows, shared = tf.TensorSpec((None, 2), tf.int32), tf.TensorSpec((), tf.int32)
        condition = condition_specs(model.conditions)

        def log_prob(x, rows, shared, condition=None):
            return density.log_prob_at(x, ProbeSeeds(rows, shared), condition)

        def event_log_prob(x, rows, shared, condition=None):
            return density.event_log_prob_at(x, ProbeSeeds(rows, shared), condition)

        def noised(event):
            def function(images, seeds, draw):
                x, minus_log_q, _ = density.noised(images, seeds, draw, event)
                return x, minus_log_q

            specs = tf.TensorSpec((None, *model.event_shape), tf.uint8), rows, shared
            return tf.function(function, input_signature=specs, autograph=False)

        def traced(function, *specs):
            return tf.function(function, input_signature=[*specs, *condition], autograph=False)

        self.noised, self.event_noised = noised(event=False), noised(event=True)
        self.log_prob = traced(log_prob, event, rows, shared)
        self.event_log_prob = traced(event_log_prob, event, rows, shared)
        self.encode = traced(density.encode, event)
        self.decode = traced(density.decode, event)


def condition_specs(conditions: int | tuple[int, ...] | None) -> list[tf.TensorSpec]:
    """Returns what is taken beside images: nothing, classes `[n]` or vectors `[n, k]`."""
    if conditions is None:
        return []
    if isinstance(conditions, int):
        return [tf.TensorSpec((None,), tf.int32, name="condition")]
    return [tf.TensorSpec((None, *conditions), tf.float32, name="condition")]
