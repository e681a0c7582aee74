"""The contract's base class, and life among TFP's own bijectors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import SHAPE, built
from tests.seeds import seed_initializers
from tfp_lcma import FlowDistribution
from tfp_lcma.bijectors import ActNorm, Coupling, FlowBijector, FlowChain, Identity, checkerboard
from tfp_lcma.networks import Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, distribution, latents
from tfp_lcma.testing.one_pass import convolutions, kernels

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (4, 4, 1, 1), 4, (4, -4, 1)])
def test_event_shape_that_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"event_shape must be \(height, width, channels\)"):
        Identity(shape)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_flow_refuses_types_too_coarse_for_log_dets(dtype):
    with pytest.raises(ValueError, match=f"float32 or float64; got {dtype}"):
        FlowBijector(SHAPE, dtype=dtype)


def test_subclass_that_lacks_a_method_raises_its_name():
    class Half(FlowBijector):
        def carry_inverse(self, x, log_det, context):
            return x, log_det

    flow = Half(SHAPE)
    with pytest.raises(NotImplementedError, match=r"Half lacks carry_forward\(\)"):
        flow.forward(tf.zeros((1, *SHAPE)))
    with pytest.raises(NotImplementedError, match="Half does not define get_config"):
        flow.get_config()


def test_inverted_flow_swaps_the_directions():
    flow = built("FlowChain", "float64")
    inverted, z = tfb.Invert(flow), latents(flow, 3)
    close(inverted.inverse(z), flow.forward(z), 1e-12, "map")
    close(
        inverted.inverse_log_det_jacobian(z, 3), flow.forward_log_det_jacobian(z, 3), 1e-12, "ldj"
    )


def test_inverted_flow_evaluates_its_network_once():
    flow = built("Coupling (checkerboard)", "float64")
    inverted = tfb.Invert(flow)
    log_prob = distribution(flow, inverted).log_prob
    assert convolutions(log_prob, latents(flow, 2)) == kernels(flow)


def test_flow_works_between_tfps_own_bijectors():
    flow = built("FlowChain", "float64")
    chain = tfb.Chain([tfb.Scale(tf.constant(2.0, tf.float64)), flow])
    x = data(flow, 3)
    expected = distribution(flow).log_prob(x / 2) - np.prod(SHAPE) * np.log(2)
    close(distribution(flow, chain).log_prob(x), expected, 1e-10, "log_prob")


def test_joint_distribution_can_hold_a_flow_beside_others():
    flow = built("ActNorm", "float32")
    joint = tfd.JointDistributionNamed(
        {"scale": tfd.LogNormal(0.0, 1.0), "image": distribution(flow)}, batch_ndims=0
    )
    sample = joint.sample(5, seed=1)
    assert sample["image"].shape == (5, *SHAPE)
    expected = tfd.LogNormal(0.0, 1.0).log_prob(sample["scale"])
    expected += distribution(flow).log_prob(sample["image"])
    close(joint.log_prob(sample), expected, 1e-5, "log_prob")


def test_layers_and_flags_are_those_of_all_parts():
    flow = built("Glow", "float64")
    assert len(flow.layers) == len({id(layer) for layer in flow.layers})
    assert {type(layer).__name__ for layer in flow.layers} >= {"Stack", "GaussianParameters"}
    # One actnorm and two inside its network, for every one of a level's steps.
    assert [flag.shape for flag in flow.start_flags] == 2 * 3 * [(2,)]
    assert not flow.is_initialized


def test_kinds_are_the_parts_and_one_step_of_those_that_are_repeated():
    flow = built("Glow", "float64")
    assert not any(isinstance(part, Coupling) for part in flow.parts)
    assert sum(isinstance(kind, Coupling) for kind in flow.kinds) == 2
    plain = FlowChain([ActNorm(SHAPE), Coupling(checkerboard(SHAPE, 0), Residual(2, 1))])
    assert plain.kinds == plain.parts


def test_conditions_of_parts_are_those_of_the_whole():
    def conditional(conditions):
        board = checkerboard(SHAPE, 0)
        return Coupling(board, Residual(2, 1), conditions=conditions)

    assert FlowChain([ActNorm(SHAPE), conditional(3)]).conditions == 3
    with pytest.raises(ValueError, match=r"bijectors must share one condition.*'3'"):
        FlowChain([conditional(3), conditional((2,))])


def test_two_flows_of_equal_configuration_do_not_share_a_cache():
    first, second = ActNorm(SHAPE), ActNorm(SHAPE)
    second.trainable_variables[0].assign([1.0, 2.0])

    @tf.function
    def both(x):
        return first.inverse(x), second.inverse(x)

    one, other = both(data(first, 2))
    assert np.abs(one - other).min() > 0.5


def test_lists_and_arrays_of_any_precision_are_taken():
    flow = built("ActNorm", "float32")
    x = data(flow, 2).numpy()
    expected = flow.inverse(tf.constant(x))
    for value in (x, x.astype(np.float64), x.tolist()):
        close(flow.inverse(value), expected, 1e-6, "inverse of an array")
        close(flow.inverse_log_det_jacobian(value).shape, [2], 0, "log-det of an array")


METHODS = {
    "inverse": lambda flow, x: flow.inverse(x),
    "forward": lambda flow, x: flow.forward(x),
    "log-det": lambda flow, x: flow.inverse_log_det_jacobian(x),
    "event log-det": lambda flow, x: flow.inverse_and_event_log_det(x),
    "forward event log-det": lambda flow, x: flow.forward_and_event_log_det(x),
    "summed log-det": lambda flow, x: flow.inverse_and_log_det(x),
    "move": lambda flow, x: flow.move_inverse(x, x),
    "log_prob": lambda flow, x: FlowDistribution(flow).log_prob(x),
    "event_log_prob": lambda flow, x: FlowDistribution(flow).event_log_prob(x),
    "encode": lambda flow, x: FlowDistribution(flow).encode(x),
    "decode": lambda flow, x: FlowDistribution(flow).decode(x),
}


@pytest.mark.parametrize("name", METHODS)
def test_what_is_no_batch_of_images_is_refused_in_words(name):
    flow, method = built("Coupling (checkerboard)", "float32"), METHODS[name]
    unknown = tf.function(
        lambda x: method(flow, x),
        input_signature=[tf.TensorSpec(None, tf.float32)],
        autograph=False,
    )
    with pytest.raises(ValueError, match="must be a tensor of known rank"):
        unknown.get_concrete_function()
    height, width, channels = SHAPE
    for shape in ((height, width), (2, height + 1, width, channels), (2, *SHAPE[:2], 3)):
        with pytest.raises(ValueError, match=r"[xz] must be of shape|value must be of shape"):
            method(flow, tf.zeros(shape))


def test_layers_that_are_not_built_are_refused_by_name():
    with pytest.raises(ValueError, match=r"layers must be built.*got 'mine', a Dense"):
        FlowBijector(SHAPE, layers=[keras.layers.Dense(1, name="mine")])


def test_variables_reach_the_optimizer_and_learn():
    seed_initializers(0)
    flow = ActNorm(SHAPE)
    wanted = distribution(flow)
    x = 3 * data(flow, 64) + 2
    optimizer = keras.optimizers.Adam(0.2)
    variables = [v for layer in flow.layers for v in layer.trainable_variables]
    before = tf.reduce_mean(wanted.log_prob(x))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(wanted.log_prob(x))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, flow.trainable_variables), variables, strict=True)
        )

    for _ in range(40):
        step()
    assert tf.reduce_mean(wanted.log_prob(x)) > before + 20
