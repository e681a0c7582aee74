"""Rows of a batch that make sense, and NaN for those that do not."""

import numpy as np
import tensorflow as tf


def in_range(images: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns `[n]`, whether all of an image's numbers are intensities; NaN is none."""
    if images.dtype == tf.uint8:
        return all_of(tf.cast(images, tf.int32) < bins)
    return all_of((images >= 0) & (images < bins))


def known(condition, conditions: int | tuple[int] | None) -> tf.Tensor | bool:
    """Returns `[n]`, whether a condition is a class that exists or a vector of finite numbers."""
    if conditions is None:
        return True
    if isinstance(conditions, int):
        return (condition >= 0) & (condition < conditions)
    return all_of(tf.math.is_finite(condition))


def all_of(flags: tf.Tensor) -> tf.Tensor:
    """Returns for every row `[n, ...]` whether all of its flags are true, `[n]`."""
    return tf.reduce_all(flags, axis=tuple(range(1, flags.shape.rank)))


def nan_unless(valid: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns `x` with NaN in the rows that are not valid."""
    valid = tf.reshape(valid, (-1, *(1 for _ in x.shape[1:])))
    return tf.where(valid, x, tf.constant(np.nan, x.dtype))
