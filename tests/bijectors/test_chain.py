"""Flows one after the other."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import SHAPE, built
from tfp_lcma.bijectors import ActNorm, FlowChain, Identity, Squeeze, Unsqueeze
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data

tfb = tfp.bijectors


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


def test_chain_has_the_image_of_its_first_member_and_the_latent_of_its_last():
    chain = FlowChain([Squeeze(SHAPE), ActNorm((2, 2, 8))])
    assert (chain.event_shape, chain.latent_shape) == (SHAPE, (2, 2, 8))


def test_chain_runs_its_inverse_first_to_last_like_tfb_chain():
    flows = [built("ActNorm", "float64"), built("Coupling (checkerboard)", "float64")]
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
