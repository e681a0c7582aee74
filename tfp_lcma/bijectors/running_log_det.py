"""The log-det on its way through a flow: a share for every dimension, or only their sum."""

from collections.abc import Callable, Sequence

import tensorflow as tf


class EventLogDet:
    """The log-det so far, one share a dimension, standing where the dimension stands.

    Attributes:
      values: In the shape of the value that it goes with, in nats.
    """

    def __init__(self, values: tf.Tensor):
        """Starts from `values`."""
        self.values = values

    def moved(self, move: Callable[[tf.Tensor], tf.Tensor]) -> "EventLogDet":
        """Returns it as carried along by `move`, which keeps the sum."""
        return EventLogDet(move(self.values))

    def plus(self, log_det: tf.Tensor, place=None) -> "EventLogDet":
        """Returns it with a flow's log-det added.

        Args:
          log_det: `[batch, height, width, channels]`, of a part of the event if
            there is a `place`.
          place: Puts the part where it belongs, among zeros.
        """
        return EventLogDet(self.values + (log_det if place is None else place(log_det)))

    def plus_per_channel(self, log_det: tf.Tensor, positions: int) -> "EventLogDet":
        """Returns it with `[channels]` added at each of so many positions."""
        return EventLogDet(self.values + log_det)

    def split(self, split: Callable[[tf.Tensor], Sequence[tf.Tensor]], parts: int) -> list:
        """Returns it in so many parts."""
        return [EventLogDet(values) for values in split(self.values)]

    @staticmethod
    def joined(parts: Sequence["EventLogDet"], join) -> "EventLogDet":
        """Returns the parts as one again."""
        return EventLogDet(join([part.values for part in parts]))


class SummedLogDet:
    """The same, but for the sum alone: nothing has to be moved about for it.

    Attributes:
      values: `[batch]`, in nats.
    """

    def __init__(self, values: tf.Tensor):
        """Starts from `values`."""
        self.values = values

    def moved(self, move) -> "SummedLogDet":
        return self

    def plus(self, log_det: tf.Tensor, place=None) -> "SummedLogDet":
        return SummedLogDet(self.values + tf.reduce_sum(log_det, axis=(1, 2, 3)))

    def plus_per_channel(self, log_det: tf.Tensor, positions: int) -> "SummedLogDet":
        return SummedLogDet(self.values + positions * tf.reduce_sum(log_det))

    def split(self, split, parts: int) -> list:
        zero = tf.zeros_like(self.values)
        return [self, *(SummedLogDet(zero) for _ in range(parts - 1))]

    @staticmethod
    def joined(parts: Sequence["SummedLogDet"], join) -> "SummedLogDet":
        return SummedLogDet(tf.add_n([part.values for part in parts]))


LogDet = EventLogDet | SummedLogDet
