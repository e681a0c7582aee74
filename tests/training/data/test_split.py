"""What a data set is: arrays that fit each other."""

import numpy as np
import pytest

from tfp_lcma.training.data import Dataset, Split


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 4, 4, 1)), np.zeros((2, 4, 4), np.uint8), np.zeros((0, 4, 4, 1), np.uint8)],
)
def test_split_refuses_what_are_no_images(images):
    with pytest.raises(ValueError, match="images must be uint8"):
        Split(images)


@pytest.mark.parametrize("name", ["clusters", "labels"])
@pytest.mark.parametrize("numbers", [np.arange(3), np.array([0.0, 1.0])])
def test_split_refuses_clusters_and_labels_that_do_not_fit_the_images(name, numbers):
    with pytest.raises(ValueError, match=rf"{name} must be integers \[2\]"):
        Split(np.zeros((2, 4, 4, 1), np.uint8), **{name: numbers})


def test_dataset_refuses_sides_of_different_shapes():
    small, large = (Split(np.zeros((2, n, n, 1), np.uint8)) for n in (4, 8))
    with pytest.raises(ValueError, match="one shape"):
        Dataset("mixed", small, small, large)
