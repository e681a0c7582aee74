"""Image data sets as arrays of integer intensities, split into train, validation and test.

    dataset = load_dataset("fashion_mnist", data_dir="~/tensorflow_datasets")
    dataset.train.images  # uint8 [55000, 28, 28, 1]
    dataset.train.labels  # int64 [55000], the class of each

| source | images | from |
|---|---|---|
| `digits` | 8x8x1, 17 intensities | scikit-learn |
| `photos16` | 16x16x3 | photographs inside scikit-image and scikit-learn |
| `photos32`, `photos64` | 32x32x3, 64x64x3 | the same photographs |
| `mnist`, `fashion_mnist` | 28x28x1 | tensorflow_datasets, prepared beforehand |
| `mnist32` | 32x32x1 | the same, surrounded with black |
| `cifar10`, `imagenet32` | 32x32x3 | tensorflow_datasets, prepared beforehand |
| `imagenet64`, `celeba` | 64x64x3 | tensorflow_datasets, prepared beforehand |
| `folder` | `image_size` x `image_size` x 3 | your own image files |
"""

import os

from tfp_lcma.training.data.digits import load_digits
from tfp_lcma.training.data.folder import load_folder
from tfp_lcma.training.data.photos import load_photos
from tfp_lcma.training.data.prepared import PREPARED, load_prepared
from tfp_lcma.training.data.split import Dataset, Split

__all__ = ["SOURCES", "Dataset", "Split", "load_dataset"]

_PHOTO_SIZES = {"photos16": 16, "photos32": 32, "photos64": 64}
SOURCES = ("digits", *_PHOTO_SIZES, *PREPARED, "folder")


def load_dataset(
    source: str,
    *,
    data_dir: str | os.PathLike | None = None,
    images: str | os.PathLike | None = None,
    image_size: int | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Loads a data set by name; nothing is ever downloaded.

    Which image is on which side is part of the data set's definition: two runs with different
    seeds train and test on the same images.

    Args:
        source: one of `SOURCES`.
        data_dir: the `tensorflow_datasets` folder that holds the prepared data set; None stands
            for its default, `~/tensorflow_datasets`. The other sources do not read it.
        images: the folder of image files; `source="folder"` needs it and no other takes it.
        image_size: side of the square images in pixels; `source="folder"` needs it. Elsewhere it
            may be left out, and is refused if it is not the size the data set has.
        seed: which of the possible splits a `folder` gets. Keep it fixed over runs that are to be
            compared; it is not the seed of a run. The other sources have one split.
        limit: keeps at most this many images on each side, for quick tries.

    Returns:
        The data set, uint8 images of shape [n, H, W, C] on each side. Those with classes (digits,
        mnist, fashion_mnist, cifar10) bring the labels too.

    Raises:
        ValueError: an argument is unknown, missing or out of range, or an image is unreadable.
        FileNotFoundError: the data set is not prepared; the message says how to prepare it.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}; got {source!r}")
    _check_positive("image_size", image_size)
    _check_positive("limit", limit)
    if source == "folder":
        if images is None or image_size is None:
            missing = "images" if images is None else "image_size"
            raise ValueError(f"source 'folder' needs {missing}; got None")
        return load_folder(images, image_size, seed=seed, limit=limit)
    if images is not None:
        raise ValueError(f"images is for source 'folder' only; got {images!r} with {source!r}")
    if source == "digits":
        dataset = load_digits(limit)
    elif source in _PHOTO_SIZES:
        dataset = load_photos(source, _PHOTO_SIZES[source], limit)
    else:
        _check_size(source, image_size, PREPARED[source].shape[0])
        dataset = load_prepared(source, data_dir, limit)
    _check_size(source, image_size, dataset.event_shape[0])
    return dataset


def _check_positive(name: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} must be a positive integer or None; got {value!r}")


def _check_size(source: str, image_size: int | None, size: int) -> None:
    if image_size not in (None, size):
        raise ValueError(f"image_size of {source!r} is {size} or None; got {image_size}")
