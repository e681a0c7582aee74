"""Crops of photographs: of their own part of their own photograph."""

import functools

import numpy as np
import pytest

from tests.training.data.sides import rows, sides
from tfp_lcma.training.data import load


@functools.cache
def photos(size):
    return load(f"photos{size}")


@pytest.mark.parametrize("size", [16, 32, 64])
def test_no_part_of_a_photo_is_on_two_sides(size):
    dataset = photos(size)
    assert [len(side) for side in sides(dataset)] == [20_000, 1_000, 2_000]
    assert dataset.event_shape == (size, size, 3) and dataset.bins == 256
    shown = [set(side.clusters.tolist()) for side in sides(dataset)]
    assert shown[0] == set(range(10))
    assert all(len(numbers) >= 8 for numbers in shown)
    assert all(side.labels is None for side in sides(dataset))
    train, validation, test = (rows(side.images) for side in sides(dataset))
    assert not train & validation and not train & test and not validation & test


@pytest.mark.parametrize(("name", "columns"), [("train", (0, 320)), ("validation", (320, 480))])
def test_photos_are_crops_of_their_band_of_their_photograph(name, columns):
    from sklearn.datasets import load_sample_image

    band = load_sample_image("flower.jpg")[:426, slice(*columns)].astype(float)
    halves = band.reshape(213, 2, -1, 2, 3).mean(axis=(1, 3))
    reduced = np.rint(halves).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(reduced, (32, 32), axis=(0, 1))
    corners = rows(windows[..., 0, 0].reshape(-1, 3))
    side = getattr(photos(32), name)
    crops = side.images[side.clusters == 7][:12]
    found = sum(
        (windows == crop.transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()
        for crop in crops
        if crop[0, 0].tobytes() in corners
    )
    # A third of all crops come from the half-size photograph.
    assert 1 <= found < 12


def test_photos_are_not_empty_borders():
    images = photos(32).train.images[:1000]
    assert np.mean(images.max(axis=(1, 2, 3)) < 32) < 0.05


def test_photos_without_the_shipped_file_do_not_try_to_download(monkeypatch, tmp_path):
    import skimage.data

    monkeypatch.setattr(skimage.data, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(FileNotFoundError, match="pip install"):
        load("photos32", limit=1)


def test_limit_keeps_the_first_crops_whatever_the_seed_of_a_run():
    whole, few = photos(32), load("photos32", limit=7, seed=1)
    for a, b in zip(sides(whole), sides(few), strict=True):
        np.testing.assert_array_equal(a.images[:7], b.images)
        np.testing.assert_array_equal(a.clusters[:7], b.clusters)
