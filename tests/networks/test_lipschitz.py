"""Convolutions whose operator norm is bounded, and the contraction made of them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contractions import inputs, linearized, matrices, strong_network
from tests.seeds import seed_initializers
from tfp_lcma.networks import LipschitzConv, LipschitzNetwork
from tfp_lcma.networks.lipschitz_convolution import conv, conv_transpose
from tfp_lcma.testing.compare import close


def matrix(kernel, height, width):
    """The matrix of a convolution of maps of this size, written out."""
    size = height * width * kernel.shape[2]
    units = tf.reshape(tf.eye(size, dtype=kernel.dtype), (size, height, width, kernel.shape[2]))
    return tf.reshape(conv(units, kernel), (size, -1)).numpy().T


def norm(kernel, height, width):
    return np.linalg.norm(matrix(kernel, height, width), 2)


def built(filters=3, size=3, shape=(4, 5, 2), seed=0, **kwargs):
    seed_initializers(seed)
    layer = LipschitzConv(filters, size, dtype="float64", **kwargs)
    layer.build((None, *shape))
    layer.kernel.assign(2 * np.random.default_rng(seed).normal(size=layer.kernel.shape))
    return layer


def trained(layer, passes=100):
    one_pass = tf.function(lambda: layer.bounded_kernel(training=True), autograph=False)
    for _ in range(passes):
        one_pass()
    return layer


def test_transpose_is_the_transpose_of_the_matrix():
    kernel = built().kernel.value
    y = tf.constant(np.random.default_rng(1).normal(size=(2, 4, 5, 3)))
    got = tf.reshape(conv_transpose(y, kernel), (2, -1))
    close(got, tf.reshape(y, (2, -1)) @ matrix(kernel, 4, 5), 1e-12, "transpose")


@pytest.mark.parametrize(("size", "seed"), [(1, 0), (3, 1), (3, 2)])
def test_largest_singular_value_of_the_convolution_is_the_bound(size, seed):
    layer = trained(built(size=size, seed=seed, bound=0.7))
    # From above: where two singular values are close the iteration is slow.
    assert 0.7 * (1 - 1e-9) <= norm(layer.bounded_kernel(), 4, 5) <= 0.7 * (1 + 1e-3)


def test_norm_of_the_reshaped_kernel_is_another_number():
    """What spectral normalisation usually bounds would let this convolution expand."""
    kernel = trained(built()).bounded_kernel().numpy()
    assert np.linalg.norm(kernel.reshape(-1, 3), 2) < 0.9


@pytest.mark.parametrize("shape", [(4, 4, 2), (8, 8, 4)])
def test_bound_holds_for_weights_that_were_moved_without_an_update(shape):
    layer = trained(built(filters=8, shape=shape), 20)
    layer.kernel.assign_add(0.05 * np.random.default_rng(9).normal(size=layer.kernel.shape))
    assert norm(layer.bounded_kernel(), *shape[:2]) < 1.01


@pytest.mark.parametrize("seed", range(3))
def test_bound_nearly_holds_from_the_first_call_on(seed):
    layer = built(filters=8, shape=(8, 8, 4), seed=seed)
    assert norm(layer.bounded_kernel(), 8, 8) < 1.06


def test_kernel_within_the_bound_is_left_alone():
    layer = built(bound=100.0)
    assert np.array_equal(layer.bounded_kernel(), layer.kernel.value)


def test_kernel_of_zeros_stays_zero_learns_and_forgets_no_direction():
    layer = built()
    layer.kernel.assign(tf.zeros_like(layer.kernel.value))
    x = tf.ones((1, 4, 5, 2), tf.float64)
    with tf.GradientTape() as tape:
        out = layer(x, training=True)
    gradient = tape.gradient(out, layer.kernel.value)
    assert not np.any(out)
    assert np.isfinite(gradient).all()
    assert np.all(gradient != 0)
    assert np.linalg.norm(layer.direction) == pytest.approx(1)
    layer.kernel.assign(built(seed=4).kernel.value)
    assert norm(trained(layer).bounded_kernel(), 4, 5) == pytest.approx(1, rel=1e-6)


def test_gradient_goes_through_the_norm():
    layer = trained(built())
    weight = np.random.default_rng(2).normal(size=layer.kernel.shape)
    direction = np.random.default_rng(3).normal(size=layer.kernel.shape)

    def objective():
        return tf.reduce_sum(layer.bounded_kernel() * weight)

    with tf.GradientTape() as tape:
        value = objective()
    gradient = tape.gradient(value, layer.kernel.value)
    start, ends = layer.kernel.numpy(), []
    for step in (1e-5, -1e-5):
        layer.kernel.assign(start + step * direction)
        ends.append(objective())
    difference = (ends[0] - ends[1]) / 2e-5
    close(tf.reduce_sum(gradient * direction), difference, 1e-6, "gradient")
    # At a fixed norm it would not be across the kernel, whose length does not matter.
    assert abs(np.sum(gradient * start)) < 1e-10 < abs(np.sum(weight * start))


def test_only_training_moves_the_direction():
    layer = built()
    before = layer.direction.numpy()
    first, second = layer.bounded_kernel(), layer.bounded_kernel()
    assert np.array_equal(first, second)
    assert np.array_equal(layer.direction, before)
    layer.bounded_kernel(training=True)
    assert not np.array_equal(layer.direction, before)


def test_convolution_comes_back_from_its_configuration():
    layer = built(bound=0.3, iterations=4)
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    copy.set_weights(layer.get_weights())
    x = tf.ones((1, 4, 5, 2), tf.float64)
    assert np.array_equal(copy(x), layer(x))
    assert copy.compute_output_shape((None, 4, 5, 2)) == (None, 4, 5, 3)


# --- the network ---


def test_network_starts_at_zero():
    network = LipschitzNetwork(4)
    network.build((None, 4, 4, 2))
    assert not np.any(network(tf.ones((1, 4, 4, 2))))


def test_products_with_the_jacobian_are_those_of_autodiff():
    network, x = strong_network(), inputs(3)
    expected = matrices(network, x)
    rows = np.random.default_rng(1).normal(size=(3, 8))
    jacobian = linearized(network, x)
    close(jacobian.value, network(x), 1e-12, "value")
    shaped = tf.reshape(rows, (3, 2, 2, 2))
    pulled = np.einsum("ni,nij->nj", rows, expected)
    close(tf.reshape(jacobian.pull(shaped), (3, -1)), pulled, 1e-10, "pull")
    pushed = np.einsum("nij,nj->ni", expected, rows)
    close(tf.reshape(jacobian.push(shaped), (3, -1)), pushed, 1e-10, "push")


@pytest.mark.parametrize("shape", [(2, 2, 2), (4, 4, 1)])
def test_network_contracts_by_its_coefficient_and_can_come_close_to_it(shape):
    norms = [
        np.linalg.norm(matrices(strong_network(shape, seed=seed), inputs(4, shape)), 2, (1, 2))
        for seed in range(4)
    ]
    assert np.max(norms) <= 0.9
    assert np.max(norms) > 0.7


def test_slope_of_the_activation_is_at_most_one_however_sharp_it_is():
    network = LipschitzNetwork(1, dtype="float64")
    network.build((None, 1, 1, 1))
    for layer in network.convolutions:
        layer.kernel.assign(
            np.pad([[[[1.0]]]], [((s := layer.kernel_size // 2), s)] * 2 + [(0, 0)] * 2)
        )
    x = tf.reshape(tf.linspace(tf.constant(-50.0, tf.float64), 50, 20001), (-1, 1, 1, 1))
    for raw in (-3.0, 0.5, 5.0):
        for beta in network.raw_sharpness:
            beta.assign(raw)
        slopes = linearized(network, x).slopes
        assert max(np.max(np.abs(slope)) for slope in slopes) <= 1
        assert np.max(slopes[0]) > 0.99


@pytest.mark.parametrize("coefficient", [0, 1, 1.5, -0.1])
def test_coefficient_that_is_no_contraction_is_refused(coefficient):
    with pytest.raises(ValueError, match=f"coefficient must lie .*; got {coefficient}"):
        LipschitzNetwork(4, coefficient)


@pytest.mark.parametrize("argument", ["filters", "kernel_size", "iterations", "bound"])
def test_numbers_of_a_convolution_that_bound_nothing_are_refused(argument):
    with pytest.raises(ValueError, match=f"{argument} must be .*; got 0"):
        LipschitzConv(**({"filters": 2, "kernel_size": 1} | {argument: 0}))


def test_network_comes_back_from_its_configuration():
    network = strong_network()
    text = json.dumps(keras.saving.serialize_keras_object(network))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    copy.set_weights(network.get_weights())
    assert np.array_equal(copy(inputs(2)), network(inputs(2)))
    assert copy.compute_output_shape((None, 2, 2, 2)) == (None, 2, 2, 2)
