"""Where patches put every pixel, and what the views of a flow's levels are."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.bijectors import Identity, Patches, Squeeze
from tfp_lcma.bijectors.patches import to_view, view_shape

SHAPE = (4, 6, 2)


def test_a_patch_becomes_a_position_whose_entries_are_its_pixels_in_raster_order():
    x = np.arange(48).reshape(SHAPE)
    z = Patches(SHAPE, 2).inverse(tf.constant(x[None]))[0].numpy()
    assert z.shape == (2, 3, 8)
    for row, column, dy, dx, channel in np.ndindex(2, 3, 2, 2, 2):
        expected = x[2 * row + dy, 2 * column + dx, channel]
        assert z[row, column, (dy * 2 + dx) * 2 + channel] == expected


def test_patches_that_do_not_cover_the_image_are_refused():
    with pytest.raises(ValueError, match=r"patch must divide .* event_shape \(4, 6, 2\); got 4"):
        Patches(SHAPE, 4)
    with pytest.raises(ValueError, match="patch must be a whole number >= 1; got 0"):
        Patches(SHAPE, 0)


def test_views_are_blocks_at_every_level_or_patches_once():
    assert [type(to_view(SHAPE, level, None)) for level in (0, 1)] == [Squeeze, Squeeze]
    assert [type(to_view(SHAPE, level, 2)) for level in (0, 1)] == [Patches, Identity]
    assert [view_shape(SHAPE, level, 2) for level in (0, 1)] == [(2, 3, 8), SHAPE]
