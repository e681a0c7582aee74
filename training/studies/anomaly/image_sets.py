"""Images that a flow was not trained on: other data sets, corrupted ones, very simple ones."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import scipy.ndimage
import tensorflow as tf

from tfp_lcma.training.data import Dataset, load

_OTHERS = ("digits", "photos", "mnist", "fashion_mnist")
_PHOTO_SIZES = (16, 32, 64)


# Arrays have no single truth value, hence no generated ==.
@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """Images to be scored together.

    Attributes:
        name: what they are.
        images: uint8 [n, H, W, C].
        clusters: int [n]; images of one cluster, of one set or of several, are not independent.
    """

    name: str
    images: np.ndarray
    clusters: np.ndarray


def inliers(dataset: Dataset, count: int) -> ImageSet:
    """Returns the first `count` test images of the data set that the flow was trained on."""
    test = dataset.test.first(count)
    clusters = np.arange(len(test)) if test.clusters is None else test.clusters
    return ImageSet("test images", np.asarray(test.images), clusters)


def outliers(dataset: Dataset, count: int, data_dir, seed: int) -> list[ImageSet]:
    """Returns every set that the machine has the images for.

    Args:
        dataset: what the flow was trained on.
        count: most images a set.
        data_dir: folder of prepared data sets.
        seed: of random corruptions.

    Returns:
        Other data sets in the shape and the intensities of this one, then its test images
        corrupted, then images without any content.
    """
    own = inliers(dataset, count)
    random = np.random.default_rng(seed)
    corrupted = [
        ImageSet(name, corrupt(own.images, dataset.bins, random), own.clusters)
        for name, corrupt in CORRUPTIONS.items()
    ]
    grey = np.arange(dataset.bins, dtype=np.uint8)[:, None, None, None]
    contents = {
        "black": np.zeros_like(own.images[:1]),
        "constant, every intensity once": np.tile(grey, (1, *dataset.event_shape)),
        "uniform noise": random.integers(0, dataset.bins, own.images.shape).astype(np.uint8),
    }
    # Below 0, where no cluster of the inliers is.
    empty = [ImageSet(name, x, -1 - np.arange(len(x))) for name, x in contents.items()]
    return [*_other_datasets(dataset, count, data_dir), *corrupted, *empty]


def as_images_of(images: np.ndarray, bins: int, event_shape, target_bins: int) -> np.ndarray:
    """Brings images of one data set into the shape and the intensities of another.

    Grey is repeated over channels, colour made grey; sizes change by averaging areas if they
    shrink, else by bilinear interpolation; black stays black and white white.

    Args:
        images: uint8 [n, h, w, 1 or 3].
        bins: number of their intensities.
        event_shape: (H, W, C) with C 1 or 3.
        target_bins: number of intensities of the result.

    Returns:
        uint8 [n, H, W, C].
    """
    height, width, channels = event_shape
    x = tf.cast(images, tf.float32)
    if x.shape[-1] != channels:
        x = tf.image.rgb_to_grayscale(x) if channels == 1 else tf.image.grayscale_to_rgb(x)
    if x.shape[1:3] != (height, width):
        smaller = height * width < x.shape[1] * x.shape[2]
        x = tf.image.resize(x, (height, width), "area" if smaller else "bilinear")
    return _to_bytes(x.numpy() * ((target_bins - 1) / (bins - 1)), target_bins)


def _other_datasets(dataset: Dataset, count: int, data_dir) -> list[ImageSet]:
    """Returns test images of all other data sets that are there."""
    sets = []
    for name in _OTHERS:
        if name == re.sub(r"\d+$", "", dataset.name):
            continue
        side = max(dataset.event_shape[:2])
        size = next((size for size in _PHOTO_SIZES if size >= side), _PHOTO_SIZES[-1])
        source = f"photos{size}" if name == "photos" else name
        try:
            other = load(source, data_dir=data_dir, limit=count)
        except FileNotFoundError:
            continue  # Not prepared on this machine.
        images = as_images_of(other.test.images, other.bins, dataset.event_shape, dataset.bins)
        clusters = np.arange(len(images)) if other.test.clusters is None else other.test.clusters
        sets.append(ImageSet(source, images, -1 - clusters))
    return sets


def _noisy(strength: float) -> Callable:
    return lambda x, bins, random: _to_bytes(
        x + random.normal(0, strength * (bins - 1), x.shape), bins
    )


def _blurred(pixels: float) -> Callable:
    def blur(x, bins, random):
        sigmas = (0, pixels, pixels, 0)
        return _to_bytes(scipy.ndimage.gaussian_filter(x.astype(float), sigmas), bins)

    return blur


def _contrast(factor: float) -> Callable:
    return lambda x, bins, random: _to_bytes(
        tf.image.adjust_contrast(x.astype(np.float32), factor).numpy(), bins
    )


def _shuffled_pixels(x, bins, random):
    pixels = x.reshape(len(x), -1, x.shape[-1])
    return np.stack([random.permutation(image) for image in pixels]).reshape(x.shape)


def _exchanged_quarters(x, bins, random):
    """Brings every quarter of an image into the corner opposite."""
    return np.roll(x, (x.shape[1] // 2, x.shape[2] // 2), axis=(1, 2))


def _to_bytes(x: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.rint(x), 0, bins - 1).astype(np.uint8)


# What is done to images, called with them, the number of intensities and a random generator.
CORRUPTIONS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "noise, 5% of the range": _noisy(0.05),
    "noise, 10%": _noisy(0.1),
    "noise, 20%": _noisy(0.2),
    "blur, 0.5 pixels": _blurred(0.5),
    "blur, 1 pixel": _blurred(1.0),
    "blur, 2 pixels": _blurred(2.0),
    "contrast × 0.75": _contrast(0.75),
    "contrast × 0.5": _contrast(0.5),
    "contrast × 0.25": _contrast(0.25),
    "inverted": lambda x, bins, random: (bins - 1 - x).astype(np.uint8),
    "turned by 90°": lambda x, bins, random: np.rot90(x, axes=(1, 2)).copy(),
    "quarters exchanged": _exchanged_quarters,
    "pixels shuffled": _shuffled_pixels,
}
