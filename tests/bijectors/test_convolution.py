"""The learned 1x1 convolution: where it starts, and its log-det."""

import numpy as np
import pytest
import tensorflow as tf

from tests.seeds import seed_initializers
from tfp_lcma.bijectors import InvertibleConvolution
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights

SHAPE = (2, 3, 5)


KINDS = pytest.mark.parametrize("kind", ["lu", "plain"])


def flow(kind="lu", seed=0):
    seed_initializers(seed)
    return InvertibleConvolution(SHAPE, parameterization=kind, dtype="float64")


def matrix(convolution):
    """W, from what it does to unit vectors at one position."""
    units = np.zeros((5, *SHAPE))
    units[np.arange(5), 1, 2, np.arange(5)] = 1
    return convolution.inverse(units).numpy()[:, 1, 2]


@KINDS
def test_convolution_starts_as_a_random_rotation_without_log_det(kind):
    first = flow(kind)
    close(matrix(first) @ matrix(first).T, np.eye(5), 1e-10, "W W^T")
    close(first.inverse_event_log_det_jacobian(data(first, 1)), np.zeros((1, *SHAPE)), 1e-10, "0")
    assert np.array_equal(matrix(flow(kind)), matrix(first))
    assert np.any(matrix(flow(kind, 1)) != matrix(first))


@KINDS
def test_every_position_is_multiplied_by_one_matrix(kind):
    moved = flow(kind)
    move_weights(moved, 0.3, seed=1)
    x = data(moved, 4).numpy()
    close(moved.inverse(x), x @ matrix(moved), 1e-10, "z = x W")


@KINDS
def test_log_det_is_shared_alike_and_sums_to_that_of_the_matrix(kind):
    moved = flow(kind)
    move_weights(moved, 0.3, seed=1)
    log_det = moved.inverse_event_log_det_jacobian(data(moved, 2)).numpy()
    assert np.ptp(log_det) == 0
    close(log_det[0, 0, 0].sum(), np.linalg.slogdet(matrix(moved))[1], 1e-10, "log-det")
    assert abs(log_det.flat[0]) > 1e-3


def test_no_step_however_large_makes_the_matrix_singular():
    moved = flow()
    for variable in moved.trainable_variables:
        if variable.shape.rank == 1:
            variable.assign(tf.fill(variable.shape, tf.constant(-1e6, tf.float64)))
    x = data(moved, 2)
    for method in (moved.inverse_and_event_log_det, moved.forward_and_event_log_det):
        for tensor in method(x):
            assert np.isfinite(tensor).all()


def test_another_parameterization_is_refused():
    with pytest.raises(ValueError, match="parameterization must be one of lu, plain; got 'qr'"):
        InvertibleConvolution(SHAPE, parameterization="qr")
