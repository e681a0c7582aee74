"""What the replicas of a strategy, in one process or in several, know of each other."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_is_shared


class Share(NamedTuple):
    """Which rows of the batch of all replicas are this one's.

    Attributes:
        first: The first of them, int32.
        total: How many all replicas have, int32.
    """

    first: tf.Tensor
    total: tf.Tensor


def own_share(rows: tf.Tensor) -> Share:
    """Returns which share of a batch this replica has.

    Args:
        rows: How many rows it has.
    """
    if not batch_is_shared():
        return Share(tf.zeros((), tf.int32), rows)
    context = tf.distribute.get_replica_context()
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    # A sum, since it has a shape that XLA knows, and numbers that accelerators add.
    mine = tf.one_hot(replica, replicas) * tf.cast(rows, tf.float32)
    counts = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)
    turns = tf.constant(turns_of(replicas, len(context.strategy.extended.worker_devices)))
    before = tf.cast(turns < tf.gather(turns, replica), tf.float32)
    first, total = tf.reduce_sum(counts * before), tf.reduce_sum(counts)
    return Share(tf.cast(first, tf.int32), tf.cast(total, tf.int32))


def turns_of(replicas: int, own: int) -> np.ndarray:
    """Returns which part of a batch each replica gets, int32 `[replicas]`.

    TensorFlow divides a batch into as many parts as there are replicas, and deals them out to
    the workers in turn; each hands its own parts to its replicas in order.

    Args:
        replicas: Of all workers together; those of a worker follow each other.
        own: Of each worker.
    """
    worker, place = np.divmod(np.arange(replicas), own)
    return (place * (replicas // own) + worker).astype(np.int32)


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy has replicas in other processes."""
    replicas = strategy.num_replicas_in_sync
    return replicas > 1 and replicas > len(strategy.extended.worker_devices)


def of_chief(strategy: tf.distribute.Strategy, arrays):
    """Returns the chief's arrays on every worker; all must call this in the same order.

    Args:
        strategy: What the workers train under; with one worker, the arrays are returned.
        arrays: A nest of arrays of numbers.

    Raises:
        ValueError: On every worker, if not all have arrays of the same shapes and types.
    """
    if not several_workers(strategy):
        return arrays
    flat = [np.asarray(array) for array in tf.nest.flatten(arrays)]
    kinds = (f"{array.dtype}{array.shape}" for array in flat)
    check_same(strategy, "the shapes of what is measured", kinds)
    return tf.nest.pack_sequence_as(arrays, [_of_chief(strategy, array) for array in flat])


def assign_of_chief(strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]) -> None:
    """Gives variables the chief's values on every worker; counts and orders are alike already."""
    floating = [v for v in variables if tf.as_dtype(v.dtype).is_floating]
    if several_workers(strategy):
        for variable in floating:
            variable.assign(_of_chief(strategy, variable.numpy()))


def share_seed(strategy: tf.distribute.Strategy) -> None:
    """Gives TensorFlow's random numbers the chief's seed on every worker.

    Keras shuffles arrays by it, and every worker takes its part of the same shuffled batches.
    """
    if several_workers(strategy):
        seed, _ = tf.compat.v1.get_seed(None)
        own = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        tf.random.set_seed(int(_of_chief(strategy, np.array(own, np.int64))))


def check_same(strategy: tf.distribute.Strategy, what: str, values: Iterable) -> None:
    """Compares a hash of values over all workers; all must call this in the same order.

    Args:
        strategy: What the workers train under; with one worker, nothing is compared.
        what: What the values are called in the message.
        values: Arrays, numbers or text.

    Raises:
        ValueError: On every worker, if not all have the same values.
    """
    if not several_workers(strategy):
        return
    found = hashlib.sha256()
    for value in values:
        array = np.asarray(value)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    # As a whole number that a float64 holds.
    hashes = _of_all(strategy, int.from_bytes(found.digest()[:6]))
    if len(set(hashes)) > 1:
        got = ", ".join(f"{one:012x} on worker {worker}" for worker, one in enumerate(hashes))
        raise ValueError(
            f"{what} must be the same on all workers; got hashes {got}. Run the same program with "
            "the same files on all of them."
        )


def _of_chief(strategy, array):
    def share(context):
        chief = context.replica_id_in_sync_group == 0
        return tf.convert_to_tensor(array if chief else np.zeros_like(array))

    return _summed(strategy, share)


def _of_all(strategy, number):
    """Returns every worker's whole number."""
    replicas = strategy.num_replicas_in_sync

    def share(context):
        return tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=tf.float64) * number

    # A worker's replicas follow each other.
    own = len(strategy.extended.worker_devices)
    return [int(one) for one in _summed(strategy, share)[::own]]


def _summed(strategy, share):
    shares = strategy.experimental_distribute_values_from_function(share)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None).numpy()
