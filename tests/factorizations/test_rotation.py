"""Leaving along a rotated basis: Haar, and a learned convolution."""

import numpy as np
import pytest

from tests.fields import SHAPE, halves
from tfp_lcma.bijectors import Identity, MultiScale, level_shapes
from tfp_lcma.factorizations import Haar, LearnedConvolution

# --- Haar ---


def test_haar_components_are_the_formulas_of_the_docstring():
    a, b, c, d = 1.0, 20.0, 300.0, 4000.0
    (stay, leave) = halves(Haar(), 0, np.array([a, b, c, d]).reshape(1, 1, 1, 4))
    assert stay.ravel().tolist() == [(a + b + c + d) / 2, (a - b + c - d) / 2]
    assert leave.ravel().tolist() == [(a + b - c - d) / 2, (a - b - c + d) / 2]


def test_of_a_constant_image_only_the_mean_stays_and_nothing_is_left_to_leave():
    shapes = level_shapes(SHAPE, 3, splits=True)
    flow = MultiScale([Identity(shape) for shape in shapes], Haar())
    x = np.broadcast_to([3.0, -5.0], (1, *SHAPE))
    first, second, last = flow.split(flow.inverse(x))
    assert not np.any(first)
    assert not np.any(second)
    # Each of two levels doubles the value; the horizontal components are zero.
    assert np.unique(last).tolist() == [-20.0, 0.0, 12.0]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("mean", [1, 1, 1, 1]),
        ("horizontal", [1, -1, 1, -1]),
        ("vertical", [1, 1, -1, -1]),
        ("diagonal", [1, -1, -1, 1]),
    ],
)
def test_named_component_goes_on_first_and_the_others_are_empty(name, block):
    other = "vertical" if name == "mean" else "mean"
    stay, leave = halves(Haar((name, other)), 0, np.array(block, float).reshape(1, 1, 1, 4))
    assert stay.ravel().tolist() == [2, 0]
    assert not leave.any()


@pytest.mark.parametrize(
    "keep", [("mean",), ("mean", "mean"), ("mean", "mean", "diagonal"), ("mean", "x"), "mean"]
)
def test_components_that_are_not_two_of_four_are_refused(keep):
    message = r"keep must name two different ones of mean, .*diagonal; got \("
    with pytest.raises(ValueError, match=message):
        Haar(keep)


def test_learned_convolution_computes_in_the_type_asked_for():
    for dtype in ("float32", "float64"):
        assert LearnedConvolution(dtype).bijector(0, (2, 2, 4)).dtype == dtype
