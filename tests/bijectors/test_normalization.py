"""Actnorm's explicit start, batch norm's statistics."""

import numpy as np
import pytest
import tensorflow as tf

from tests.checks import close
from tests.registry import SHAPE, data, latents
from tfp_lcma.bijectors import ActNorm, BatchNorm, FlowChain, data_dependent_initialization
from tfp_lcma.bijectors.normalization import collecting_batch_statistics
from tfp_lcma.networks.actnorm import LOG_SCALE_BOUND

SPREAD = np.array([0.01, 30.0])
CENTRE = np.array([-5.0, 100.0])


def spread_out(flow, batch=64):
    return tf.cast(SPREAD, flow.dtype) * data(flow, batch) + tf.cast(CENTRE, flow.dtype)


def moments(x):
    return np.mean(x, axis=(0, 1, 2)), np.std(x, axis=(0, 1, 2))


def test_actnorm_starts_from_the_statistics_of_one_batch():
    flow = ActNorm(SHAPE, dtype="float64")
    with data_dependent_initialization():
        flow.inverse_and_event_log_det(spread_out(flow))
    mean, deviation = moments(flow.inverse(spread_out(flow)))
    close(mean, np.zeros(2), 1e-6, "mean")
    close(deviation, np.ones(2), 1e-2, "deviation")


def test_every_actnorm_of_a_chain_sees_what_the_one_before_left():
    first, second = ActNorm(SHAPE, dtype="float64"), ActNorm(SHAPE, dtype="float64")
    chain = FlowChain([first, second])
    with data_dependent_initialization():
        chain.inverse_and_event_log_det(spread_out(chain))
    close(second.trainable_variables[0], np.zeros(2), 1e-6, "shift left for the second")


def test_constant_channel_does_not_blow_actnorm_up():
    flow = ActNorm(SHAPE)
    with data_dependent_initialization():
        z, log_det = flow.inverse_and_event_log_det(tf.fill((8, *SHAPE), 3.0))
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
        lambda flow: flow.inverse_and_event_log_det(spread_out(flow), training=True),
        lambda flow: flow.forward_and_event_log_det(latents(flow, 8)),
        lambda flow: tf.function(flow.inverse)(spread_out(flow)),
    ],
    ids=["a training step", "sampling", "tracing"],
)
def test_nothing_but_the_context_initialises_actnorm(use):
    flow = ActNorm(SHAPE)
    before = [v.numpy() for v in flow.variables]
    use(flow)
    assert all(np.array_equal(v, b) for v, b in zip(flow.variables, before, strict=True))


def test_sampling_and_tracing_initialise_nothing_even_inside_the_context():
    flow = ActNorm(SHAPE)
    with data_dependent_initialization():
        flow.forward(latents(flow, 8))
        tf.function(flow.inverse)(spread_out(flow))
    assert not any(np.any(v) for v in flow.variables)


def test_initialisation_ends_with_its_context_even_after_an_error():
    flow = ActNorm(SHAPE)
    with pytest.raises(RuntimeError), data_dependent_initialization():
        raise RuntimeError
    flow.inverse_and_event_log_det(spread_out(flow))
    assert not any(np.any(v) for v in flow.variables)


def test_batch_norm_in_training_normalises_by_the_batch():
    flow = BatchNorm(SHAPE, epsilon=1e-8, dtype="float64")
    z, log_det = flow.inverse_and_event_log_det(spread_out(flow), training=True)
    mean, deviation = moments(z)
    close(mean, np.zeros(2), 1e-8, "mean")
    close(deviation, np.ones(2), 1e-3, "deviation")
    expected = -np.log(moments(spread_out(flow))[1])
    close(log_det[0, 0, 0], expected, 1e-3, "log-det")


def test_batch_norm_in_inference_uses_and_keeps_its_running_statistics():
    flow = BatchNorm(SHAPE, momentum=0.75, dtype="float64")
    x = spread_out(flow)
    close(flow.inverse(x), x / np.sqrt(1 + 1e-4), 1e-12, "at the start")
    flow.inverse_and_event_log_det(x, training=True)
    mean, deviation = moments(x)
    running = {v.name.split("/")[-1].split(":")[0]: v for v in flow.variables}
    close(running["mean"], 0.25 * mean, 1e-10, "running mean")
    close(running["variance"], 0.75 + 0.25 * deviation**2, 1e-10, "running variance")
    before = [v.numpy() for v in flow.variables]
    flow.inverse(x)
    flow.forward(x)
    assert all(np.array_equal(v, b) for v, b in zip(flow.variables, before, strict=True))


def test_collected_statistics_are_the_exact_average_over_batches():
    flow = BatchNorm(SHAPE, dtype="float64")
    batches = [scale * data(flow, 8, seed) + seed for seed, scale in enumerate((1, 2, 5))]
    flow.inverse_and_event_log_det(100 + batches[0], training=True)
    flow.reset_statistics()
    with collecting_batch_statistics():
        for x in batches:
            flow.inverse_and_event_log_det(x, training=True)
    running = {v.name.split("/")[-1].split(":")[0]: v for v in flow.variables}
    close(running["mean"], np.mean([moments(x)[0] for x in batches], 0), 1e-10, "mean")
    close(running["variance"], np.mean([moments(x)[1] ** 2 for x in batches], 0), 1e-10, "variance")


def test_gradient_of_batch_norm_in_training_goes_through_the_statistics():
    flow = BatchNorm(SHAPE, dtype="float64")
    x = data(flow, 4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, _ = flow.inverse_and_event_log_det(x, training=True)
        loss = tf.reduce_sum(z)  # always 0: the batch mean is taken off
    close(tape.gradient(loss, x), np.zeros(x.shape), 1e-10, "gradient")
