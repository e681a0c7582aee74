"""The transformer over patches."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tfp_lcma.networks import TransformerNetwork
from tfp_lcma.testing.compare import close


def images(*shape, seed=0, dtype=tf.float32):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def built_network(shape=(4, 4, 2), patch=2, **options):
    network = TransformerNetwork(3, width=8, blocks=2, heads=2, patch=patch, **options)
    network.build((None, *shape))
    random = np.random.default_rng(1)
    network.set_weights([0.4 * random.normal(size=w.shape) for w in network.get_weights()])
    return network


def numpy_norm(layer, x):
    gamma, beta = (np.asarray(weight) for weight in layer.weights)
    centred = x - x.mean(-1, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) + beta


def numpy_dense(layer, x):
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    return x @ kernel + bias


def numpy_attention(layer, tokens):
    query, key, value = (
        np.einsum("tc,chd->htd", tokens, np.asarray(dense.kernel)) + np.asarray(dense.bias)[:, None]
        for dense in (layer._query_dense, layer._key_dense, layer._value_dense)
    )
    scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1]))
    mixed = scores / scores.sum(-1, keepdims=True) @ value
    output = layer._output_dense
    return np.einsum("htd,hdc->tc", mixed, np.asarray(output.kernel)) + np.asarray(output.bias)


def numpy_gelu(x):
    return np.asarray(0.5 * x * (1 + tf.math.erf(x / np.sqrt(2))))


@pytest.mark.parametrize("patch", [1, 2])
def test_network_is_that_of_its_formula(patch):
    network = built_network(patch=patch, dtype="float64")
    x = images(2, 4, 4, 2, dtype=tf.float64)
    side = 4 // patch
    for image, got in zip(x.numpy(), network(x), strict=True):
        corners = [(r * patch, c * patch) for r in range(side) for c in range(side)]
        patches = [image[r : r + patch, c : c + patch].ravel() for r, c in corners]
        tokens = numpy_dense(network.dense_in, 6 * np.tanh(np.stack(patches) / 6))
        tokens = tokens + network.positions.numpy()
        for block in network.blocks:
            normed = numpy_norm(block.norm_attention, tokens)
            tokens = tokens + numpy_attention(block.attention, normed)
            hidden = numpy_dense(block.dense_in, numpy_norm(block.norm_dense, tokens))
            tokens = tokens + numpy_dense(block.dense_out, numpy_gelu(hidden))
        out = numpy_dense(network.dense_out, numpy_norm(network.norm, tokens))
        for (r, c), token in zip(corners, out.reshape(-1, patch, patch, 3), strict=True):
            # Keras rounds a constant of its GELU to float32.
            close(got[r : r + patch, c : c + patch], token, 1e-7, f"patch at {r}, {c}")


def test_network_starts_at_zero():
    network, x = TransformerNetwork(3, width=4, blocks=1), images(2, 4, 4, 2)
    network.build(x.shape)
    assert not np.any(network(x))


def test_every_position_reaches_every_other():
    network, x = built_network(), images(1, 4, 4, 2).numpy()
    changed = x.copy()
    changed[0, 0, 0] += 1
    assert np.all(np.abs(network(x) - network(changed)).max(axis=-1) > 1e-6)


def test_an_input_far_out_of_range_does_not_carry_the_output_with_it():
    network, x = built_network(), images(2, 4, 4, 2)
    close(network(1e6 * x), network(1e4 * x), 1e-5, "network far out of range")


@pytest.mark.parametrize(
    ("policy", "computed", "held"),
    [
        ("float64", "float64", "float64"),
        pytest.param("mixed_bfloat16", "bfloat16", "float32", marks=computes_in_bfloat16),
    ],
)
def test_network_computes_and_holds_its_weights_as_the_policy_says(policy, computed, held):
    network, x = built_network(dtype=policy), images(2, 4, 4, 2)
    assert network(x).dtype == computed
    assert {w.dtype for w in network.weights} == {held}
    close(tf.cast(network(x), tf.float32), built_network()(x), 0.05, policy)


def test_xla_computes_what_eager_mode_does():
    network, x = built_network(), images(2, 4, 4, 2)
    close(tf.function(network, jit_compile=True, autograph=False)(x), network(x), 1e-5, "under XLA")


def test_network_comes_back_from_its_configuration():
    network = built_network(conditions=(2,))
    text = json.dumps(keras.saving.serialize_keras_object(network))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.built
    copy.set_weights(network.get_weights())
    inputs = images(2, 4, 4, 2), images(2, 2)
    assert np.array_equal(copy(*inputs), network(*inputs))
    assert copy.get_config() == network.get_config()


def test_patches_and_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="patch must divide the sides of the input, 4 and 6; got"):
        TransformerNetwork(2, width=4, blocks=1, patch=4).build((None, 4, 6, 1))
    with pytest.raises(ValueError, match="width must be divisible by heads=4; got 6"):
        TransformerNetwork(2, width=6, blocks=1)
