"""Masks, and what an affine coupling may and may not touch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.checks import close
from tests.registry import SHAPE, arbitrary_mask, built, coupling, data, latents
from tfp_lcma.bijectors import AffineCoupling, channel_mask, checkerboard_mask
from tfp_lcma.networks import ResidualNetwork


def test_checkerboard_keeps_the_pixels_of_its_parity():
    mask = checkerboard_mask((2, 3, 2), 0)
    assert mask[..., 0].tolist() == [[True, False, True], [False, True, False]]
    assert np.array_equal(mask[..., 0], mask[..., 1])
    assert np.array_equal(checkerboard_mask((2, 3, 2), 1), ~mask)


def test_channel_mask_keeps_the_half_it_names():
    assert channel_mask((1, 1, 4), "first").ravel().tolist() == [True, True, False, False]
    assert channel_mask((1, 1, 4), "second").ravel().tolist() == [False, False, True, True]


def test_checkerboard_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match="at least two pixels"):
        checkerboard_mask((1, 1, 4), 0)


def test_channel_mask_of_odd_channels_or_of_no_half_is_refused():
    with pytest.raises(ValueError, match="even number of channels"):
        channel_mask((2, 2, 3), "first")
    with pytest.raises(ValueError, match='"first" or "second"; got 0'):
        channel_mask((2, 2, 4), 0)


@pytest.mark.parametrize("name", ["checkerboard", "channel", "arbitrary mask"])
def test_coupling_leaves_the_kept_part_alone_and_gives_it_no_log_det(name):
    flow = built(f"AffineCoupling ({name})", "float64")
    mask = flow.get_config()["mask"]
    for method, value in (
        (flow.inverse_and_event_log_det, data(flow, 2)),
        (flow.forward_and_event_log_det, latents(flow, 2)),
    ):
        out, log_det = (tensor.numpy() for tensor in method(value))
        assert np.array_equal(out[:, mask], value.numpy()[:, mask])
        assert not log_det[:, mask].any()
        assert np.all(np.abs(out - value)[:, ~mask] > 0)
        assert np.all(log_det[:, ~mask] != 0)


@pytest.mark.parametrize("name", ["checkerboard", "channel", "arbitrary mask"])
def test_shift_and_scale_depend_on_the_kept_part_only(name):
    flow = built(f"AffineCoupling ({name})", "float64")
    mask, x = flow.get_config()["mask"], data(flow, 2)
    log_det = flow.inverse_event_log_det_jacobian(x)
    changed_moved = tf.where(mask, x, x + 1)
    close(flow.inverse_event_log_det_jacobian(changed_moved), log_det, 1e-12, "log-det")
    changed_kept = tf.where(mask, x + 1, x)
    assert np.any(np.abs(flow.inverse_event_log_det_jacobian(changed_kept) - log_det) > 1e-6)


def test_coupling_starts_as_the_identity():
    flow = coupling(checkerboard_mask(SHAPE, 0), "float32")
    x = data(flow, 2)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.array_equal(z, x)
    assert not np.any(log_det)


def test_log_scale_is_bounded_whatever_the_network_says():
    class Shouting(keras.layers.Layer):
        def call(self, inputs, training=False):
            return tf.concat([0 * inputs, 0 * inputs + 1e6], axis=-1)

    network = Shouting()
    network.compute_output_shape = lambda shape: (*shape[:-1], 2 * shape[-1])
    flow = AffineCoupling(checkerboard_mask(SHAPE, 0), network)
    assert np.abs(flow.inverse_event_log_det_jacobian(data(flow, 2))).max() <= 1.0


def test_network_in_bfloat16_leaves_the_flow_in_float32():
    mask = arbitrary_mask(SHAPE)
    network = ResidualNetwork(4, width=4, blocks=1, dtype="mixed_bfloat16")
    flow = AffineCoupling(mask, network)
    network.conv_out.gain.assign(tf.ones(4))
    x = data(flow, 2)
    assert network(x).dtype == tf.bfloat16
    z, log_det = flow.inverse_and_event_log_det(x)
    assert z.dtype == log_det.dtype == tf.float32
    close(flow.forward(tf.identity(z)), x, 1e-5, "round trip beside a bfloat16 network")


def test_mask_that_is_not_boolean_or_moves_nothing_is_refused():
    network = ResidualNetwork(4, width=2, blocks=1)
    with pytest.raises(ValueError, match="mask must be a boolean array; got one of float32"):
        AffineCoupling(np.ones(SHAPE, np.float32), network)
    for mask in (np.ones(SHAPE, bool), np.zeros(SHAPE, bool)):
        with pytest.raises(ValueError, match="mask must keep some dimensions and move some"):
            AffineCoupling(mask, network)


@pytest.mark.parametrize(
    ("mask", "expected"), [(checkerboard_mask(SHAPE, 0), 4), (channel_mask(SHAPE, "first"), 2)]
)
def test_network_with_the_wrong_number_of_channels_is_refused(mask, expected):
    with pytest.raises(ValueError, match=f"network must return {expected} channels.*got 3"):
        AffineCoupling(mask, ResidualNetwork(3, width=2, blocks=1))


def test_regularizer_sees_the_bound_of_the_log_scale():
    network = ResidualNetwork(4, width=2, blocks=1)
    flow = AffineCoupling(checkerboard_mask(SHAPE, 0), network, regularizer="l2")
    assert sum(len(layer.losses) for layer in flow.layers) == 1
