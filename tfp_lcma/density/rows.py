"""Rows of a batch that make sense, and NaN for those that do not."""

import numpy as np
import tensorflow as tf


def are_intensities(images: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns in the shape of `images` which numbers lie in [0, bins); NaN does not."""
    if images.dtype == tf.uint8 and bins == 256:
        return tf.ones_like(images, tf.bool)
    # Types of eight bits do not hold 256.
    numbers = tf.cast(images, tf.int32) if images.dtype.size == 1 else images
    return (numbers >= 0) & (numbers < bins)


def are_conditions(condition: tf.Tensor, conditions: int | tuple[int, ...]) -> tf.Tensor:
    """Returns in the shape of `condition` which numbers are classes that exist, or are finite."""
    if isinstance(conditions, int):
        return are_intensities(condition, conditions)
    return tf.math.is_finite(condition)


def in_range(images: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns `[n]`, whether all of an image's numbers are intensities; NaN is none."""
    return all_of(are_intensities(images, bins))


def known(condition, conditions: int | tuple[int, ...] | None) -> tf.Tensor | bool:
    """Returns `[n]`, whether a condition is a class that exists or a vector of finite numbers."""
    return True if conditions is None else all_of(are_conditions(condition, conditions))


def all_of(flags: tf.Tensor) -> tf.Tensor:
    """Returns for every row `[n, ...]` whether all of its flags are true, `[n]`."""
    return tf.reduce_all(flags, axis=tuple(range(1, flags.shape.rank)))


def nan_unless(valid: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns `x` with NaN in the rows that are not valid."""
    valid = tf.reshape(valid, (-1, *(1 for _ in x.shape[1:])))
    return tf.where(valid, x, tf.constant(np.nan, x.dtype))
