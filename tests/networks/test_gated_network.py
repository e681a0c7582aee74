"""Flow++'s network: gated convolutions and self-attention."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tfp_lcma.networks import GatedNetwork
from tfp_lcma.testing.compare import close


def images(*shape, seed=0, dtype=tf.float32):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def built_network(shape=(4, 4, 2), blocks=2, **options):
    network = GatedNetwork(3, width=8, blocks=blocks, heads=2, **options)
    network.build((None, *shape))
    random = np.random.default_rng(1)
    network.set_weights([0.4 * random.normal(size=w.shape) for w in network.get_weights()])
    return network


def numpy_conv(layer, x):
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    size = kernel.shape[0]
    padded = np.pad(x, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    h, w, _ = x.shape
    taps = ((i, j) for i in range(size) for j in range(size))
    return bias + sum(padded[i : i + h, j : j + w] @ kernel[i, j] for i, j in taps)


def numpy_norm(layer, x):
    gamma, beta = (np.asarray(weight) for weight in layer.weights)
    centred = x - x.mean(-1, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) + beta


def numpy_gate(x):
    value, gate = np.split(x, 2, axis=-1)
    return value / (1 + np.exp(-gate))


def numpy_celu(x):
    both = np.concatenate([x, -x], -1)
    return np.where(both > 0, both, np.exp(np.minimum(both, 0)) - 1)


def numpy_attention(layer, tokens):
    query, key, value, output = (np.asarray(weight) for weight in layer.weights)
    result = 0
    for head in range(query.shape[1]):
        q, k, v = (tokens @ kernel[:, head] for kernel in (query, key, value))
        scores = np.exp(q @ k.T / np.sqrt(q.shape[-1]))
        result = result + scores / scores.sum(-1, keepdims=True) @ v @ output[head]
    return result


def test_network_is_that_of_its_formula():
    network, x = built_network(dtype="float64"), images(2, 4, 4, 2, dtype=tf.float64)
    positions = network.positions.numpy()
    for image, got in zip(x.numpy(), network(x), strict=True):
        h = numpy_conv(network.conv_in, 6 * np.tanh(image / 6))
        for block in network.blocks:
            inner = numpy_celu(numpy_conv(block.conv, numpy_celu(h)))
            h = numpy_norm(block.norm_conv, h + numpy_gate(numpy_conv(block.conv_gate, inner)))
            mixed = numpy_attention(block.attention, (h + positions).reshape(16, 8))
            gated = numpy_gate(mixed).reshape(4, 4, 8)
            h = numpy_norm(block.norm_attention, h + gated)
        close(got, numpy_conv(network.conv_out, numpy_celu(h)), 1e-10, "network")


def test_network_starts_at_zero():
    network, x = GatedNetwork(3, width=4, blocks=1), images(2, 4, 4, 2)
    network.build(x.shape)
    out = network(x)
    assert out.shape == (2, 4, 4, 3)
    assert not np.any(out)


def test_attention_carries_what_convolutions_cannot_reach():
    network = built_network((8, 8, 1), blocks=1)
    x = images(1, 8, 8, 1).numpy()
    changed = x.copy()
    changed[0, 0, 0] += 2
    # Three convolutions reach three pixels far.
    assert np.abs(network(x) - network(changed))[0, 5:, 5:].max() > 1e-4
    for weight in network.blocks[0].attention.weights:
        weight.assign(tf.zeros(weight.shape))
    difference = np.abs(network(x) - network(changed))[0]
    assert difference[:3, :3].max() > 1e-4
    assert not difference[5:, 5:].any()


def test_every_weight_gets_a_gradient():
    network, x = built_network(conditions=3), images(3, 4, 4, 2)
    with tf.GradientTape() as tape:
        out = network(x, tf.constant([0, 1, 2]))
        loss = tf.reduce_sum(out * images(*out.shape, seed=2))
    weights = [weight.value for weight in network.trainable_variables]
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, weight.name
        # Not only by rounding, as for a weight on which nothing depends.
        assert np.max(np.abs(gradient)) > 1e-4, weight.name


def test_an_input_far_out_of_range_does_not_carry_the_output_with_it():
    network, x = built_network(), images(2, 4, 4, 2)
    close(network(1e6 * x), network(1e4 * x), 1e-5, "network far out of range")


@pytest.mark.parametrize(
    ("policy", "computed", "held"),
    [
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        pytest.param("mixed_bfloat16", "bfloat16", "float32", marks=computes_in_bfloat16),
    ],
)
def test_network_computes_and_holds_its_weights_as_the_policy_says(policy, computed, held):
    network = built_network(dtype=policy)
    x = images(2, 4, 4, 2)
    assert network(x).dtype == computed
    assert {w.dtype for w in network.weights} == {held}
    close(tf.cast(network(x), tf.float32), built_network()(x), 0.05, policy)


def test_xla_computes_what_eager_mode_does():
    network, x = built_network(blocks=1), images(2, 4, 4, 2)
    close(tf.function(network, jit_compile=True)(x), network(x), 1e-5, "under XLA")


def test_network_comes_back_from_its_configuration():
    network = built_network(conditions=(2,))
    text = json.dumps(keras.saving.serialize_keras_object(network))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.built
    copy.set_weights(network.get_weights())
    inputs = images(2, 4, 4, 2), images(2, 2)
    assert np.array_equal(copy(*inputs), network(*inputs))
    assert copy.get_config() == network.get_config()
    assert copy.compute_output_shape((None, 4, 4, 2)) == (None, 4, 4, 3)


def test_heads_that_cannot_share_the_width_are_refused():
    with pytest.raises(ValueError, match="width must be divisible by heads=4; got 6"):
        GatedNetwork(2, width=6, blocks=1)
    for name in ("width", "blocks", "heads"):
        options = {"width": 4, "blocks": 1, "heads": 1, name: 0}
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got 0"):
            GatedNetwork(2, **options)
