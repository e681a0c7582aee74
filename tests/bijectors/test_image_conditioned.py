"""What a flow that is conditioned on an image asks of its parts; the rest is in the contract."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.bijectors import ChannelHalf, Coupling, ImageConditioned
from tfp_lcma.networks import Convolutional, ImageFeatures, Transformer
from tfp_lcma.priors.conditional_gaussian import GaussianExit

SHAPE = (4, 4, 2)


def coupling(conditions, network=None):
    return Coupling(ChannelHalf(SHAPE), network or Convolutional(4), conditions=conditions)


def test_features_are_seen_where_they_stand():
    flow = coupling((4, 4, 3))
    for variable in flow.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, (1, 2)) / 5)
    x = tf.constant(np.random.default_rng(0).normal(size=(1, *SHAPE)), tf.float32)
    features = np.zeros((1, 4, 4, 3), np.float32)
    changed = features.copy()
    changed[0, 3, 3] = 1
    z, other = (flow.inverse_and_event_log_det(x, one)[0] for one in (features, changed))
    apart = np.abs(z - other)[0].max(axis=-1)
    # A convolution of three pixels behind them.
    assert apart[2:, 2:].max() > 1e-4 and apart[:2].max() == apart[:, :2].max() == 0


@pytest.mark.parametrize(
    "make", [coupling, lambda shape: GaussianExit(SHAPE, None, conditions=shape)]
)
def test_an_image_of_other_sides_is_refused(make):
    with pytest.raises(ValueError, match=r"height and width of the event shape \(4, 4, 2\)"):
        make((2, 2, 3))


def test_a_network_that_takes_no_image_refuses_one():
    with pytest.raises(ValueError, match=r"conditions must be a number of classes.*\(4, 4, 3\)"):
        coupling((4, 4, 3), Transformer(4, 1, heads=2, patch=2))


def test_a_flow_of_other_conditions_than_the_features_is_refused():
    features = ImageFeatures(SHAPE, width=3)
    with pytest.raises(ValueError, match=r"conditions \(4, 4, 3\), the shape that the network"):
        ImageConditioned(coupling((4, 4, 5)), features, SHAPE)


def test_an_image_that_is_missing_is_asked_for():
    flow = ImageConditioned(coupling((4, 4, 3)), ImageFeatures(SHAPE, width=3), SHAPE)
    with pytest.raises(ValueError, match=r"condition must be given.*\(4, 4, 2\)"):
        flow.inverse_and_log_det(tf.zeros((1, *SHAPE)))


def test_an_odd_side_is_not_halved():
    with pytest.raises(ValueError, match=r"image_shape must have an even .*\(3, 4, 1\)"):
        ImageFeatures((3, 4, 1), squeezed=True)
