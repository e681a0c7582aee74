"""The contract's base class, chains, and life among TFP's own bijectors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.checks import close, convolutions, distribution
from tests.registry import SHAPE, built, data, latents
from tfp_lcma.bijectors import ActNorm, FlowBijector, FlowChain, Identity, Squeeze, Unsqueeze

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (4, 4, 1, 1), 4, (4, -4, 1)])
def test_event_shape_that_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"event_shape must be \(height, width, channels\)"):
        Identity(shape)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_flow_refuses_types_too_coarse_for_log_dets(dtype):
    with pytest.raises(ValueError, match=f"float32 or float64; got {dtype}"):
        FlowBijector(SHAPE, dtype=dtype)


def test_subclass_that_lacks_a_method_is_told_which():
    class Half(FlowBijector):
        def inverse_and_event_log_det(self, x, condition=None, training=False):
            return x, tf.zeros_like(x)

    flow = Half(SHAPE)
    with pytest.raises(NotImplementedError, match="Half lacks forward_and_event_log_det"):
        flow.forward(tf.zeros((1, *SHAPE)))
    with pytest.raises(NotImplementedError, match="Half does not define get_config"):
        flow.get_config()


def test_chain_refuses_an_empty_list():
    with pytest.raises(ValueError, match="bijectors must hold at least one"):
        FlowChain([])


def test_chain_refuses_a_bijector_that_sums_its_log_det():
    with pytest.raises(ValueError, match=r"bijectors\[1\] must be a FlowBijector.*got Scale"):
        FlowChain([Identity(SHAPE), tfb.Scale(2.0)])


def test_chain_refuses_a_mixture_of_types():
    with pytest.raises(ValueError, match=r"one dtype; got \['float32', 'float64'\]"):
        FlowChain([ActNorm(SHAPE, dtype="float32"), ActNorm(SHAPE, dtype="float64")])


def test_chain_takes_its_type_from_members_that_have_one():
    assert FlowChain([Squeeze(SHAPE), ActNorm((2, 2, 8), dtype="float64")]).dtype == tf.float64
    assert FlowChain([Squeeze(SHAPE), Unsqueeze(SHAPE)]).dtype is None


def test_chain_runs_its_inverse_first_to_last_like_tfb_chain():
    flows = [built("ActNorm", "float64"), built("AffineCoupling (checkerboard)", "float64")]
    x = data(flows[0], 2)
    chain = FlowChain(flows)
    close(chain.inverse(x), flows[1].inverse(flows[0].inverse(x)), 1e-12, "order")
    close(chain.inverse(x), tfb.Chain(flows).inverse(x), 1e-12, "tfb.Chain's order")


def test_log_det_of_a_chain_stands_in_the_coordinates_of_its_output():
    actnorm, squeeze = built("ActNorm", "float64"), Squeeze(SHAPE)
    x = data(actnorm, 1)
    log_det = FlowChain([actnorm, squeeze]).inverse_event_log_det_jacobian(x)
    expected = squeeze.inverse(actnorm.inverse_event_log_det_jacobian(x))
    close(log_det, expected, 1e-12, "squeezed log-det")


def test_layer_shared_by_two_flows_is_listed_once():
    flow = built("ActNorm", "float64")
    assert len(FlowChain([flow, flow]).layers) == 1


def test_layers_are_found_in_the_order_of_a_long_chain():
    flows = [ActNorm((1, 1, channels)) for channels in range(1, 13)]
    assert [layer.channels for layer in FlowChain(flows).layers] == list(range(1, 13))


def test_inverted_flow_swaps_the_directions():
    flow = built("FlowChain", "float64")
    inverted, z = tfb.Invert(flow), latents(flow, 3)
    close(inverted.inverse(z), flow.forward(z), 1e-12, "map")
    close(
        inverted.inverse_log_det_jacobian(z, 3), flow.forward_log_det_jacobian(z, 3), 1e-12, "ldj"
    )


def test_inverted_flow_evaluates_its_network_once():
    flow = built("AffineCoupling (checkerboard)", "float64")
    inverted = tfb.Invert(flow)
    log_prob = distribution(flow, inverted).log_prob
    kernels = [v for v in flow.trainable_variables if len(v.shape) == 4]
    assert convolutions(log_prob, latents(flow, 2)) == len(kernels)


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


def test_variables_reach_the_optimizer_and_learn():
    keras.utils.set_random_seed(0)
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
