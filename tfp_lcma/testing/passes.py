"""What a flow makes of a batch, and its Jacobian at one event."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lcma.testing.inputs import data, latents
from tfp_lcma.testing.state import kept


class Pass(NamedTuple):
    """What one direction of a flow makes of a batch."""

    value: tf.Tensor
    out: tf.Tensor
    log_det: tf.Tensor


@kept
def both_ways(flow):
    """A pass of each direction, over three rows."""
    x, z = data(flow, 3), latents(flow, 3)
    return (
        Pass(x, *flow.inverse_and_event_log_det(x)),
        Pass(z, *flow.forward_and_event_log_det(z)),
    )


def jacobian(function, value):
    """The matrix of d out / d in at one event, from one backward pass.

    Row i comes from copy i of the event in a batch of as many copies as there
    are dimensions.
    """
    size = int(np.prod(value.shape[1:]))
    copies = tf.repeat(value, size, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        out = tf.reshape(function(copies), (size, -1))
        diagonal = tf.reduce_sum(tf.linalg.diag_part(out))
    gradient = tape.gradient(diagonal, copies, unconnected_gradients="zero")
    return tf.reshape(gradient, (size, size)).numpy()


class Derivative(NamedTuple):
    """One direction of a flow at one event, and how it changes there.

    `matrix` is d out / d in by automatic differentiation. Of that, `difference` is a difference
    of values along `direction`.
    """

    name: str
    value: tf.Tensor
    out: tf.Tensor
    log_det: tf.Tensor
    matrix: np.ndarray
    direction: np.ndarray
    difference: tf.Tensor


@kept
def derivatives(flow):
    """The derivatives of both directions."""
    return [
        derivative(flow.inverse_and_event_log_det, data(flow, 1)),
        derivative(flow.forward_and_event_log_det, latents(flow, 1)),
    ]


def derivative(method, value):
    """A direction's derivative, all of it from one pass over copies of the event."""
    direction = np.random.default_rng(5).normal(size=value.shape)
    step = 1e-6 if value.dtype == tf.float64 else 1e-4
    passes: list[tf.Tensor] = []

    def one_pass(copies):
        ends = [value + step * direction, value - step * direction]
        passes[:] = method(tf.concat([copies, *ends], axis=0))
        return passes[0][:-2]

    matrix = jacobian(one_pass, value)
    out, log_det = passes
    difference = (out[-2] - out[-1]) / (2 * step)
    return Derivative(
        method.__name__, value, out[:1], log_det[:1], matrix, direction, tf.reshape(difference, -1)
    )
