"""The mixture of logistics: its formula, its start, its bounds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tests.registry import SHAPE, built, coupling
from tfp_lcma.bijectors import ChannelHalf, Coupling, Mask, checkerboard_mask
from tfp_lcma.bijectors.transforms import MixtureLogistic
from tfp_lcma.networks import Convolutional, Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents, move_weights

NAMES = [
    "Coupling (mixture of logistics, gated network)",
    "Coupling (mixture of logistics, checkerboard)",
]


def fresh(components=32, dtype="float32", **options):
    transform = MixtureLogistic(components, **options)
    return coupling(ChannelHalf(SHAPE), dtype, transform, Convolutional(4))


class Constant(keras.layers.Layer):
    """A network whose outputs are constant."""

    def __init__(self, outputs):
        super().__init__(dtype="float64")
        self.outputs = np.asarray(outputs)

    def call(self, inputs, training=False):
        return tf.zeros_like(inputs[..., :1]) + tf.constant(self.outputs, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.outputs))


def test_latents_and_log_det_are_those_of_the_formula():
    channels, components = 2, 3
    raw = np.random.default_rng(0).normal(size=channels * (2 + 3 * components))
    board = Mask(checkerboard_mask((2, 3, channels), 0))
    flow = coupling(board, "float64", MixtureLogistic(components), Constant(raw))
    x = data(flow, 4)
    z, log_det = flow.inverse_and_event_log_det(x)
    shift, log_scale = raw[:channels], np.tanh(raw[channels : 2 * channels])
    for channel, numbers in enumerate(np.split(raw[2 * channels :], channels)):
        weights, means, scales = np.split(numbers, 3)
        weights = np.exp(weights) / np.exp(weights).sum()
        means = means + np.array([-2, 0, 2]) / 3  # the start of the learned offsets
        scales = np.exp(5 * np.tanh(scales / 5))
        value = x.numpy()[..., channel]
        sigmoid = 1 / (1 + np.exp(-(value[..., None] - means) / scales))
        cdf = sigmoid @ weights
        density = (sigmoid * (1 - sigmoid) / scales) @ weights
        moves = (np.add.outer(np.arange(2), np.arange(3)) % 2).astype(bool)
        expected = (np.log(cdf / (1 - cdf)) + shift[channel]) * np.exp(log_scale[channel])
        close(z[..., channel], np.where(moves, expected, value), 1e-10, "latents")
        expected = np.log(density / (cdf * (1 - cdf))) + log_scale[channel]
        close(log_det[..., channel], np.where(moves, expected, 0), 1e-10, "log-det")


@pytest.mark.parametrize("tail", [1.0, 30.0, 1000.0])
def test_start_is_near_the_identity(tail):
    flow = fresh()
    x = tail * data(flow, 8)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.max(np.abs(z - x)) < 0.1615 + 1e-6 * tail
    assert np.min(log_det) > -0.08
    assert np.max(log_det) < 1e-6 * tail


def test_start_of_a_single_component_is_the_identity():
    flow = fresh(components=1, dtype="float64")
    x = data(flow, 8)
    z, log_det = flow.inverse_and_event_log_det(x)
    close(z, x, 1e-14, "latents")
    close(log_det, np.zeros_like(x), 1e-14, "log-det")


def test_components_learn_different_things_from_the_first_step_on():
    flow = fresh(components=8)
    bias = flow.network.conv_out.bias.value
    with tf.GradientTape() as tape:
        z, log_det = flow.inverse_and_event_log_det(data(flow, 8))
        loss = tf.reduce_sum(z**2 / 2 - log_det)
    gradient = tape.gradient(loss, bias).numpy()
    for part in np.split(gradient[2:], 3):  # weights, means, log-scales
        assert np.min(np.abs(np.diff(np.sort(part)))) > 1e-3 * np.max(np.abs(part))


@pytest.mark.parametrize("says", [-1e6, 1e6])
def test_scales_are_bounded_whatever_the_network_says(says):
    flow = Coupling(ChannelHalf(SHAPE), Constant([0, says, 0, 0, says]), MixtureLogistic(1))
    log_det = flow.inverse_event_log_det_jacobian(data(flow, 2))[..., 1]
    # A component as narrow as may be makes steep what the affine map then makes flat.
    close(log_det, np.full(log_det.shape, -np.sign(says) * (5 - 1)), 1e-5, "log-det")
    assert np.isfinite(flow.forward(10 * latents(flow, 2))).all()


@pytest.mark.parametrize("name", NAMES)
def test_far_tails_come_back_in_float32(name):
    flow = built(name, "float32")
    x = data(flow, 4)
    moved = flow.inverse_event_log_det_jacobian(x) != 0
    x = tf.where(moved, 300 * x, x)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.mean(np.abs(z.numpy()[moved]) > 15) > 0.8
    back, back_log_det = flow.forward_and_event_log_det(tf.identity(z))
    np.testing.assert_allclose(back, x, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(-back_log_det, log_det, atol=1e-3)


def test_xla_computes_what_eager_mode_does():
    flow = fresh(3)
    move_weights(flow, 0.2, seed=1)
    for method, value in (
        (flow.inverse_and_event_log_det, data(flow, 2)),
        (flow.forward_and_event_log_det, latents(flow, 2)),
    ):
        compiled = tf.function(method, jit_compile=True)(value)
        for got, expected in zip(compiled, method(value), strict=True):
            close(got, expected, 2e-5, method.__name__)


@computes_in_bfloat16
def test_network_in_bfloat16_leaves_the_flow_in_float32():
    network = Residual(4, 1, dtype="mixed_bfloat16")
    flow = Coupling(ChannelHalf(SHAPE, "second"), network, MixtureLogistic(4))
    flow.network.conv_out.gain.assign(tf.ones(14))
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert z.dtype == log_det.dtype == tf.float32
    close(flow.forward(tf.identity(z)), x, 1e-5, "round trip beside a bfloat16 network")


def test_number_of_components_and_of_network_outputs_are_checked():
    with pytest.raises(ValueError, match="components must be a whole number >= 1; got 0"):
        MixtureLogistic(0)
    with pytest.raises(ValueError, match=r"network must return 98 channels, .*got 2"):
        Coupling(ChannelHalf(SHAPE), keras.layers.Conv2D(2, 1), MixtureLogistic())


def test_regularizer_sees_the_bound_of_the_log_scale():
    flow = fresh(components=2, regularizer="l2")
    assert sum(len(layer.losses) for layer in flow.layers) == 1
