"""Bits over what is not background: a ratio of sums, its error over clusters."""

import numpy as np
import pytest

from tfp_lcma.training.data import Split
from tfp_lcma.training.runs.foreground import foreground_bits

GREY = 128


def split(shown, clusters=None, background=GREY):
    """Images of 4x4 pixels in colour, of which so many each are not the background."""
    images = np.full((len(shown), 16, 3), GREY, np.uint8)
    for image, count in zip(images, shown, strict=True):
        image[:count, 1] = 7  # one channel is enough
    return Split(images.reshape(-1, 4, 4, 3), clusters, background=background)


def test_all_bits_are_counted_over_the_dimensions_that_are_not_background():
    found = foreground_bits(np.array([1.0, 3.0]), split([4, 12]))
    assert found["share"] == 0.5
    bits, dimensions = (1.0 + 3.0) * 48, (4 + 12) * 3
    assert found["bits_per_dimension"] == pytest.approx(bits / dimensions)


def test_an_image_that_costs_as_the_others_do_by_its_foreground_adds_no_error():
    shown = np.array([4, 8, 12, 16])
    assert foreground_bits(shown / 4, split(shown))["standard_error"] == pytest.approx(0)
    # Full images: the error of a plain mean.
    bits = np.array([1.0, 2.0, 3.0, 5.0])
    found = foreground_bits(bits, split([16] * 4))
    assert found["bits_per_dimension"] == pytest.approx(bits.mean())
    assert found["standard_error"] == pytest.approx(bits.std(ddof=1) / 2)


def test_the_error_is_over_clusters_and_larger_by_as_much_as_the_bits():
    bits, clusters = np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1])
    found = foreground_bits(bits, split([8] * 4, clusters))
    assert found["standard_error"] == pytest.approx(2 * np.std([1.0, 2.0], ddof=1) / np.sqrt(2))
    assert foreground_bits(bits, split([8] * 4, clusters * 0))["standard_error"] is None


@pytest.mark.parametrize(("shown", "background"), [([4, 12], None), ([0, 0], GREY)])
def test_images_without_a_background_or_without_anything_else_have_no_such_bits(shown, background):
    assert foreground_bits(np.ones(2), split(shown, background=background)) is None
