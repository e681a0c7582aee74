"""A constant rotation of channels, and how shares travel through it."""

import numpy as np
import pytest

from tests.registry import rotation
from tfp_lcma.bijectors import Rotation
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data

SHAPE = (2, 3, 4)
Q = rotation(4)
FLOW = Rotation(SHAPE, Q)


def test_every_position_is_multiplied_by_the_matrix():
    x = data(FLOW, 5).numpy()
    close(FLOW.inverse(x), np.einsum("kj,nhwj->nhwk", Q, x), 1e-12, "z = Q x")
    close(FLOW.forward(x), np.einsum("jk,nhwj->nhwk", Q, x), 1e-12, "x = Q^T z")


def test_shares_travel_by_the_squares_of_the_entries_and_keep_their_sum():
    x, t = data(FLOW, 5), data(FLOW, 5, seed=1)
    moved = FLOW.move_inverse(t, x)
    close(moved, np.einsum("kj,nhwj->nhwk", Q**2, t), 1e-12, "Q∘Q")
    close(np.sum(moved, axis=-1), np.sum(t, axis=-1), 1e-12, "the sum at every position")
    back = FLOW.move_forward(t, x)
    close(np.sum(back, axis=-1), np.sum(t, axis=-1), 1e-12, "the sum at every position")


def test_matrix_changed_afterwards_does_not_change_the_rotation():
    matrix = Q.copy()
    flow = Rotation(SHAPE, matrix)
    matrix[:] = 0
    close(flow.inverse(data(flow, 1)), FLOW.inverse(data(flow, 1)), 0, "latents")


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (4,)])
def test_matrix_of_another_size_is_refused_with_both(shape):
    with pytest.raises(ValueError, match=r"matrix must be of shape \(4, 4\); got \("):
        Rotation(SHAPE, np.zeros(shape))


@pytest.mark.parametrize("scale", [2.0, 1.001, 0.0, np.nan])
def test_matrix_that_is_not_orthogonal_is_refused(scale):
    with pytest.raises(ValueError, match=r"matrix must be orthogonal; Q Q\^T is off by"):
        Rotation(SHAPE, scale * Q)
