"""One flow's part of a gradient that goes backward by inversion."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.log_det import EventLogDet, LogDet

# Gradients by the id of a Keras variable, or "condition" and "kept" of the context.
Gradients = dict[Hashable, tf.Tensor]


class Backward(NamedTuple):
    """One flow's part of a gradient that goes backward by inversion.

    Attributes:
        x: The flow's input, found again.
        dx: The loss' gradient with respect to it, in its shape.
        dlog_det: That with respect to the log-det that came in, an accumulator of
            the kind that the pass took along.
        gradients: Those with respect to variables and to the context's tensors.
    """

    x: tf.Tensor
    dx: tf.Tensor
    dlog_det: LogDet
    gradients: Gradients


def differentiated(
    carry_inverse,
    x: tf.Tensor,
    dz: tf.Tensor,
    dlog_det: LogDet,
    context: Context,
    layers: Sequence[keras.layers.Layer],
) -> Backward:
    """Differentiates a pass at an input that is known: `carry_backward` without the inversion.

    Args:
        carry_inverse: The pass, as the method of that name.
        x: Its input.
        dz: The loss' gradient with respect to its latents.
        dlog_det: That with respect to its log-det.
        context: What it goes by.
        layers: The layers whose variables it reads.
    """
    x, before = tf.stop_gradient(x), dlog_det.zeros_like(x)
    sources = gradient_sources(layers, context)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([x, before.values, *sources.values()])
        z, after = carry_inverse(x, before, context)
    dx, moved_back, *found = tape.gradient(
        [z, after.values],
        [x, before.values, *sources.values()],
        output_gradients=[dz, dlog_det.values],
    )
    if isinstance(dlog_det, EventLogDet):
        dlog_det = EventLogDet(moved_back)
    gradients = {key: g for key, g in zip(sources, found, strict=True) if g is not None}
    return Backward(x, tf.zeros_like(x) if dx is None else dx, dlog_det, gradients)


def gradient_sources(
    layers: Sequence[keras.layers.Layer], context: Context
) -> dict[Hashable, tf.Tensor]:
    """Returns the tensors that gradients are taken for, by the keys of `Gradients`."""
    variables = {id(v): v for layer in layers for v in layer.trainable_variables}
    sources: dict[Hashable, tf.Tensor] = {key: v.value for key, v in variables.items()}
    for name, tensor in context.tensors().items():
        sources[name] = tensor
    return sources


def add_gradients(one: Gradients, other: Gradients) -> Gradients:
    """Returns the sums of gradients by their keys."""
    both = {key: one[key] + other[key] for key in one.keys() & other.keys()}
    return one | other | both
