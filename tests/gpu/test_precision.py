"""What TF32 costs, and that without it a GPU computes what a processor does."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.gpu.flows import FLOWS, IMAGES, flow_of, kept
from tests.gpu.gpu import skip_without_gpu, tf32
from tfp_lcma.density import FlowDistribution
from tfp_lcma.noise import normal_rows, uniform_batch, uniform_rows

skip_without_gpu()

ROWS = IMAGES[:8]


def bits_per_dimension(flow, x):
    """Of data in the flow's own domain."""
    log_prob = FlowDistribution(flow).log_prob(x)
    return -log_prob / (np.prod(flow.event_shape) * np.log(2))


def round_trip(made):
    """The largest error of latent -> image -> latent -> image, in the flow's own domain."""
    z = tf.constant(np.random.default_rng(0).normal(size=(8, *made.flow.latent_shape)), tf.float32)
    x = made.flow.forward(z)
    return float(tf.reduce_max(tf.abs(made.flow.forward(made.flow.inverse(tf.identity(x))) - x)))


@pytest.mark.parametrize("name", FLOWS)
def test_round_trips_are_exact_without_tf32(name):
    with tf32(False):
        assert round_trip(kept(name)) < 1e-4


@pytest.mark.parametrize("name", FLOWS)
def test_round_trips_are_nearly_as_exact_beside_networks_in_tf32(name):
    with tf32(True):
        assert round_trip(kept(name)) < 1e-3


@pytest.mark.parametrize("name", FLOWS)
def test_densities_are_those_of_float64_to_the_digits_of_the_products(name):
    made = kept(name)
    exact = flow_of(name, dtype="float64")
    for mine, theirs in zip(exact.layers, made.flow.layers, strict=True):
        mine.set_weights(theirs.get_weights())
    images = tf.constant(ROWS + 0.5, tf.float32)
    x = made.preprocessing.inverse(images)
    expected = bits_per_dimension(exact, tf.cast(x, tf.float64))
    for used, tolerance in ((False, 1e-4), (True, 1e-3)):
        with tf32(used):
            got = bits_per_dimension(made.flow, x)
        np.testing.assert_allclose(got, expected, atol=tolerance)


def test_noise_is_that_of_a_processor():
    seeds = tf.constant([[1, 2], [3, 4], [-5, 6]])

    def draw():
        return (
            uniform_rows(seeds, (4, 3), tf.float32),
            uniform_rows(seeds, (4, 3), tf.float64),
            uniform_batch(tf.constant((5, 3)), seeds[0], tf.float32),
            normal_rows(seeds, (4, 3), tf.float32),
        )

    with tf.device("CPU:0"):
        expected = draw()
    for jit_compile in (None, True):
        *uniform, normal = tf.function(draw, jit_compile=jit_compile)()
        for got, same in zip(uniform, expected, strict=False):
            np.testing.assert_array_equal(got, same)
        np.testing.assert_allclose(normal, expected[-1], rtol=1e-5, atol=1e-6)


def test_what_is_exported_beside_a_gpu_is_served_without_one(tmp_path):
    version = str(lcma.export_saved_model(kept("Glow"), tmp_path / "glow"))

    def encoded():
        served = tf.saved_model.load(version).signatures["encode"]
        return served(images=tf.cast(ROWS, tf.float32))["latents"]

    with tf.device("CPU:0"):
        expected = encoded()
    assert "CPU" in expected.device
    with tf32(False):
        np.testing.assert_allclose(encoded(), expected, atol=1e-4)
