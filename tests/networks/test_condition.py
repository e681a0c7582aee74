"""A network's condition: one number per channel for a class, or linear in a vector."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.networks import (
    ConvolutionalNetwork,
    DenseNetwork,
    GatedNetwork,
    ResidualNetwork,
    TransformerNetwork,
)
from tfp_lcma.networks.condition import ConditionBias, check_conditions


def test_a_class_has_numbers_of_its_own():
    bias = ConditionBias(4, 3, "normal")
    kernel = bias.kernel.numpy()
    for dtype in (tf.int32, tf.int64, tf.uint8):
        got = bias(tf.constant([2, 0], dtype))
        np.testing.assert_allclose(got, kernel[[2, 0]][:, None, None], rtol=1e-6)


@pytest.mark.parametrize("wrong", [-1, 3, 7])
def test_a_class_out_of_range_has_no_numbers(wrong):
    bias = ConditionBias(4, 3, "normal")
    got = bias(tf.constant([2, wrong]))
    np.testing.assert_allclose(got[0, 0, 0], bias.kernel[2], rtol=1e-6)
    assert np.isnan(got[1]).all()


def test_a_vector_acts_linearly():
    bias = ConditionBias(4, (2,), "normal")
    vectors = np.array([[1.0, 0.0], [0.5, -2.0]], np.float32)
    expected = vectors @ bias.kernel.numpy()
    np.testing.assert_allclose(bias(vectors), expected[:, None, None], rtol=1e-5)


@pytest.mark.parametrize(("given", "expected"), [(None, None), (10, 10), ((3,), (3,)), ([3], (3,))])
def test_conditions_have_one_form(given, expected):
    assert check_conditions(given) == expected


@pytest.mark.parametrize("given", [0, -1, (0,), (2, 3), (), "ten", 1.5, True])
def test_other_conditions_are_refused(given):
    with pytest.raises(ValueError, match="conditions must be a number of classes >= 1, the shape"):
        check_conditions(given)


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: ConvolutionalNetwork(2, 4, **options),
        lambda **options: ResidualNetwork(2, 4, 1, **options),
        lambda **options: GatedNetwork(2, 4, 1, **options),
        lambda **options: TransformerNetwork(2, 4, 1, **options),
        lambda **options: DenseNetwork(2, 4, 1, **options),
    ],
    ids=["convolutional", "residual", "gated", "transformer", "densenet"],
)
def test_a_network_heeds_its_condition_and_survives_its_config(make):
    network = make(conditions=3)
    network.build((None, 4, 4, 1))
    for variable in network.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    x = np.random.default_rng(1).normal(size=(3, 4, 4, 1)).astype(np.float32)
    one, other = network(x, tf.constant([0, 0, 0])), network(x, tf.constant([0, 1, 2]))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5, atol=1e-5)
    assert np.abs(one - other)[1:].max() > 1e-3
    again = type(network).from_config(network.get_config())
    assert again.conditions == 3
    again.build((None, 4, 4, 1))
    assert [v.shape for v in again.variables] == [v.shape for v in network.variables]
    # An unconditional one has no further weights.
    plain = make()
    plain.build((None, 4, 4, 1))
    sizes = [sum(np.prod(v.shape) for v in n.trainable_variables) for n in (network, plain)]
    assert sizes[0] - sizes[1] == 3 * 4
    assert isinstance(plain, keras.layers.Layer)
