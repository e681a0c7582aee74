"""Which rows of a batch belong to which replica."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops import distribute

from tfp_lcma.keras_model.replicas import turns_of


def dealt_out(dataset, workers, own):
    """What TensorFlow gives to each replica of several workers in one step."""
    parts = []
    for worker in range(workers):
        size = int(distribute.compute_batch_size(dataset))
        if size == -1:
            whole = distribute._LegacyRebatchDataset(dataset, workers * own)
        else:
            sizes = distribute.batch_sizes_for_worker(size, workers, own, worker)
            whole = dataset.rebatch(sizes)
        shared = distribute._AutoShardDataset(whole, workers, worker, workers * own)
        parts += [part.tolist() for part in shared.take(own).as_numpy_iterator()]
    return parts


def loaded(size):
    """A batch that is made of its number, as those of a run are."""
    rows = tf.data.Dataset.range(1).map(lambda _: tf.range(size))
    return rows.map(lambda row: tf.ensure_shape(row, (size,)))


def of_slices(size):
    return tf.data.Dataset.range(size).batch(size)


def of_unknown_size(size):
    return tf.data.Dataset.range(1).map(
        lambda _: tf.numpy_function(lambda: np.arange(size), [], tf.int64)
    ).map(lambda row: tf.ensure_shape(row, (None,)))  # fmt: skip


@pytest.mark.parametrize("size", [3, 8, 9])
@pytest.mark.parametrize(("workers", "own"), [(1, 3), (2, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("batch", [loaded, of_slices, of_unknown_size])
def test_rows_are_dealt_out_in_these_turns(batch, workers, own, size):
    parts = dealt_out(batch(size), workers, own)
    turns = turns_of(workers * own, own)
    assert sorted(turns) == list(range(workers * own))
    assert [row for turn in np.argsort(turns) for row in parts[turn]] == list(range(size))
