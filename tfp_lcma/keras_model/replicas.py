"""What the replicas of a strategy, in one process or in several, know of each other."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


def first_row(count: tf.Tensor) -> tf.Tensor:
    """Returns which row of the batch of all replicas is the first of this one, int32.

    Args:
        count: How many rows this replica has.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.zeros((), tf.int32)
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    # A sum, since it has a shape that XLA knows, and numbers that accelerators add.
    mine = tf.one_hot(replica, replicas) * tf.cast(count, tf.float32)
    counts = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)
    before = tf.cast(tf.range(replicas) < replica, tf.float32)
    return tf.cast(tf.reduce_sum(counts * before), tf.int32)


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy has replicas in other processes."""
    replicas = strategy.num_replicas_in_sync
    return replicas > 1 and replicas > len(strategy.extended.worker_devices)


def of_chief(strategy: tf.distribute.Strategy, arrays):
    """Returns the chief's arrays on every worker; all must call this in the same order.

    Args:
        strategy: What the workers train under; with one worker, the arrays are returned.
        arrays: A nest of arrays of numbers, of the same shapes and types on all workers.
    """
    if not several_workers(strategy):
        return arrays
    return tf.nest.map_structure(lambda array: _of_chief(strategy, array), arrays)


def assign_of_chief(strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]) -> None:
    """Gives variables the chief's values on every worker; counts and orders are alike already."""
    floating = [v for v in variables if tf.as_dtype(v.dtype).is_floating]
    if several_workers(strategy):
        for variable in floating:
            variable.assign(_of_chief(strategy, variable.numpy()))


def _of_chief(strategy, array):
    def share(context):
        chief = context.replica_id_in_sync_group == 0
        return tf.convert_to_tensor(array if chief else np.zeros_like(array))

    shares = strategy.experimental_distribute_values_from_function(share)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None).numpy()
