"""Files of arrays: every image on one side, with its label."""

import numpy as np
import pytest

from tests.training.data.sides import noise, rows, sides
from tfp_lcma.files import copy_out
from tfp_lcma.training.data import load


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_every_image_is_on_one_side_with_its_label(tmp_path):
    images = noise(30, 4, 6, 3)
    labels = images[:, 0, 0, 0].astype(np.int64)
    dataset = load(save(tmp_path / "mine.npz", images=images, labels=labels))
    assert dataset.name == "mine" and dataset.event_shape == (4, 6, 3)
    assert [len(side) for side in sides(dataset)] == [24, 3, 3]
    assert set().union(*(rows(side.images) for side in sides(dataset))) == rows(images)
    for side in sides(dataset):
        np.testing.assert_array_equal(side.labels, side.images[:, 0, 0, 0])


def test_a_file_in_another_file_system_is_read_alike(tmp_path):
    path = save(tmp_path / "mine.npz", images=noise(30, 4, 4, 1))
    copy_out(path, "ram://arrays/mine.npz")
    here, there = load(path), load("ram://arrays/mine.npz")
    assert there.name == here.name
    np.testing.assert_array_equal(there.test.images, here.test.images)


def test_another_seed_is_another_split_and_limit_keeps_its_first_images(tmp_path):
    path = save(tmp_path / "mine.npz", images=noise(30, 4, 4, 1))
    whole, few, other = load(path), load(path, limit=2), load(path, seed=1)
    for all_of_it, first in zip(sides(whole), sides(few), strict=True):
        np.testing.assert_array_equal(all_of_it.images[:2], first.images)
    assert whole.train.labels is None
    assert rows(whole.test.images) != rows(other.test.images)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": noise(5, 4, 4, 1)}, "an array `images`"),
        ({"images": noise(5, 4, 4)}, r"images must be uint8 \[n, H, W, C\]"),
        ({"images": noise(5, 4, 4, 1) / 255}, "images must be uint8"),
        ({"images": noise(5, 4, 4, 1), "labels": np.arange(4)}, "labels must be integers"),
        ({"images": noise(2, 4, 4, 1)}, "at least 3 images"),
        ({"images": np.array([None, 1])}, "an array `images`"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(arrays, message, tmp_path):
    path = save(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert "mine.npz" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no arrays", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.npz"):
        load(tmp_path / "mine.npz")


def test_one_array_under_another_ending_is_no_file_of_arrays(tmp_path):
    np.save(tmp_path / "mine.npy", noise(5, 4, 4, 1))
    (tmp_path / "mine.npy").rename(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match=r"mine\.npz"):
        load(tmp_path / "mine.npz")
