"""What a coupling may and may not touch, and which networks it takes."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.processor import computes_in_bfloat16
from tests.registry import SHAPE, Ours, built, coupling
from tfp_lcma.bijectors import ChannelHalf, Context, Coupling, Mask, checkerboard
from tfp_lcma.networks import Convolutional, Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents

NAMES = [
    "Coupling (checkerboard)",
    "Coupling (channel)",
    "Coupling (arbitrary mask)",
    "Coupling (rational quadratic)",
    "Coupling (a bijector of TFP)",
    "Coupling (mixture of logistics, checkerboard)",
]


def kept_places(flow):
    """Where the coupling keeps its input, a boolean array of the event's shape."""
    zeros = tf.zeros((1, *flow.event_shape))
    constants = {name: tf.constant(array) for name, array in flow.constants.items()}
    kept, moved = flow.partition.split(zeros, constants)
    ones = flow.partition.join(tf.ones_like(kept), moved, constants)
    return ones[0].numpy() == 1


@pytest.mark.parametrize("name", NAMES)
def test_coupling_leaves_the_kept_part_alone_and_gives_it_no_log_det(name):
    flow = built(name, "float64")
    kept = kept_places(flow)
    for method, value in (
        (flow.inverse_and_event_log_det, data(flow, 2)),
        (flow.forward_and_event_log_det, latents(flow, 2)),
    ):
        out, log_det = (tensor.numpy() for tensor in method(value))
        assert np.array_equal(out[:, kept], value.numpy()[:, kept])
        assert not log_det[:, kept].any()
        # Outside its bound a spline is the identity.
        assert np.mean(np.abs(out - value)[:, ~kept] > 0) > 0.8
        assert np.mean(log_det[:, ~kept] != 0) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_parameters_depend_on_the_kept_part_only(name):
    flow = built(name, "float64")
    kept, x = kept_places(flow), data(flow, 2)

    def parameters(x):
        constants = {key: tf.constant(array) for key, array in flow.constants.items()}
        shown = flow.partition.with_maps(flow.partition.split(x, constants)[0], constants)
        return flow.network(shown)

    assert np.array_equal(parameters(tf.where(kept, x, x + 1)), parameters(x))
    assert np.any(np.abs(parameters(tf.where(kept, x + 1, x)) - parameters(x)) > 1e-6)


def test_exchange_brings_the_kept_half_to_the_place_of_the_other():
    flow = built("Coupling (channel, exchanging)", "float64")
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.array_equal(z[..., 0], x[..., 1])
    assert not np.any(log_det[..., 0])
    assert np.all(log_det[..., 1] != 0)


@pytest.mark.parametrize("network", [Residual(4, 1), Convolutional(4)], ids=repr)
def test_coupling_starts_as_the_identity(network):
    flow = coupling(checkerboard(SHAPE, 0), "float32", network=network)
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.array_equal(z, x)
    assert not np.any(log_det)


def test_starting_pass_starts_the_network():
    flow = coupling(ChannelHalf(SHAPE), "float32", network=Convolutional(4))
    x = data(flow, 8)
    flow.inverse_and_log_det(x)
    assert len(flow.start_flags) == 2
    assert not flow.is_initialized
    flow.inverse_and_log_det(x, context=Context(starting=True))
    assert flow.is_initialized


@computes_in_bfloat16
def test_network_in_bfloat16_leaves_the_flow_in_float32():
    flow = Coupling(ChannelHalf(SHAPE), Residual(4, 1), network_dtype="mixed_bfloat16")
    flow.network.conv_out.gain.assign(tf.ones(2))
    x = data(flow, 2)
    assert flow.network(x[..., :1]).dtype == tf.bfloat16
    z, log_det = flow.inverse_and_event_log_det(x)
    assert z.dtype == log_det.dtype == tf.float32
    close(flow.forward(tf.identity(z)), x, 1e-5, "round trip beside a bfloat16 network")


def test_specification_may_name_a_type_of_its_own():
    flow = Coupling(ChannelHalf(SHAPE), Residual(4, 1, dtype="float64"))
    assert flow.network.compute_dtype == "float64"
    assert flow.inverse(data(flow, 2)).dtype == tf.float32


def test_boolean_array_stands_for_a_mask():
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    flow = Coupling(mask, Residual(4, 1))
    assert isinstance(flow.partition, Mask)
    assert np.array_equal(kept_places(flow), mask)


@pytest.mark.parametrize(
    ("partition", "expected"), [(checkerboard(SHAPE, 0), 4), (ChannelHalf(SHAPE), 2)]
)
def test_network_with_the_wrong_number_of_channels_is_refused(partition, expected):
    with pytest.raises(ValueError, match=f"network must return {expected} channels.*got 3"):
        Coupling(partition, keras.layers.Conv2D(3, 1))


@pytest.mark.parametrize(
    "network",
    [
        Ours,
        functools.partial(Ours, dtype="float32"),
        lambda outputs: keras.layers.Conv2D(outputs, 3, padding="same"),
        keras.layers.Conv2D(2, 3, padding="same"),
    ],
    ids=["class", "function", "function of Keras' own", "layer"],
)
def test_network_may_be_a_layer_or_what_makes_one(network):
    flow = Coupling(ChannelHalf(SHAPE), network)
    assert flow.network.built
    assert len(flow.trainable_variables) == 3
    x = data(flow, 2)
    close(flow.forward(tf.identity(flow.inverse(x))), x, 1e-5, "round trip")


class Unbuilt(keras.layers.Layer):
    """A user's network without `build`, as Keras allows: what it holds is built when it is called.

    With `later`, only training makes all of it.
    """

    def __init__(self, outputs, later=False):
        super().__init__()
        self.outputs, self.later = outputs, later
        self.first = keras.layers.Conv2D(4, 1)
        self.last = keras.layers.Conv2D(outputs, 1)
        self.dense = keras.layers.Dense(4, name="in_training")

    def call(self, inputs, condition=None, training=False):
        hidden = self.first(inputs)
        if condition is not None or (self.later and training):
            hidden += self.dense(hidden if condition is None else condition[:, None, None])
        return self.last(hidden)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)


@pytest.mark.filterwarnings("ignore:`build")
@pytest.mark.parametrize(("conditions", "variables"), [(None, 5), ((2,), 7)])
def test_network_without_build_loses_no_variable(conditions, variables):
    flow = Coupling(ChannelHalf(SHAPE), Unbuilt, conditions=conditions)
    assert len(flow.trainable_variables) == variables
    condition = None if conditions is None else tf.zeros((2, 2))
    flow.inverse_and_log_det(data(flow, 2), condition)
    assert len([v for layer in flow.layers for v in layer.variables]) == variables


@pytest.mark.filterwarnings("ignore:`build")
def test_network_that_makes_variables_in_a_later_call_is_refused_by_name():
    flow = Coupling(ChannelHalf(SHAPE), lambda outputs: Unbuilt(outputs, later=True))
    x = data(flow, 2)
    flow.inverse_and_log_det(x)
    with pytest.raises(ValueError, match=r"must create its variables .* Dense 'in_training'"):
        flow.inverse_and_log_det(x, context=Context(training=True))


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="network must be a specification, a Keras layer or its"):
        Coupling(ChannelHalf(SHAPE), 3)
    with pytest.raises(ValueError, match="network must make a Keras layer; got int"):
        Coupling(ChannelHalf(SHAPE), int)


def in_a_module():
    module = tf.Module()
    module.inner = tf.Variable(0.0)
    return module


@pytest.mark.parametrize(
    "made",
    [lambda: tf.Variable(0.0), lambda: [tf.Variable(0.0)], in_a_module],
    ids=["attribute", "list", "module"],
)
def test_network_with_raw_variables_is_refused_and_they_are_named(made):
    class Raw(Ours):
        def build(self, input_shape):
            self.raw = made()
            super().build(input_shape)

    with pytest.raises(ValueError, match=r"by add_weight\(\).*raw tf.Variables Raw.raw"):
        Coupling(ChannelHalf(SHAPE), Raw)


def test_network_of_other_sides_is_refused():
    with pytest.raises(ValueError, match=r"network must keep height and width, \(4, 4\); got \(2"):
        Coupling(ChannelHalf(SHAPE), lambda outputs: keras.layers.Conv2D(outputs, 1, strides=2))


def test_network_gets_the_policy_of_the_flow_unless_it_asks_for_another():
    before = keras.config.dtype_policy()
    for asked, expected in ({}, "bfloat16"), ({"dtype": "float32"}, "float32"):
        network = functools.partial(keras.layers.Conv2D, kernel_size=1, **asked)
        flow = lcma.models.glow(
            (4, 4, 1), levels=1, steps=1, dtype="mixed_bfloat16", network=network
        )
        assert {layer.compute_dtype for layer in networks_of(flow)} == {expected}
    assert keras.config.dtype_policy() == before


def networks_of(flow):
    return [kind.network for kind in flow.kinds if isinstance(kind, Coupling)]


def test_training_reaches_the_network():
    class Noisy(Ours):
        def call(self, inputs, training=False):
            return super().call(inputs) + (1.0 if training else 0.0)

    flow = Coupling(ChannelHalf(SHAPE), Noisy)
    x = data(flow, 2)
    plain, trained = flow.inverse(x), flow.inverse_and_log_det(x, context=Context(training=True))[0]
    assert np.min(np.abs(trained - plain)[..., 1]) > 1e-4


def test_conditions_are_the_networks_own_if_it_says_some():
    network = Residual(4, 1).layer(2, 0, 3, keras.dtype_policies.get("float32"))
    flow = Coupling(ChannelHalf(SHAPE), network)
    assert flow.conditions == 3
    with pytest.raises(ValueError, match="condition must be given to a flow with conditions=3"):
        flow.inverse(data(flow, 2))
