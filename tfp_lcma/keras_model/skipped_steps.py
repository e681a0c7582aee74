"""Training steps that are undone, where a graph cannot raise."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class SkippedSteps:
    """Undoes what a step did to variables if its batch made no sense, and counts such steps."""

    def __init__(self):
        """Starts at 0; under a strategy, within its scope."""
        # No part of a model's weights, so that files and exports hold nothing of it.
        self._count = keras.Variable(
            0, dtype="int64", trainable=False, aggregation="only_first_replica"
        )

    @property
    def count(self) -> int:
        """How many steps were undone."""
        return int(self._count.numpy())

    @property
    def logged(self) -> tf.Tensor:
        """The count as a number in logs."""
        return tf.cast(self._count.value, tf.float32)

    @contextlib.contextmanager
    def unless(self, sound: tf.Tensor, variables: Sequence[keras.Variable]) -> Iterator[None]:
        """Undoes what is done within to `variables` unless the batch is sound.

        Args:
            sound: A boolean: of this replica; the step is undone on all if one has false.
            variables: All that the step may change.
        """
        replica = tf.distribute.get_replica_context()
        bad = replica.all_reduce(tf.distribute.ReduceOp.SUM, 1 - tf.cast(sound, tf.int32))
        before = [tf.identity(variable.value) for variable in variables]
        yield
        # XLA makes a selection at the end of each update of it; the old values are not kept twice.
        for variable, value in zip(variables, before, strict=True):
            variable.assign(tf.where(bad == 0, variable.value, value))
        self._count.assign_add(tf.cast(bad > 0, tf.int64))
