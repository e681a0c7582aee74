"""What the random probes of an estimated log-det are drawn by."""

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

_state = threading.local()


class ProbeSeeds(NamedTuple):
    """What the random numbers of a pass are functions of.

    Attributes:
      rows: int32 `[batch, 2]`, or `[1, 2]`: the same probes for every row.
      shared: int32 scalar: of the lengths of the series, which rows share.
    """

    rows: tf.Tensor
    shared: tf.Tensor


@contextlib.contextmanager
def probing(rows: tf.Tensor, shared: tf.Tensor | int = 0) -> Iterator[None]:
    """Within this context, passes outside training draw their probes from these seeds.

    Args:
      rows: int32 `[batch, 2]`, a seed for every row of the batch; `[1, 2]`: one
        for all.
      shared: Whole number, the seed of the series' lengths.
    """
    before = probe_seeds()
    _state.seeds = ProbeSeeds(rows, tf.cast(shared, tf.int32))
    try:
        yield
    finally:
        _state.seeds = before


def probe_seeds() -> ProbeSeeds | None:
    """Returns the seeds of the `probing` context, or None outside of one."""
    return getattr(_state, "seeds", None)


class PassCounter(keras.layers.Layer):
    """Counts the passes of training, of which each draws probes of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.build()

    def build(self, input_shape=None):
        # int64: TensorFlow keeps int32 variables away from accelerators.
        self.passes = self.add_weight(
            (),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="passes",
        )
        self.built = True

    def next_seeds(self, batch: tf.Tensor) -> ProbeSeeds:
        """Returns seeds for every row of the pass that begins, and counts it."""
        step = tf.cast(self.passes.value, tf.int32)
        self.passes.assign_add(1)
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        rows = tf.range(batch) + tf.cast(replica, tf.int32) * 2**20
        # From 1 on: what is fixed outside training goes by step 0.
        rows = tf.stack([rows, tf.fill([batch], step + 1)], axis=1)
        return ProbeSeeds(rows, step + 1)
