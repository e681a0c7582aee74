"""Contractions close to their bound: where a log-det's series is slow and inversion takes long."""

import functools

import numpy as np
import tensorflow as tf

from tests.seeds import seed_initializers
from tfp_lcma.bijectors import ResidualBlock
from tfp_lcma.networks import LipschitzNetwork
from tfp_lcma.networks.lipschitz import linearize
from tfp_lcma.testing.passes import jacobian

SHAPE = (2, 2, 2)


def strong_network(shape=SHAPE, coefficient=0.9, dtype="float64", seed=0):
    """A network that mixes neighbours, at biases where the activation is steepest."""
    # The directions of the norms have been found: few rounds keep them.
    network = LipschitzNetwork(shape[-1], coefficient, iterations=2, dtype=dtype)
    network.build((None, *shape))
    network.set_weights(strong_weights(shape, seed))
    return network


@functools.cache
def strong_weights(shape, seed):
    """The weights of such a network, the directions of its norms included."""
    seed_initializers(seed)
    random = np.random.default_rng(seed)
    network = LipschitzNetwork(shape[-1], dtype="float64")
    network.build((None, *shape))
    for layer in network.convolutions:
        kernel = random.normal(size=layer.kernel.shape)
        centre = kernel.shape[0] // 2
        # A rotation in the middle, of determinant -1 in all: some of log(I + J) is negative.
        kernel[centre, centre] += 15 * np.linalg.qr(random.normal(size=kernel.shape[2:]))[0]
        layer.kernel.assign(kernel)
        layer.bias.assign(np.full(layer.bias.shape, 2.4))
    find = tf.function(lambda: network.bounded_weights(training=True).kernels, autograph=False)
    for _ in range(20):
        find()
    return network.get_weights()


def strong_block(shape=SHAPE, dtype="float64", **kwargs):
    """A residual block around it."""
    return ResidualBlock(shape, strong_network(shape, dtype=dtype), dtype=dtype, **kwargs)


def inputs(batch, shape=SHAPE, seed=0, dtype="float64"):
    """Small images, at which the activations stay steep."""
    return tf.constant(0.5 * np.random.default_rng(seed).normal(size=(batch, *shape)), dtype)


def matrices(network, x):
    """The Jacobian of g at every row of `x`, by automatic differentiation of its value."""
    return np.stack([jacobian(network, row[None]) for row in x])


def linearized(network, x):
    """The network at `x`, ready for products with its Jacobian."""
    return linearize(x, network.bounded_weights())
