"""The sides of data sets, and images to put there."""

import numpy as np

SIDES = ("train", "validation", "test")


def sides(dataset):
    return [getattr(dataset, side) for side in SIDES]


def rows(images):
    return {image.tobytes() for image in images}


def noise(n, *shape):
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)
