"""Reading images from what `fit` accepts: arrays, datasets, PyDatasets."""

import math

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.validation import check_dataset_spec, check_images


def first_batch(data, batch_size: int, event_shape, bins: int, seed: int) -> np.ndarray:
    """Returns one batch of images to initialise a flow from: of an array, random rows.

    Args:
      data: Array, tensor, `tf.data.Dataset` or `keras.utils.PyDataset`.
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
        images = _images_of(element)
    elif isinstance(data, keras.utils.PyDataset):
        if len(data) == 0:
            raise ValueError("x must hold at least one batch; got an empty PyDataset.")
        images = _images_of(data[0])
    elif _is_array(data):
        images = check_images(data, event_shape, bins, "x")
        images = images[np.random.default_rng(seed).permutation(len(images))[:batch_size]]
    else:
        raise ValueError(
            "x must be an array of images, a tf.data.Dataset of batches or a "
            f"keras.utils.PyDataset; got {type(data).__name__}."
        )
    return check_images(images, event_shape, bins, "x")


def sample_images(data, count: int, seed: int) -> np.ndarray:
    """Returns up to `count` images: of an array random rows by `seed`, else the first."""
    if _is_array(data):
        chosen = np.random.default_rng(seed).permutation(len(data))[:count]
        return np.asarray(data)[np.sort(chosen)]
    elements = data if isinstance(data, tf.data.Dataset) else (data[i] for i in range(len(data)))
    batches, total = [], 0
    for element in elements:
        batches.append(_images_of(element))
        total += len(batches[-1])
        if total >= count:
            break
    return np.concatenate(batches)[:count]


def without_validation(data, split: float | None):
    """Returns the part of `data` that Keras trains on: of an array, `split` holds out the last."""
    if not split or not _is_array(data):
        return data
    return data[: math.floor(len(data) * (1 - split))]


def _is_array(data) -> bool:
    return hasattr(data, "__array__") and hasattr(data, "shape")


def _images_of(element) -> np.ndarray:
    """Returns the images of an element that may carry labels beside them."""
    return np.asarray(element[0] if isinstance(element, tuple | list) else element)
