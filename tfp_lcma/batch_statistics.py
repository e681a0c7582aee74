"""Means over a batch of which every replica of a strategy has a part, and over a start's images."""

from collections.abc import Sequence

import tensorflow as tf

# Images that a start of as many numbers as a matrix has is computed from, where there are so many.
START_IMAGES = 2048


def batch_is_shared() -> bool:
    """Whether other replicas have parts of the batch that is being worked on."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def batch_mean(values: tf.Tensor, axes: Sequence[int], rows: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the mean over some axes of the batch of all replicas, the same on every replica.

    Args:
        values: `[batch, ...]`, this replica's part.
        axes: Axes to average over, the first among them.
        rows: How many rows count, the first ones; None: all. Of use with several replicas alone.
    """
    if not batch_is_shared():
        return tf.reduce_mean(values, axes)
    total, count = _sum_and_count(values, axes, rows)
    replica = tf.distribute.get_replica_context()
    total, count = replica.all_reduce(tf.distribute.ReduceOp.SUM, [total, count])
    return total / count


def batch_moments(x: tf.Tensor, rows: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns every channel's mean and variance over the batch of all replicas and positions.

    Args:
        x: `[batch, height, width, channels]`, this replica's part.
        rows: As of `batch_mean`.
    """
    mean = batch_mean(x, (0, 1, 2), rows)
    squares = tf.math.squared_difference(x, tf.stop_gradient(mean))
    return mean, batch_mean(squares, (0, 1, 2), rows)


def share_of_mean(values: tf.Tensor, rows: tf.Tensor | None = None) -> tf.Tensor:
    """Returns a number whose mean over replicas is the mean of all values of their batch.

    Args:
        values: `[batch, ...]`, this replica's part.
        rows: As of `batch_mean`.
    """
    if not batch_is_shared():
        return tf.reduce_mean(values)
    total, count = _sum_and_count(values, tuple(range(values.shape.rank)), rows)
    replica = tf.distribute.get_replica_context()
    return total / replica.all_reduce(tf.distribute.ReduceOp.MEAN, count)


def _sum_and_count(values, axes, rows):
    """Returns a sum over the rows that count, and how many values are in it."""
    size = tf.cast(tf.size(values), values.dtype)
    if rows is not None:
        counts = tf.range(tf.shape(values)[0]) < rows
        values = tf.where(tf.reshape(counts, (-1, *[1] * (values.shape.rank - 1))), values, 0)
        size *= tf.reduce_mean(tf.cast(counts, values.dtype))
    total = tf.reduce_sum(values, axes)
    return total, size / tf.cast(tf.size(total), values.dtype)
