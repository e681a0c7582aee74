"""Reading images, and labels beside them, from what `fit` accepts: arrays, datasets, PyDatasets."""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.validation import check_dataset_spec, check_images


class Rows(NamedTuple):
    """Images, and what stands beside each of them.

    Attributes:
        images: `[n, height, width, channels]`.
        labels: `[n, ...]`; None: nothing does.
    """

    images: np.ndarray
    labels: np.ndarray | None


def first_batch(
    data, labels, batch_size: int, event_shape: tuple[int, int, int], bins: int, seed: int
) -> Rows:
    """Returns one batch of images to initialise a flow from: of arrays, random rows.

    Args:
        data: Array, tensor, `tf.data.Dataset` or `keras.utils.PyDataset`.
        labels: What stands beside the images of an array, or None.
        batch_size: Number of rows to take of an array.
        event_shape: `(height, width, channels)` that the model was built for.
        bins: Number of intensity values.
        seed: Which rows.

    Raises:
        ValueError: If `data` is none of these, is empty or does not hold such images.
    """
    if isinstance(data, tf.data.Dataset):
        check_dataset_spec(data, event_shape, "x")
        element = next(iter(data), None)
        if element is None:
            raise ValueError("x must hold at least one batch; got an empty dataset.")
        rows = _rows_of(element)
    elif isinstance(data, keras.utils.PyDataset):
        if len(data) == 0:
            raise ValueError("x must hold at least one batch; got an empty PyDataset.")
        rows = _rows_of(data[0])
    elif _is_array(data):
        images = check_images(data, event_shape, bins, "x")
        chosen = np.random.default_rng(seed).permutation(len(images))[:batch_size]
        rows = Rows(images[chosen], None if labels is None else np.asarray(labels)[chosen])
    else:
        raise ValueError(
            "x must be an array of images, a tf.data.Dataset of batches or a "
            f"keras.utils.PyDataset; got {type(data).__name__}."
        )
    return Rows(check_images(rows.images, event_shape, bins, "x"), rows.labels)


def sample_rows(data, labels, count: int, seed: int) -> Rows:
    """Returns up to `count` images: of arrays random rows by `seed`, else the first."""
    if _is_array(data):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:count])
        images = np.asarray(data)[chosen]
        return Rows(images, None if labels is None else np.asarray(labels)[chosen])
    elements = data if isinstance(data, tf.data.Dataset) else (data[i] for i in range(len(data)))
    batches, total = [], 0
    for element in elements:
        batches.append(_rows_of(element))
        total += len(batches[-1].images)
        if total >= count:
            break
    images, labels = zip(*batches, strict=True)
    together = None if labels[0] is None else np.concatenate(labels)[:count]
    return Rows(np.concatenate(images)[:count], together)


def without_validation(data, split: float | None):
    """Returns the part of `data` that Keras trains on: of an array, `split` holds out the last."""
    if not split or data is None or not _is_array(data):
        return data
    return data[: math.floor(len(data) * (1 - split))]


def _is_array(data) -> bool:
    return hasattr(data, "__array__") and hasattr(data, "shape")


def _rows_of(element) -> Rows:
    """Returns the images of an element, and the labels that it may carry beside them."""
    if not isinstance(element, tuple | list):
        return Rows(np.asarray(element), None)
    labels = element[1] if len(element) > 1 else None
    return Rows(np.asarray(element[0]), None if labels is None else np.asarray(labels))
