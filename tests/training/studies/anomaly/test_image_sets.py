"""Foreign images: in the right shape and range, with the right neighbours, the same every time."""

import numpy as np
import pytest

from tests.toys import pictures
from tfp_lcma.training.data import Dataset, Split, load
from tfp_lcma.training.studies.anomaly import image_sets

IMAGES = pictures(20, (8, 8, 1), bins=17)


@pytest.fixture(scope="module")
def sets():
    digits = load("digits", limit=20)
    return image_sets.inliers(digits, 20), image_sets.outliers(digits, 20, "/nowhere", seed=0)


@pytest.mark.parametrize("name", image_sets.CORRUPTIONS)
def test_corruption_changes_images_within_their_range_and_leaves_the_originals(name):
    before = IMAGES.copy()
    found = image_sets.CORRUPTIONS[name](IMAGES, 17, np.random.default_rng(0))
    np.testing.assert_array_equal(IMAGES, before)
    assert found.dtype == np.uint8 and found.shape == IMAGES.shape
    assert found.max() < 17
    assert (found != IMAGES).any(axis=(1, 2, 3)).all()


def test_shuffles_and_turns_only_move_pixels():
    for name in ("turned by 90°", "quarters exchanged", "pixels shuffled"):
        found = image_sets.CORRUPTIONS[name](IMAGES, 17, np.random.default_rng(0))
        np.testing.assert_array_equal(
            np.sort(found.reshape(20, -1)), np.sort(IMAGES.reshape(20, -1)), err_msg=name
        )


def test_strength_is_that_in_the_name():
    flat = np.full((50, 8, 8, 1), 128, np.uint8)
    noisy = image_sets.CORRUPTIONS["noise, 10%"](flat, 256, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(25.5, rel=0.05)
    softened = image_sets.CORRUPTIONS["contrast × 0.5"](IMAGES, 17, None)
    ratio = np.ptp(softened, axis=(1, 2, 3)) / np.ptp(IMAGES, axis=(1, 2, 3))
    assert ratio.mean() == pytest.approx(0.5, abs=0.06)


def test_every_set_has_the_shape_and_intensities_of_the_inliers(sets):
    own, others = sets
    for images in others:
        assert images.images.shape[1:] == own.images.shape[1:], images.name
        assert images.images.max() <= 16, images.name
        assert images.clusters.shape == images.images.shape[:1], images.name
    assert len({images.name for images in others}) == len(others)


def test_corrupted_images_belong_to_their_originals_and_others_to_none(sets):
    own, others = sets
    for images in others:
        if images.name in image_sets.CORRUPTIONS:
            np.testing.assert_array_equal(images.clusters, own.clusters)
        else:
            assert not set(images.clusters) & set(own.clusters), images.name


def test_sets_are_those_that_are_there_without_the_one_trained_on(sets):
    names = [images.name for images in sets[1]]
    assert names[0] == "photos16"
    assert not {"digits", "mnist", "fashion_mnist"} & set(names)
    assert names[1:-3] == list(image_sets.CORRUPTIONS)


def test_sets_are_the_same_for_the_same_seed(sets):
    again = image_sets.outliers(load("digits", limit=20), 20, "/nowhere", seed=0)
    for first, second in zip(sets[1], again, strict=True):
        np.testing.assert_array_equal(first.images, second.images, err_msg=first.name)


def test_crops_of_a_photograph_stay_one_cluster():
    split = load("photos16", limit=30).test
    dataset = Dataset("photos16", split, split, split)
    own = image_sets.inliers(dataset, 25)
    assert len(set(own.clusters)) < 11
    assert "photos16" not in [s.name for s in image_sets.outliers(dataset, 25, "/nowhere", 0)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 8, 28])
def test_other_data_keep_black_and_white_in_any_size(channels, size):
    images = np.zeros((2, 8, 8, 4 - channels), np.uint8)  # colour for grey, grey for colour
    images[1] = 16
    found = image_sets.as_images_of(images, 17, (size, size, channels), 256)
    assert found.dtype == np.uint8 and found.shape == (2, size, size, channels)
    assert (found[0] == 0).all() and (found[1] == 255).all()


def test_split_of_labels_plays_no_part():
    """Nothing but images and clusters is read: a folder of images has nothing else."""
    split = Split(pictures(4, (8, 8, 3)))
    names = [s.name for s in image_sets.outliers(Dataset("folder", *[split] * 3), 4, "/nowhere", 0)]
    assert names[:2] == ["digits", "photos16"]
