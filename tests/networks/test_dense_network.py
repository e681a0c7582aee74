"""The dense network with attention beside it."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tfp_lcma.networks import DenseNetwork, NystromAttention
from tfp_lcma.testing.compare import close

SHAPE = (3, 2, 2)


def images(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def network(shape=SHAPE, seed=1, **options):
    layer = DenseNetwork(3, **({"width": 4, "depth": 2, "growth": 3} | options))
    layer.build((None, *shape))
    random = np.random.default_rng(seed)
    layer.set_weights([0.5 * random.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def product(layer, x):
    """A 1x1 convolution, or a dense layer."""
    kernel, *bias = (np.asarray(weight) for weight in layer.weights)
    return x @ kernel.reshape(kernel.shape[-2:]) + sum(bias)


def convolved(layer, x):
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    height, width = x.shape[:2]
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    windows = [
        padded[r : r + height, c : c + width] @ kernel[r, c] for r in range(3) for c in range(3)
    ]
    return sum(windows) + bias


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def attended(layer, x):
    """The attention, its landmarks the means of runs of positions."""
    q, k, v = np.split(product(layer.dense_in, x.reshape(-1, x.shape[-1])), 3, axis=-1)
    few_q, few_k = (
        np.stack([run.mean(axis=0) for run in np.array_split(t, min(layer.landmarks, len(t)))])
        for t in (q, k)
    )
    root = np.sqrt(q.shape[-1])
    one, two, three = (softmax(a @ b.T / root) for a, b in ((q, few_k), (few_q, few_k), (few_q, k)))
    inverse, identity = two.T / two.sum(axis=0).max(), np.eye(len(two))
    for _ in range(6):
        p = two @ inverse
        inverse = inverse @ (13 * identity - p @ (15 * identity - p @ (7 * identity - p))) / 4
    return product(layer.dense_out, one @ inverse @ three @ v + v).reshape(*x.shape[:2], -1)


def test_network_is_that_of_its_formula():
    layer, x = network(dtype="float64"), images(2, *SHAPE, dtype="float64")
    for image, got in zip(x, layer(x), strict=True):
        hidden = product(layer.conv_in, 6 * np.tanh(image / 6))
        dense = hidden
        for inner, outer in zip(layer.block.inner, layer.block.outer, strict=True):
            added = np.maximum(convolved(outer, np.maximum(product(inner, dense), 0)), 0)
            dense = np.concatenate([dense, added], axis=-1)
        a, b, c = np.split(product(layer.block.gate, dense), 3, axis=-1)
        parts = [attended(layer.attention, hidden), a + b / (1 + np.exp(-c))]
        scale = np.exp(7 * np.tanh(layer.norm.raw_log_scale.numpy() / 7))
        normed = (np.concatenate(parts, axis=-1) + layer.norm.shift.numpy()) * scale
        mixed = product(layer.conv_mix, np.maximum(normed, 0))
        close(got, product(layer.conv_out, mixed), 1e-9, "network")


def test_with_a_landmark_for_every_position_attention_is_plain_attention():
    layer, x = NystromAttention(3, 2, landmarks=4, dtype="float64"), images(1, 2, 2, 3)
    layer.build(x.shape)
    # Every position attends to itself above all: the inverse is found to the last digit.
    look = 1.5 * np.eye(3, 2)
    kernel = np.concatenate([look, look, np.ones((3, 2))], axis=1)
    layer.dense_in.kernel.assign(kernel)
    x = np.array([[[1.0, 1, 1], [1, -1, 0]], [[-1, 1, 2], [-1, -1, 3]]])[None]
    q, k, v = np.split(product(layer.dense_in, x.reshape(4, 3)), 3, axis=-1)
    plain = product(layer.dense_out, softmax(q @ k.T / np.sqrt(2)) @ v + v)
    close(layer(x), plain.reshape(1, 2, 2, 3), 1e-9, "attention")


def test_an_image_alone_is_as_in_its_batch():
    layer, x = network(dtype="float64"), images(3, *SHAPE, dtype="float64")
    x[1:] *= 100
    close(layer(x[:1])[0], layer(x)[0], 1e-12, "the first image")


def test_network_starts_at_zero_and_its_actnorm_by_a_batch():
    layer, x = DenseNetwork(3, 4, depth=1), images(8, *SHAPE)
    layer.build(x.shape)
    assert not np.any(layer(x))
    layer.initialize(x)
    parts = layer.norm(layer._parts(x, None))
    assert np.abs(tf.reduce_mean(parts, (0, 1, 2))).max() < 1e-5
    close(tf.math.reduce_std(parts, (0, 1, 2)), np.ones(8), 1e-2, "standard deviation")


def test_every_position_reaches_every_other():
    layer, x = network((6, 6, 2), depth=1), images(1, 6, 6, 2)
    changed = x.copy()
    changed[0, 0, 0] += 1
    assert np.all(np.abs(layer(x) - layer(changed)).max(axis=-1) > 1e-6)


def test_an_input_far_out_of_range_does_not_carry_the_output_with_it():
    layer, x = network(), images(2, *SHAPE)
    close(layer(1e6 * x), layer(1e4 * x), 1e-4, "network far out of range")


@computes_in_bfloat16
def test_network_computes_and_holds_its_weights_as_the_policy_says():
    layer, x = network(dtype="mixed_bfloat16"), images(2, *SHAPE)
    assert layer(x).dtype == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}
    exact = network()(x)
    close(tf.cast(layer(x), tf.float32), exact, 0.1 * np.abs(exact).max(), "bfloat16")


@pytest.mark.slow
def test_xla_computes_what_eager_mode_does():
    layer, x = network(), images(2, *SHAPE)
    close(tf.function(layer, jit_compile=True, autograph=False)(x), layer(x), 1e-4, "under XLA")


def test_network_comes_back_from_its_configuration():
    layer = network(conditions=(2,), growth=None)
    assert layer.block.growth == layer.width
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.built
    copy.set_weights(layer.get_weights())
    inputs = images(2, *SHAPE), images(2, 2)
    np.testing.assert_array_equal(copy(*inputs), layer(*inputs))
    assert copy.get_config() == layer.get_config()


def test_a_width_that_is_odd_is_refused():
    with pytest.raises(ValueError, match="width must be a multiple of 2; got 5"):
        DenseNetwork(2, 5)
