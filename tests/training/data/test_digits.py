"""Handwritten digits: every image once, with its label."""

import numpy as np

from tests.training.data.sides import sides
from tfp_lcma.training.data import load


def test_digits_hold_every_image_once_with_17_intensities():
    from sklearn.datasets import load_digits

    dataset = load("digits")
    assert [len(side) for side in sides(dataset)] == [1297, 200, 300]
    assert dataset.bins == 17 and dataset.event_shape == (8, 8, 1)
    together = np.concatenate([side.images for side in sides(dataset)])
    assert (together.min(), together.max()) == (0, 16)
    # Sorted rows compare multisets: the few digits that occur twice count twice.
    original = load_digits().images.astype(np.uint8)
    assert sorted(map(bytes, together[..., 0])) == sorted(map(bytes, original))


def test_digits_keep_the_label_of_their_image():
    from sklearn.neighbors import KNeighborsClassifier

    train, validation, test = sides(load("digits"))
    nearest = KNeighborsClassifier(1).fit(train.images.reshape(len(train), -1), train.labels)
    for side in (validation, test):
        assert nearest.score(side.images.reshape(len(side), -1), side.labels) > 0.95


def test_split_does_not_depend_on_the_seed_of_a_run():
    one, other = (load("digits", seed=seed) for seed in (0, 1))
    for a, b in zip(sides(one), sides(other), strict=True):
        np.testing.assert_array_equal(a.images, b.images)
