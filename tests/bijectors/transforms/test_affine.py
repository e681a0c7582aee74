"""Shifts, and shifts with bounded scales."""

import keras
import numpy as np
import tensorflow as tf

from tests.registry import SHAPE
from tfp_lcma.bijectors import ChannelHalf, Coupling, checkerboard
from tfp_lcma.bijectors.transforms import Additive, Affine
from tfp_lcma.networks import Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data


class Shouting(keras.layers.Layer):
    """Gives every moved number a shift of 0 and a huge raw scale."""

    def call(self, inputs, training=False):
        return tf.concat([0 * inputs, 0 * inputs + 1e6], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


def test_values_and_log_det_are_those_of_the_formula():
    x, raw = np.random.default_rng(0).normal(size=(2, 1, 4, 4, 2)), np.linspace(-1, 1, 4)
    head = Affine().head(2, "float64")
    head.bound.assign([0.5, 2.0])
    z, log_det = Affine().inverse(x, head(np.broadcast_to(raw, (1, 4, 4, 4))))
    log_scale = np.array([0.5, 2.0]) * np.tanh(raw[2:])
    close(log_det + np.zeros_like(x), log_scale + np.zeros_like(x), 1e-12, "log-det")
    close(z, (x + raw[:2]) * np.exp(log_scale), 1e-12, "latents")


def test_log_scale_is_bounded_whatever_the_network_says():
    half = ChannelHalf(SHAPE)
    flow = Coupling(half, Shouting())
    close(flow.inverse_event_log_det_jacobian(data(flow, 2))[..., 1], np.ones((2, 4, 4)), 1e-6, "")


def test_regularizer_sees_the_bound_of_the_log_scale():
    flow = Coupling(checkerboard(SHAPE, 0), Residual(2, 1), Affine(regularizer="l2"))
    assert sum(len(layer.losses) for layer in flow.layers) == 1


def test_additive_coupling_has_no_log_det():
    flow = Coupling(ChannelHalf(SHAPE), Residual(2, 1), Additive())
    flow.network.conv_out.gain.assign(tf.ones(1))
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.any(np.abs(z - x) > 1e-3)
    assert not np.any(log_det)
