"""Scalar bijectors of TensorFlow Probability as transforms."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import SHAPE, shift_and_scale
from tfp_lcma.bijectors.transforms import Scalar
from tfp_lcma.testing.compare import close


def softsign(raw):
    return tfp.bijectors.Softsign()


def test_it_is_the_bijector_in_the_direction_that_is_asked_for():
    x = tf.constant(np.random.default_rng(0).normal(size=(2, *SHAPE)))
    raw = tf.constant(np.random.default_rng(1).normal(size=(2, *SHAPE, 2)))
    bijector, towards = shift_and_scale(raw), Scalar(shift_and_scale, 2)
    backward = Scalar(shift_and_scale, 2, towards_latent=False)
    z, log_det = towards.inverse(x, raw)
    close(z, bijector.forward(x), 1e-12, "towards the latent")
    close(log_det, tf.tanh(raw[..., 1]), 1e-12, "log-det")
    for got, expected in zip(backward.forward(x, raw), (z, log_det), strict=True):
        close(got, expected, 1e-12, "the other way")
    back, back_log_det = towards.forward(z, raw)
    close(back, x, 1e-12, "round trip")
    close(back_log_det, -log_det, 1e-12, "log-det back")


def test_a_bijector_may_have_no_parameters_of_its_own():
    x = tf.constant(np.random.default_rng(0).normal(size=(2, *SHAPE)))
    z, log_det = Scalar(softsign, 1).inverse(x, x[..., None])
    close(z, x / (1 + np.abs(x)), 1e-12, "softsign")
    close(log_det, -2 * np.log1p(np.abs(x)), 1e-12, "log-det")
