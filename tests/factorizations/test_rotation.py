"""A split along a rotated basis: Haar, and a learned convolution."""

import numpy as np
import pytest

from tests.fields import SHAPE, halves
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import Haar, LearnedConvolution
from tfp_lcma.multi_scale import MultiScale, level_shapes

# --- Haar ---

HAAR = {
    "mean": [1, 1, 1, 1],
    "horizontal": [1, -1, 1, -1],
    "vertical": [1, 1, -1, -1],
    "diagonal": [1, -1, -1, 1],
}


def test_haar_components_are_the_formulas_of_the_docstring():
    a, b, c, d = 1.0, 20.0, 300.0, 4000.0
    (stay, others) = halves(Haar(), 0, np.array([a, b, c, d]).reshape(1, 1, 1, 4))
    assert stay.ravel().tolist() == [(a + b + c + d) / 2, (a - b + c - d) / 2]
    assert others.ravel().tolist() == [(a + b - c - d) / 2, (a - b - c + d) / 2]


def test_of_a_constant_image_only_the_mean_stays_and_zeros_are_factored_out():
    shapes = level_shapes(SHAPE, 3, Haar())
    flow = MultiScale([Identity(shape) for shape in shapes], Haar())
    x = np.broadcast_to([3.0, -5.0], (1, *SHAPE))
    first, second, last = flow.split(flow.inverse(x))
    assert not np.any(first)
    assert not np.any(second)
    # Each of two levels doubles the value; the horizontal components are zero.
    assert np.unique(last).tolist() == [-20.0, 0.0, 12.0]


@pytest.mark.parametrize("name", HAAR)
def test_named_component_stays_first_and_the_others_are_empty(name):
    other = "vertical" if name == "mean" else "mean"
    block = np.array(HAAR[name], float).reshape(1, 1, 1, 4)
    stay, others = halves(Haar((name, other)), 0, block)
    assert stay.ravel().tolist() == [2, 0]
    assert not others.any()


@pytest.mark.parametrize(
    "keep",
    [(), ("mean", "mean"), ("mean", "mean", "diagonal"), ("mean", "x"), "mean", tuple(HAAR)],
)
def test_components_that_are_not_some_of_the_four_are_refused(keep):
    message = r"keep must name one to three different ones of mean, .*diagonal; got \("
    with pytest.raises(ValueError, match=message):
        Haar(keep)


def test_learned_convolution_computes_in_the_type_asked_for():
    for dtype in ("float32", "float64"):
        assert LearnedConvolution(dtype).bijector(0, (2, 2, 4)).dtype == dtype
    with pytest.raises(ValueError, match="dtype of a flow must be float32 or float64; got int8"):
        LearnedConvolution("int8")
