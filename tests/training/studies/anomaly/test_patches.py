"""Pasted patches: inside the mask, visible, and nothing else changed."""

import numpy as np
import pytest

from tests.toys import pictures
from tfp_lcma.training.studies.anomaly.patches import paste, patch_side

IMAGES = pictures(200, (8, 8, 3))


@pytest.fixture(scope="module")
def pasted():
    return paste(IMAGES, 256, seed=0)


def test_patch_is_a_visible_square_and_the_rest_is_as_before(pasted):
    *kinds, _ = pasted
    assert len(kinds) == 3
    for patches in kinds:
        np.testing.assert_array_equal(patches.originals, IMAGES)
        changed = (patches.images != patches.originals).any(axis=-1)
        assert not (changed & ~patches.masks).any(), patches.kind
        for mask, difference in zip(patches.masks, changed, strict=True):
            rows, columns = np.nonzero(mask)
            assert np.ptp(rows) == np.ptp(columns) == patch_side((8, 8, 3)) - 1 == 2
            assert mask.sum() == 9
            assert difference[mask].mean() >= 0.5


def test_control_has_the_places_and_no_patches(pasted):
    first, control = pasted[0], pasted[-1]
    assert "control" in control.kind
    np.testing.assert_array_equal(control.masks, first.masks)
    np.testing.assert_array_equal(control.images, IMAGES)


def test_patches_are_the_same_for_the_same_seed_and_lie_everywhere(pasted):
    again, other = paste(IMAGES, 256, seed=0), paste(IMAGES, 256, seed=1)
    for one, same, different in zip(pasted, again, other, strict=True):
        np.testing.assert_array_equal(one.images, same.images)
        assert (one.masks != different.masks).any()
    assert pasted[0].masks.any(axis=0).all()


def test_images_that_are_all_alike_take_no_patch_of_each_other():
    with pytest.raises(ValueError, match="no image takes a patch of kind 'another test image'"):
        paste(np.zeros((3, 8, 8, 1), np.uint8), 256, seed=0)
