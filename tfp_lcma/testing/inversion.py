"""Gradients by inversion are the plain ones."""

import contextlib
import functools

import tensorflow as tf

from tfp_lcma.bijectors import EventLogDet, Repeated, SummedLogDet
from tfp_lcma.bijectors.inversion import carry_inverse_by_inversion
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.testing.compare import require
from tfp_lcma.testing.inputs import data, unwrapped
from tfp_lcma.testing.training_step import (
    check_same_step,
    in_training,
    step_and_state,
    training_step,
)


def plainly(flow, x, context, **kinds):
    """A step of training by TensorFlow's own gradient."""
    with remembering(flow, "keep"):
        return training_step(flow.carry_inverse, flow, x, context, **kinds)


def by_inversion(flow, x, context, **kinds):
    """A step of training by inversion; of a multi-scale flow by its own setting."""

    def carry(x, log_det, context):
        return carry_inverse_by_inversion(flow, x, log_det, context)

    with remembering(flow, "invert"):
        carry = flow.carry_inverse if isinstance(flow, MultiScale) else carry
        return training_step(carry, flow, x, context, **kinds)


@contextlib.contextmanager
def remembering(flow, memory):
    """Within this context a multi-scale flow keeps what `memory` says."""
    before = getattr(flow, "memory", None)
    if before is not None:
        flow.memory = memory
    try:
        yield
    finally:
        if before is not None:
            flow.memory = before


def check_gradient_by_inversion(flow):
    """Eagerly, a gradient by inversion is the plain one, and state changes once, as it does."""
    x = data(flow, 3)
    flow, context = in_training(flow, x)
    plain, inverting = (
        functools.partial(step, kinds=(EventLogDet,)) for step in (plainly, by_inversion)
    )
    got = step_and_state(inverting, flow, x, context)
    check_same_step(got, step_and_state(plain, flow, x, context))


def check_traced_gradient_by_inversion(flow):
    """In a graph a gradient by inversion is the plain one too, under the sum of the log-det.

    In loops, which do not carry the sum along, also under a log-det per dimension: eagerly it is
    that of all flows.
    """
    x = data(flow, 3)
    flow, context = in_training(flow, x)
    loops = any(isinstance(part, Repeated) for part in flow.parts)
    kinds = (SummedLogDet, EventLogDet) if loops else (SummedLogDet,)

    def differentiated(x, tensors):
        return by_inversion(flow, x, context.replace(**tensors), kinds=kinds)

    # A partial, as in `traced_distribution`.
    graph = tf.function(functools.partial(differentiated), autograph=False)

    def traced(flow, x, context):
        return graph(x, context.tensors())

    got = step_and_state(traced, flow, x, context)
    plain = functools.partial(plainly, kinds=kinds)
    check_same_step(got, step_and_state(plain, flow, x, context))


def check_no_second_derivative(flow, carry=carry_inverse_by_inversion):
    """A second derivative of a gradient by inversion is an error that names the remedy."""
    x = data(flow, 2)
    flow, context = unwrapped(flow, x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            start = SummedLogDet(tf.zeros_like(x[:, 0, 0, 0]))
            z, log_det = carry(flow, x, start, context)
            loss = tf.reduce_sum(z**2) + tf.reduce_sum(log_det.values)
        first = tf.reduce_sum(inner.gradient(loss, x))
    try:
        outer.gradient(first, x)
    except ValueError as error:
        require('memory must be "keep"' in str(error), f"the error names no remedy: {error}")
    else:
        raise AssertionError("a second derivative is returned")
