"""The network of RealNVP's couplings and its weight-normalised convolution."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tests.seeds import seed_initializers
from tfp_lcma.networks import ResidualNetwork, WeightNormConv
from tfp_lcma.networks.residual_network import UNROLLED_BLOCKS
from tfp_lcma.testing.compare import close


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
    network = ResidualNetwork(3, **{"width": 4, "blocks": 2, **kwargs})
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


def by_hand(network, inputs):
    """The network of the formula in its documentation, by its numbers, skips one by one."""
    numbers = dict(zip([v.path for v in network.variables], network.get_weights(), strict=True))
    (of_in, inner, outer, of_skip, of_out) = (
        [value for path, value in numbers.items() if path.rsplit("/", 1)[0] == layer.path]
        for layer in (
            network.conv_in,
            network.inner,
            network.outer,
            network.skip,
            network.conv_out,
        )
    )

    def convolved(x, direction, gain, bias):
        kernel = gain * direction / np.sqrt(np.sum(direction**2, axis=(0, 1, 2)))
        return tf.nn.conv2d(x, kernel, 1, "SAME") + bias

    relu = tf.nn.relu
    channels = inputs.shape[-1] - network.maps
    bounded, maps = 6 * tf.tanh(inputs[..., :channels] / 6), inputs[..., channels:]
    hidden = convolved(relu(tf.concat([bounded, -bounded, maps], -1)), *of_in)
    stages = [hidden]
    for block in range(network.blocks):
        branch = convolved(relu(hidden), *(array[block] for array in inner))
        hidden = hidden + convolved(relu(branch), *(array[block] for array in outer))
        stages.append(hidden)
    direction, gain, bias = of_skip
    kernel = gain * direction / np.sqrt(np.sum(direction**2, axis=(0, 1, 2)))
    kernels = np.split(kernel, network.blocks + 1, axis=2)
    skips = sum(tf.nn.conv2d(h, k, 1, "SAME") for h, k in zip(stages, kernels, strict=True)) + bias
    return convolved(relu(skips), *of_out)


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("maps", [0, 1])
def test_network_is_pre_activation_residual_with_summed_skips(blocks, maps):
    network, x = ResidualNetwork(3, width=4, blocks=blocks, maps=maps), images(2, 4, 4, 2)
    network.build(x.shape)
    randomised(network)
    close(network(x), by_hand(network, x), 1e-5, "network")


def test_many_blocks_are_a_loop_in_a_graph_and_the_same_network():
    network, x = built_network(blocks=UNROLLED_BLOCKS + 1), images(2, 4, 4, 2)
    graph = tf.function(network, autograph=False)
    close(graph(x), network(x), 1e-5, "looped")
    more = tf.function(built_network(blocks=UNROLLED_BLOCKS + 5), autograph=False)
    sizes = [len(f.get_concrete_function(x).graph.get_operations()) for f in (graph, more)]
    assert sizes[0] == sizes[1]


def test_an_input_far_out_of_range_does_not_carry_the_output_with_it():
    network, x = ResidualNetwork(2, width=4, blocks=2), images(2, 4, 4, 2)
    network.build(x.shape)
    randomised(network)
    close(network(1e6 * x), network(1e4 * x), 1e-5, "network far out of range")


def test_number_of_parameters_is_that_of_the_layers():
    filters, width, blocks, channels, maps = 3, 4, 2, 2, 1
    network = built_network(channels + maps, maps=maps)

    def conv(size, before, after):
        return size * size * before * after + 2 * after

    expected = conv(3, 2 * channels + maps, width) + 2 * blocks * conv(3, width, width)
    expected += conv(1, width * (blocks + 1), width) + conv(1, width, filters)
    assert network.count_params() == expected


def test_maps_are_neither_bounded_nor_mirrored():
    network, x = built_network(3, maps=1), images(2, 4, 4, 3)
    negative = tf.concat([x[..., :2], -tf.abs(x[..., 2:])], axis=-1)
    close(
        network(negative),
        network(2 * negative - tf.concat([x[..., :2], 0 * x[..., 2:]], -1)),
        1e-5,
        "below zero",
    )
    apart = tf.concat([x[..., :2], 1e6 + 0 * x[..., 2:]], axis=-1)
    assert np.abs(network(apart)).max() > 1e3


def test_signal_neither_vanishes_nor_explodes_through_many_blocks():
    seed_initializers(0)
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
        pytest.param("mixed_bfloat16", "bfloat16", "float32", marks=computes_in_bfloat16),
    ],
)
def test_network_computes_and_holds_its_weights_as_the_policy_says(policy, computed, held):
    network = built_network(dtype=policy, maps=1)
    assert network(images(2, 4, 4, 2)).dtype == computed
    assert {w.dtype for w in network.weights} == {held}


@computes_in_bfloat16
def test_bfloat16_agrees_with_float32_to_its_precision():
    exact, coarse = built_network(), built_network(dtype="mixed_bfloat16")
    x = images(2, 4, 4, 2)
    close(tf.cast(coarse(x), tf.float32), exact(x), 0.05, "bfloat16")


def test_network_comes_back_from_its_configuration():
    network = built_network(maps=1, regularizer=keras.regularizers.L2(0.1))
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
