"""The convolution with a gradient of its own, against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.networks.loop_convolution import loop_convolution
from tfp_lcma.testing.compare import close


def values_and_gradients(convolve, x, kernel, weights):
    """Value, gradients, and gradients of these."""
    with tf.GradientTape() as outer:
        outer.watch([x, kernel])
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            out = convolve(x, kernel)
            loss = tf.reduce_sum(weights * tf.square(out))
        first = tape.gradient(loss, [x, kernel])
        total = sum(tf.reduce_sum(tf.sin(t)) for t in first)
    return out, *first, *outer.gradient(total, [x, kernel])


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_values_and_gradients_are_those_of_a_convolution(size, dilation):
    random = np.random.default_rng(size)
    x = tf.constant(random.normal(size=(2, 4, 5, 3)))
    kernel = tf.constant(random.normal(size=(size, size, 3, 2)))
    weights = random.normal(size=(2, 4, 5, 2))

    # A dilated kernel is a wide one with zeros between its entries.
    spread = np.zeros((dilation * (size - 1) + 1, size))
    spread[::dilation] = np.eye(size)

    def plain(x, kernel):
        return tf.nn.conv2d(x, tf.einsum("ra,abio,cb->rcio", spread, kernel, spread), 1, "SAME")

    got = values_and_gradients(lambda x, k: loop_convolution(x, k, dilation), x, kernel, weights)
    expected = values_and_gradients(plain, x, kernel, weights)
    names = ["value", "input", "kernel", "input, twice", "kernel, twice"]
    for name, one, other in zip(names, got, expected, strict=True):
        close(one, other, 1e-10, name)
