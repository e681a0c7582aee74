"""Handwritten digits that scikit-learn brings along: small, real, and always there."""

import numpy as np

from tfp_lcma.training.data.sources import Request
from tfp_lcma.training.data.split import Dataset, Split

_VALIDATION, _TEST = 200, 300


def load_digits(request: Request) -> Dataset:
    """Returns 1,797 digits of 8x8x1, intensities 0..16: 1,297 train, 200 validation, 300 test.

    The UCI "Optical Recognition of Handwritten Digits" test set, which scikit-learn ships.

    Returns:
        The data set, `bins=17`; `labels` holds the digit.
    """
    from sklearn.datasets import load_digits as read

    digits = read()
    images = digits.images.astype(np.uint8)[..., np.newaxis]
    # The split is part of the data set. The stream of RandomState is frozen; those of newer
    # generators may change with NumPy, and the split with them.
    order = np.random.RandomState(0).permutation(len(images))
    members = np.split(order, [-(_VALIDATION + _TEST), -_TEST])
    whole = Split(images, labels=digits.target)
    return Dataset(request.name, *(whole.take(rows[: request.limit]) for rows in members), bins=17)
