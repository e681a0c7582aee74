"""Batch norm's statistics."""

import numpy as np
import pytest
import tensorflow as tf

from tests.registry import SHAPE
from tfp_lcma.bijectors import ActNorm, BatchNorm, Context, FlowChain, Repeated
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data

TRAINING = Context(training=True)
GATHERING = Context(training=True, gathering=True)


def spread_out(flow):
    return np.array([0.01, 30.0]) * data(flow, 64) + np.array([-5.0, 100.0])


def moments(x):
    return np.mean(x, axis=(0, 1, 2)), np.std(x, axis=(0, 1, 2))


@pytest.mark.parametrize("given", [{"momentum": 2}, {"momentum": 1.0}, {"epsilon": 0.0}])
def test_numbers_that_normalise_nothing_are_refused(given):
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name} must .*; got {value}"):
        BatchNorm(SHAPE, **given)


def test_batch_norm_in_training_normalises_by_the_batch():
    flow = BatchNorm(SHAPE, epsilon=1e-8, dtype="float64")
    z, log_det = flow.inverse_and_event_log_det(spread_out(flow), context=TRAINING)
    mean, deviation = moments(z)
    close(mean, np.zeros(2), 1e-8, "mean")
    close(deviation, np.ones(2), 1e-3, "deviation")
    expected = -np.log(moments(spread_out(flow))[1])
    close(log_det[0, 0, 0], expected, 1e-3, "log-det")


def test_batch_norm_in_inference_uses_and_keeps_its_running_statistics():
    flow = BatchNorm(SHAPE, momentum=0.75, dtype="float64")
    x = spread_out(flow)
    close(flow.inverse(x), x / np.sqrt(1 + 1e-4), 1e-12, "at the start")
    flow.inverse_and_event_log_det(x, context=TRAINING)
    mean, deviation = moments(x)
    running = named_variables(flow)
    close(running["mean"], 0.25 * mean, 1e-10, "running mean")
    close(running["variance"], 0.75 + 0.25 * deviation**2, 1e-10, "running variance")
    before = [v.numpy() for v in flow.variables]
    flow.inverse(x)
    flow.forward(x)
    assert all(np.array_equal(v, b) for v, b in zip(flow.variables, before, strict=True))


def test_gathered_statistics_are_the_exact_average_over_batches():
    flow = BatchNorm(SHAPE, dtype="float64")
    assert flow.gathers_statistics
    batches = [scale * data(flow, 8, seed) + seed for seed, scale in enumerate((1, 2, 5))]
    flow.inverse_and_event_log_det(100 + batches[0], context=TRAINING)
    flow.reset_statistics()
    for x in batches:
        flow.inverse_and_event_log_det(x, context=GATHERING)
    running = named_variables(flow)
    close(running["mean"], np.mean([moments(x)[0] for x in batches], 0), 1e-10, "mean")
    close(running["variance"], np.mean([moments(x)[1] ** 2 for x in batches], 0), 1e-10, "variance")


def test_statistics_inside_other_flows_are_gathered_and_forgotten_alike():
    steps = Repeated(lambda: BatchNorm(SHAPE, dtype="float64"), 2)
    flow = FlowChain([ActNorm(SHAPE, dtype="float64"), BatchNorm(SHAPE, dtype="float64"), steps])
    assert flow.gathers_statistics
    before = [v.numpy() for v in flow.variables]
    x = 3 * data(flow, 16) + 2
    flow.inverse_and_log_det(x, context=GATHERING)
    running = named_variables(flow)
    close(running["batch_norm.mean"], moments(x)[0], 1e-10, "mean of the first")
    close(running["repeated.variance"][1], np.ones(2), 1e-3, "variance of the last step")
    flow.reset_statistics()
    assert all(np.array_equal(v, b) for v, b in zip(flow.variables, before, strict=True))


def test_gradient_of_batch_norm_in_training_goes_through_the_statistics():
    flow = BatchNorm(SHAPE, dtype="float64")
    x = data(flow, 4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, _ = flow.inverse_and_event_log_det(x, context=TRAINING)
        loss = tf.reduce_sum(z)  # always 0: the batch mean is taken off
    close(tape.gradient(loss, x), np.zeros(x.shape), 1e-10, "gradient")
