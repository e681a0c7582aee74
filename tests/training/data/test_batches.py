"""Batches are a function of (seed, step): what a resumed run relies on."""

import numpy as np
import pytest

from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.runs.workers import parts

IMAGES = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


def read(**settings):
    defaults = {"batch_size": 4, "seed": 1, "start": 0, "stop": 10}
    return np.stack([batch.numpy() for batch in batches(IMAGES, **(defaults | settings))])


def test_a_run_started_in_the_middle_sees_the_batches_of_an_undisturbed_one():
    np.testing.assert_array_equal(read(start=7), read()[7:])


def test_every_image_is_seen_once_before_any_is_seen_again():
    seen = read()[..., 0, 0, 0].ravel()
    for epoch in range(4):
        assert sorted(seen[epoch * 10 : epoch * 10 + 10]) == list(range(10))


def test_epochs_and_seeds_have_orders_of_their_own():
    seen = read()[..., 0, 0, 0].ravel()
    assert not np.array_equal(seen[:10], seen[10:20])
    assert not np.array_equal(seen, read(seed=2)[..., 0, 0, 0].ravel())


def test_a_batch_may_be_larger_than_the_data():
    assert read(batch_size=25, stop=1).shape == (1, 25, 2, 2, 1)


def test_flips_turn_about_half_of_the_images_and_repeat_by_step():
    images = np.zeros((64, 2, 2, 1), np.uint8)
    images[:, :, 0] = 1
    (batch,) = batches(images, batch_size=64, seed=0, start=3, stop=4, flip=True)
    (again,) = batches(images, batch_size=64, seed=0, start=3, stop=4, flip=True)
    np.testing.assert_array_equal(batch, again)
    flipped = batch.numpy()[:, 0, 1, 0].mean()
    assert 0.25 < flipped < 0.75
    assert images[:, :, 0].all(), "flipping a batch must not touch the data"


@pytest.mark.parametrize("flip", [False, True])
def test_pixels_are_never_changed_but_by_the_flip(flip):
    (batch,) = batches(IMAGES, batch_size=10, seed=0, start=0, stop=1, flip=flip)
    assert sorted(batch.numpy()[:, 0, 0, 0]) == list(range(10))


def test_labels_go_with_their_images():
    labels = np.arange(10, dtype=np.int64) + 100
    for images, classes in batches(IMAGES, batch_size=4, seed=1, start=0, stop=5, labels=labels):
        assert classes.dtype == "int32"
        np.testing.assert_array_equal(images[:, 0, 0, 0] + 100, classes)


def test_parts_of_batches_are_those_rows_and_no_others_are_read():
    class Watched(np.ndarray):
        def __getitem__(self, rows):
            read.extend(rows)
            return np.asarray(super().__getitem__(rows))

    read = []
    given = {
        "batch_size": 5,
        "seed": 1,
        "start": 1,
        "stop": 3,
        "flip": True,
        "labels": np.arange(10),
    }
    whole = list(batches(IMAGES, **given))
    wanted = [slice(3, 5), slice(1, 2)]
    found = list(batches(IMAGES.view(Watched), parts=wanted, **given))
    assert len(read) == 2 * 3
    expected = [(images[part], classes[part]) for images, classes in whole for part in wanted]
    for mine, theirs in zip(found, expected, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("size", "replicas"), [(9, 4), (8, 4), (3, 4), (64, 1)])
def test_a_batch_is_divided_as_equally_as_may_be(size, replicas):
    found = parts(size, replicas, range(replicas))
    assert [row for part in found for row in range(size)[part]] == list(range(size))
    sizes = [len(range(size)[part]) for part in found]
    assert max(sizes) - min(sizes) <= 1
