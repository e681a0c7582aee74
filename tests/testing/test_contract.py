"""The public contract accepts flows as users make them, and says what is wrong with others."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tfp_lcma.testing import PROPERTIES, assert_flow_contract, data, perturbed

SHAPE = (4, 4, 2)


class Shrinks(lcma.bijectors.FlowBijector):
    """Adds nothing to the log-det, and forgets where an entry is."""

    def carry_inverse(self, x, log_det, context):
        return x * 0.5, log_det

    def carry_forward(self, z, log_det, context):
        return z + z, log_det

    def get_config(self):
        return {"event_shape": self.event_shape}


class Raises(Shrinks):
    def carry_forward(self, z, log_det, context):
        raise NotImplementedError("no way back")


def small_chain(dtype="float32", conditions=None):
    seed_initializers(0)
    coupling = lcma.bijectors.Coupling(
        lcma.bijectors.ChannelHalf(SHAPE),
        lcma.networks.Residual(4, 1),
        conditions=conditions,
        dtype=dtype,
    )
    return lcma.bijectors.FlowChain([lcma.bijectors.ActNorm(SHAPE, dtype=dtype), coupling])


def test_a_chain_as_it_was_made_is_accepted_and_left_as_it_was():
    flow = small_chain()
    before = [v.numpy() for v in flow.variables]
    assert_flow_contract(flow)
    for variable, value in zip(flow.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert not flow.is_initialized


@pytest.mark.parametrize("conditions", [3, (2,)])
def test_a_conditional_flow_is_asked_under_a_condition(conditions):
    few = ["round_trips", "log_det", "conditions", "gradient_by_inversion", "configuration"]
    assert_flow_contract(small_chain("float64", conditions), properties=few)


def test_a_flow_is_asked_anew_after_it_was_trained():
    flow = small_chain("float64")
    few = ["log_det", "tfp_methods"]
    assert_flow_contract(flow, properties=few)
    for variable in flow.trainable_variables:
        variable.assign_add(0.1 * tf.ones_like(variable))
    assert_flow_contract(flow, properties=few)


def test_every_broken_property_is_named_with_what_is_wrong_by_how_much_and_where():
    with pytest.raises(AssertionError) as error:
        assert_flow_contract(Shrinks((1, 2, 1)), properties=["round_trips", "log_det"])
    message = str(error.value)
    assert "breaks 1 of 2 properties" in message
    assert "- log_det: " in message
    assert "off by 1.39" in message  # of two entries halved, 2 log 2
    assert "round_trips" not in message


def test_the_place_of_the_largest_error_is_told():
    class OneEntryOff(Shrinks):
        def carry_forward(self, z, log_det, context):
            off = np.zeros((1, *self.event_shape), "float32")
            off[0, 1, 2, 0] = 0.25
            return 2 * z + off, log_det

    with pytest.raises(AssertionError, match=r"off by 0.25, .* at \[[0-2], 1, 2, 0\]"):
        assert_flow_contract(OneEntryOff(SHAPE), properties=["round_trips"])


def test_an_error_of_the_flow_is_a_broken_property():
    with pytest.raises(AssertionError, match="no way back"):
        assert_flow_contract(Raises(SHAPE), properties=["round_trips"])


def test_a_flow_at_its_start_hides_a_fault_that_moved_weights_show():
    class NoGradient(lcma.bijectors.Coupling):
        def carry_inverse(self, x, log_det, context):
            z, _ = super().carry_inverse(x, lcma.bijectors.NoLogDet(), context)
            return z, log_det

    flow = NoGradient(lcma.bijectors.ChannelHalf(SHAPE), lcma.networks.Residual(4, 1))
    assert_flow_contract(flow, properties=["log_det"], perturb=False)
    with pytest.raises(AssertionError, match="- log_det"):
        assert_flow_contract(flow, properties=["log_det"])


def test_within_perturbed_weights_are_others():
    flow = small_chain()
    before = flow.inverse(data(flow, 2))
    with perturbed(flow):
        assert np.abs(flow.inverse(data(flow, 2)) - before).max() > 1e-3


@pytest.mark.parametrize(
    ("flow", "options", "match"),
    [
        (tfp.bijectors.Exp(), {}, "flow must be a FlowBijector; got Exp"),
        (keras.layers.Dense(2), {}, "flow must be a FlowBijector; got Dense"),
        (Shrinks(SHAPE), {"properties": ["logdet"]}, r"properties must be among .*'logdet'"),
        (Shrinks(SHAPE), {"properties": "log_det"}, "properties must be among"),
    ],
)
def test_other_arguments_are_refused_by_name(flow, options, match):
    with pytest.raises(ValueError, match=match):
        assert_flow_contract(flow, **options)


def test_all_properties_are_asked_unless_told_otherwise():
    with pytest.raises(AssertionError, match=f"of {len(PROPERTIES)} properties"):
        assert_flow_contract(Shrinks((1, 1, 1)))


def test_a_custom_gradient_that_is_wrong_is_seen_in_single_precision():
    class WrongGradient(Shrinks):
        def carry_inverse(self, x, log_det, context):
            @tf.custom_gradient
            def doubled(value):
                return value, lambda upstream: 2 * upstream

            return doubled(x), log_det

        def carry_forward(self, z, log_det, context):
            return z, log_det

    with pytest.raises(AssertionError, match="autodiff"):
        assert_flow_contract(WrongGradient(SHAPE), properties=["log_det"])
