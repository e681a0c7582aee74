"""Actnorm's explicit start."""

import numpy as np
import pytest
import tensorflow as tf

from tests.registry import SHAPE
from tfp_lcma.bijectors import ActNorm, Context, FlowChain
from tfp_lcma.networks.actnorm import LOG_SCALE_BOUND
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents

START = Context(starting=True)


def spread_out(flow):
    """A batch of large and small numbers, far from zero."""
    scale, centre = np.array([0.01, 30.0]), np.array([-5.0, 100.0])
    return tf.cast(scale, flow.dtype) * data(flow, 64) + tf.cast(centre, flow.dtype)


def moments(x):
    return np.mean(x, axis=(0, 1, 2)), np.std(x, axis=(0, 1, 2))


def test_actnorm_starts_from_the_statistics_of_one_batch():
    flow = ActNorm(SHAPE, dtype="float64")
    assert not flow.is_initialized
    flow.inverse_and_event_log_det(spread_out(flow), context=START)
    assert flow.is_initialized
    mean, deviation = moments(flow.inverse(spread_out(flow)))
    close(mean, np.zeros(2), 1e-6, "mean")
    close(deviation, np.ones(2), 1e-2, "deviation")


def test_every_actnorm_of_a_chain_sees_what_the_one_before_left():
    first, second = ActNorm(SHAPE, dtype="float64"), ActNorm(SHAPE, dtype="float64")
    chain = FlowChain([first, second])
    chain.inverse_and_log_det(spread_out(chain), context=START)
    close(second.trainable_variables[0], np.zeros(2), 1e-6, "shift left for the second")


def test_constant_channel_does_not_blow_actnorm_up():
    flow = ActNorm(SHAPE)
    z, log_det = flow.inverse_and_event_log_det(tf.fill((8, *SHAPE), 3.0), context=START)
    assert np.isfinite(z).all()
    assert np.abs(log_det).max() < LOG_SCALE_BOUND


def test_log_scale_of_actnorm_is_bounded_for_any_weight():
    flow = ActNorm(SHAPE)
    for variable in flow.trainable_variables:
        variable.assign([1e4, -1e4])
    assert np.abs(flow.forward_event_log_det_jacobian(latents(flow, 1))).max() <= LOG_SCALE_BOUND


@pytest.mark.parametrize(
    "use",
    [
        lambda flow, x: flow.inverse_and_event_log_det(x, context=Context(training=True)),
        lambda flow, x: flow.forward_and_event_log_det(x),
        lambda flow, x: flow.forward_and_event_log_det(x, context=START),
        lambda flow, x: tf.function(flow.inverse)(x),
    ],
    ids=["a training step", "sampling", "sampling while others start", "tracing"],
)
def test_nothing_but_a_starting_inverse_pass_starts_actnorm(use):
    flow = ActNorm(SHAPE)
    before = [v.numpy() for v in flow.variables]
    use(flow, spread_out(flow))
    assert all(np.array_equal(v, b) for v, b in zip(flow.variables, before, strict=True))


def test_a_context_may_name_the_levels_that_start():
    context = Context(starting={1})
    flow = ActNorm(SHAPE)
    flow.inverse_and_log_det(spread_out(flow), context=context.at_level(0))
    assert not flow.is_initialized
    flow.inverse_and_log_det(spread_out(flow), context=context.at_level(1))
    assert flow.is_initialized
