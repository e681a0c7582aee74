"""The network of RealNVP's couplings and its weight-normalised convolution."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.checks import close
from tfp_lcma.networks import ResidualNetwork, WeightNormConv


def images(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def randomised(layer, seed=1):
    random = np.random.default_rng(seed)
    layer.set_weights([0.5 * random.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def built_conv(**kwargs):
    layer = WeightNormConv(5, 3, **kwargs)
    layer.build((None, 4, 4, 2))
    return randomised(layer)


def built_network(input_channels=2, **kwargs):
    network = ResidualNetwork(3, width=4, blocks=2, **kwargs)
    network.build((None, 4, 4, input_channels))
    return randomised(network)


def test_kernel_has_the_length_of_its_gain_and_the_direction_of_its_weights():
    layer = built_conv()
    direction, gain, bias = layer.get_weights()
    kernel = gain * direction / np.sqrt(np.sum(direction**2, axis=(0, 1, 2)))
    x = images(2, 4, 4, 2)
    close(layer(x), tf.nn.conv2d(x, kernel, 1, "SAME") + bias, 1e-5, "convolution")


def test_length_of_the_direction_does_not_matter():
    layer, x = built_conv(), images(2, 4, 4, 2)
    before = layer(x)
    layer.direction.assign(7 * layer.direction)
    close(layer(x), before, 1e-5, "with a longer direction")


def test_zero_gain_starts_at_zero_and_still_learns():
    layer, x = WeightNormConv(5, 3, gain=0.0), images(2, 4, 4, 2)
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        out = layer(x)
        loss = tf.reduce_sum(out * images(2, 4, 4, 5, seed=2))
    assert not np.any(out)
    assert np.all(tape.gradient(loss, layer.gain.value) != 0)


def test_regularizer_acts_on_gains_alone():
    layer = built_conv(regularizer=keras.regularizers.L2(0.5))
    close(sum(layer.losses), 0.5 * np.sum(layer.gain.numpy() ** 2), 1e-6, "penalty")


def test_network_starts_at_zero():
    network, x = ResidualNetwork(3, width=4, blocks=2), images(2, 4, 4, 2)
    network.build(x.shape)
    assert not np.any(network(x))


@pytest.mark.parametrize("blocks", [1, 3])
def test_network_is_pre_activation_residual_with_summed_skips(blocks):
    """Against the formula of its documentation, skips one by one."""
    network, x = ResidualNetwork(3, width=4, blocks=blocks), images(2, 4, 4, 2)
    network.build(x.shape)
    randomised(network)
    relu = tf.nn.relu
    bounded = 6 * tf.tanh(x / 6)
    hidden = network.conv_in(relu(tf.concat([bounded, -bounded], -1)))
    stages = [hidden]
    for inner, outer in zip(network.inner, network.outer, strict=True):
        hidden = hidden + outer(relu(inner(relu(hidden))))
        stages.append(hidden)
    direction, gain, bias = network.skip.get_weights()
    kernel = gain * direction / np.sqrt(np.sum(direction**2, axis=(0, 1, 2)))
    kernels = np.split(kernel, blocks + 1, axis=2)
    skips = sum(tf.nn.conv2d(h, k, 1, "SAME") for h, k in zip(stages, kernels, strict=True)) + bias
    close(network(x), network.conv_out(relu(skips)), 1e-5, "network")


def test_an_input_far_out_of_range_does_not_carry_the_output_with_it():
    network, x = ResidualNetwork(2, width=4, blocks=2), images(2, 4, 4, 2)
    network.build(x.shape)
    randomised(network)
    close(network(1e6 * x), network(1e4 * x), 1e-5, "network far out of range")


def test_number_of_parameters_is_that_of_the_layers():
    filters, width, blocks, channels, context = 3, 4, 2, 2, 1
    network = built_network(context=np.zeros((4, 4, context)))

    def conv(size, before, after):
        return size * size * before * after + 2 * after

    expected = conv(3, 2 * channels + context, width) + 2 * blocks * conv(3, width, width)
    expected += conv(1, width * (blocks + 1), width) + conv(1, width, filters)
    assert network.count_params() == expected


def test_context_is_shown_to_the_network_at_its_place():
    context = np.zeros((4, 4, 1), np.float32)
    context[0, 0] = 1
    network = built_network(context=context)
    out = network(tf.zeros((2, 4, 4, 2)))
    # Two equal rows of a batch may differ in the last bits: kernels work on blocks of rows.
    np.testing.assert_allclose(out[0], out[1], rtol=0, atol=1e-6)
    assert np.any(np.abs(out[0, 0, 0] - out[0, 0, 3]) > 1e-4)


def test_signal_neither_vanishes_nor_explodes_through_many_blocks():
    keras.utils.set_random_seed(0)
    x = images(8, 8, 8, 4)
    network = ResidualNetwork(4, width=32, blocks=8)
    network.build(x.shape)
    network.conv_out.gain.assign(tf.ones(4))
    assert 0.3 < np.std(network(x)) < 5


@pytest.mark.parametrize(
    ("policy", "computed", "held"),
    [
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        ("mixed_bfloat16", "bfloat16", "float32"),
    ],
)
def test_network_computes_and_holds_its_weights_as_the_policy_says(policy, computed, held):
    network = built_network(dtype=policy, context=np.zeros((4, 4, 1)))
    assert network(images(2, 4, 4, 2)).dtype == computed
    assert {w.dtype for w in network.weights} == {held}


def test_bfloat16_agrees_with_float32_to_its_precision():
    exact, coarse = built_network(), built_network(dtype="mixed_bfloat16")
    x = images(2, 4, 4, 2)
    close(tf.cast(coarse(x), tf.float32), exact(x), 0.05, "bfloat16")


def test_network_comes_back_from_its_configuration():
    context = np.random.default_rng(0).random((4, 4, 1)).astype(np.float32)
    network = built_network(context=context, regularizer=keras.regularizers.L2(0.1))
    text = json.dumps(keras.saving.serialize_keras_object(network))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.built
    copy.set_weights(network.get_weights())
    x = images(2, 4, 4, 2)
    assert np.array_equal(copy(x), network(x))
    close(sum(copy.losses), sum(network.losses), 1e-6, "penalty")
    assert copy.compute_output_shape((None, 4, 4, 2)) == (None, 4, 4, 3)


def test_convolution_comes_back_from_its_configuration():
    layer = WeightNormConv(5, 3, gain=0.25, regularizer="l2", dtype="float64")
    copy = WeightNormConv.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    copy.build((None, 4, 4, 2))
    assert copy.direction.shape == (3, 3, 2, 5)
    assert np.array_equal(copy.gain, np.full(5, 0.25))
