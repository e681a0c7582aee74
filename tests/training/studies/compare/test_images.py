"""Bits of every image: written whole, found by row, and what is missing or damaged is named."""

import numpy as np
import pytest

from tfp_lcma.training.studies.compare.images import ImageBits, ImagesFile, image_error

ROWS = [
    {"arm": "lcma", "seed": 0, "image_bits": "images.npz"},
    {"arm": "lcma", "seed": 1, "image_bits": "images.npz", "same_as": "haar"},
    {"arm": "lcma", "seed": 2},
]


@pytest.fixture
def file(tmp_path):
    file = ImagesFile(tmp_path / "images.npz")
    file.add("validation", "lcma", 0, np.array([1.0, 2.0, 4.5]), None)
    file.add("validation", "haar", 1, np.array([1.0, 3.0, 5.0]), None)
    return file


def test_bits_are_found_by_row_or_by_the_run_that_it_shares(file):
    found = file.of(ROWS, "validation")
    assert list(found.bits) == [0, 1] and found.clusters is None
    np.testing.assert_array_equal(found.bits[1], np.float32([1, 3, 5]))
    assert found.bits[0].dtype == np.float32
    assert found.median == 2.5
    with np.load(file.path) as arrays:
        assert set(arrays) == {"validation/lcma/0", "validation/haar/1"}


def test_a_run_that_is_done_again_replaces_its_bits(file):
    file.add("validation", "lcma", 0, np.array([7.0, 7.0, 7.0]), np.array([0, 0, 1]))
    found = file.of(ROWS, "validation")
    np.testing.assert_array_equal(found.bits[0], np.float32([7, 7, 7]))
    np.testing.assert_array_equal(found.clusters, [0, 0, 1])
    assert not list(file.path.parent.glob(".*"))


def test_what_is_missing_or_damaged_is_named(file):
    with pytest.raises(ValueError, match="must hold test/lcma/0, of which there is a row"):
        file.check(ROWS[:1], "test")
    file.path.write_bytes(file.path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"images\.npz cannot be read"):
        file.of(ROWS, "validation")


def test_without_a_file_older_rows_have_no_images(tmp_path):
    found = ImagesFile(tmp_path / "images.npz").of(ROWS[2:], "validation")
    assert not found.bits and found.median is None
    assert image_error(found, found) is None


def test_the_error_over_images_is_that_of_paired_differences_averaged_over_seeds():
    random = np.random.default_rng(0)
    hard, mine, theirs = random.normal(size=50), *random.normal(size=(2, 3, 50))
    ours = ImageBits({seed: hard * 9 + bits for seed, bits in enumerate(mine)})
    others = ImageBits({seed: hard * 9 + bits for seed, bits in enumerate(theirs[:2])})
    found = image_error(ours, others)
    difference = np.mean(mine[:2] - theirs[:2], axis=0)
    assert found.error == pytest.approx(difference.std(ddof=1) / np.sqrt(50))
    assert (found.count, found.clustered) == (50, False)
