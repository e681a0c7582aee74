"""Between pixel intensities and the real line."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.bijectors import AffinePreprocessing, LogitPreprocessing, SymmetricPreprocessing
from tfp_lcma.testing.compare import close

SHAPE = (1, 2, 1)


def pixels(*values):
    return tf.constant(values, tf.float64)[None, None, :, None]


def test_logit_map_is_the_one_of_the_published_code():
    flow = LogitPreprocessing(SHAPE, dtype="float64")
    z = flow.inverse(pixels(0.0, 256.0)).numpy().ravel()
    close(z, [np.log(0.05 / 0.95), np.log(0.95 / 0.05)], 1e-12, "ends of the pixel range")


def test_middle_of_any_intensity_range_maps_to_zero():
    for bins in (2, 17, 256):
        for kind in (LogitPreprocessing, AffinePreprocessing):
            flow = kind(SHAPE, bins=bins, dtype="float64")
            close(flow.inverse(pixels(bins / 2, bins / 2)), np.zeros((1, 1, 2, 1)), 1e-12, "middle")


def test_affine_map_sends_the_pixel_range_to_half_around_zero():
    flow = AffinePreprocessing(SHAPE, bins=17, dtype="float64")
    close(flow.inverse(pixels(0.0, 17.0)).numpy().ravel(), [-0.5, 0.5], 1e-12, "ends")
    log_det = flow.inverse_event_log_det_jacobian(pixels(0.0, 3.0))
    close(log_det.numpy().ravel(), -np.log([17, 17]), 1e-12, "log-det")


def test_symmetric_map_sends_the_pixel_range_to_one_around_zero():
    flow = SymmetricPreprocessing(SHAPE, bins=17, dtype="float64")
    close(flow.inverse(pixels(0.0, 17.0)).numpy().ravel(), [-1, 1], 1e-12, "ends")
    log_det = flow.inverse_event_log_det_jacobian(pixels(0.0, 3.0))
    close(log_det.numpy().ravel(), np.log([2 / 17, 2 / 17]), 1e-12, "log-det")


def test_support_of_the_logit_map_is_a_little_wider_than_the_pixel_range():
    flow = LogitPreprocessing(SHAPE, bins=10, alpha=0.05, dtype="float64")
    low, high = flow.forward(pixels(-40.0, 40.0)).numpy().ravel()
    close([low, high], [-0.05 * 10 / 0.9, 10 + 0.05 * 10 / 0.9], 1e-10, "support")


def test_every_pixel_value_survives_the_logit_map_in_float32():
    flow = LogitPreprocessing((16, 16, 1))
    values = tf.reshape(tf.range(256.0), (1, 16, 16, 1))
    assert np.array_equal(np.round(flow.forward(flow.inverse(values))), values)


@pytest.mark.parametrize("kind", [LogitPreprocessing, AffinePreprocessing])
@pytest.mark.parametrize("bins", [1, 257, 2.5])
def test_impossible_number_of_intensities_is_refused(kind, bins):
    with pytest.raises(ValueError, match=rf"bins must be a whole number from 2 to 256; got {bins}"):
        kind(SHAPE, bins=bins)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"alpha must be between 0 and 0.5; got {alpha}"):
        LogitPreprocessing(SHAPE, alpha=alpha)
