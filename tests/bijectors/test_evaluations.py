"""Every network is evaluated once for a density: counted as it runs, not in the graph."""

import collections

import keras
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_lcma as lcma
from tfp_lcma.bijectors import ActNorm, ChannelHalf, Coupling, FlowChain, Repeated
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.testing.inputs import data, distribution

COUNTS = collections.Counter()


class Counting(keras.layers.Conv2D):
    """A convolution that counts how often it runs, in any mode."""

    def call(self, inputs):
        def count(inputs):
            COUNTS["evaluations"] += 1
            return inputs

        counted = tf.numpy_function(count, [inputs], inputs.dtype)
        # The function passes no gradient on.
        inputs = inputs + tf.stop_gradient(tf.ensure_shape(counted, inputs.shape) - inputs)
        return super().call(inputs)


LEVELS, STEPS = 2, 2
COUPLINGS = LEVELS * STEPS


def counting_flow(memory, unroll):
    def step(shape):
        network = Counting(shape[-1], 3, padding="same", dtype="float64")
        return FlowChain(
            [
                ActNorm(shape, dtype="float64"),
                Coupling(ChannelHalf(shape), network, dtype="float64"),
            ]
        )

    factorization = lcma.factorizations.Channel()
    levels = [
        Repeated(lambda shape=shape: step(shape), STEPS, unroll=unroll)
        for shape in level_shapes((4, 4, 2), LEVELS, factorization)
    ]
    return MultiScale(levels, factorization, memory=memory)


def counted(function, *arguments):
    COUNTS.clear()
    function(*arguments)
    return COUNTS["evaluations"]


DISTRIBUTIONS = {
    "FlowDistribution": lcma.FlowDistribution,
    "TransformedDistribution": distribution,
    "tfb.Chain": lambda flow: distribution(flow, tfp.bijectors.Chain([flow])),
}


@pytest.mark.parametrize(
    ("name", "memory", "unroll"),
    [
        ("FlowDistribution", "keep", False),
        ("FlowDistribution", "invert", False),
        ("FlowDistribution", "invert", True),
        ("TransformedDistribution", "keep", True),
        ("TransformedDistribution", "invert", False),
        ("tfb.Chain", "keep", False),
        ("tfb.Chain", "invert", True),
    ],
)
def test_each_network_runs_once_for_a_density_and_its_gradient(name, memory, unroll):
    flow = counting_flow(memory, unroll)
    wrapped, x, variables = DISTRIBUTIONS[name](flow), data(flow, 2), flow.trainable_variables

    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(wrapped.log_prob(x))
        return tape.gradient(loss, variables)

    step = tf.function(gradient, autograph=False)
    step(x)
    # By inversion once more on the way back.
    assert counted(step, x) == (2 if memory == "invert" else 1) * COUPLINGS
    if name == "FlowDistribution":  # the contract counts what those of TFP evaluate
        density = tf.function(wrapped.log_prob, autograph=False)
        density(x)
        assert counted(density, x) == COUPLINGS
        assert counted(wrapped.log_prob, x) == COUPLINGS
        assert counted(wrapped.event_log_prob, x) == COUPLINGS
        assert counted(gradient, x) == (2 if memory == "invert" else 1) * COUPLINGS
        assert counted(wrapped.sample, 2) == COUPLINGS
