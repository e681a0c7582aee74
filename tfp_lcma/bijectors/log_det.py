"""The log-det on its way through a flow: a share for every dimension, their sum, or moves alone."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

# What a flow adds: a tensor, or a function that computes it where it is wanted.
Added: TypeAlias = "tf.Tensor | Callable[[], tf.Tensor]"
Move = Callable[[tf.Tensor], tf.Tensor]


class EventLogDet:
    """The log-det so far, one share a dimension, at the dimension's place.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    log_det = lcma.bijectors.EventLogDet(tf.zeros((1, 2, 2, 1)))
    log_det = log_det.plus(tf.ones((1, 2, 2, 1))).moved(lambda t: tf.reverse(t, [1]))
    float(tf.reduce_sum(log_det.values))  # 4.0
    ```

    Attributes:
        values: In the shape of the value that it goes with, in nats.
    """

    def __init__(self, values: tf.Tensor):
        """Starts from `values`."""
        self.values = values

    def zeros_like(self, value: tf.Tensor) -> "EventLogDet":
        """Returns an empty one of the same kind, for a value `[batch, height, width, channels]`."""
        return type(self)(tf.zeros_like(value, self.values.dtype))

    def moved(self, move: Move) -> "EventLogDet":
        """Returns it as carried along by `move`, which keeps the sum."""
        return type(self)(move(self.values))

    def plus(self, log_det: Added, place: Move | None = None) -> "EventLogDet":
        """Returns it with a flow's log-det added.

        Args:
            log_det: `[batch, height, width, channels]`, of a part of the event if
                there is a `place`; or a function that returns it.
            place: Puts the part where it belongs, among zeros.
        """
        added = _value(log_det)
        return type(self)(self.values + (added if place is None else place(added)))

    def plus_per_channel(self, log_det: Added, positions: int) -> "EventLogDet":
        """Returns it with `[channels]` added at each of so many positions."""
        return type(self)(self.values + _value(log_det))

    def split(self, split: Callable[[tf.Tensor], Sequence[tf.Tensor]], parts: int) -> list:
        """Returns it in so many parts."""
        return [type(self)(values) for values in split(self.values)]

    @classmethod
    def joined(cls, parts: Sequence["EventLogDet"], join: Callable) -> "EventLogDet":
        """Returns the parts as one again."""
        return cls(join([part.values for part in parts]))


class Moved(EventLogDet):
    """Any tensor of the event's shape that only moves with the dimensions: nothing is added.

    No log-det is computed for it.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    # Where the pixels of an image come to in the latent.
    squeeze = lcma.bijectors.Squeeze((2, 2, 1))
    pixels = tf.reshape(tf.range(4.0), (1, 2, 2, 1))
    _, moved = squeeze.carry_inverse(
        pixels, lcma.bijectors.Moved(pixels), lcma.bijectors.Context()
    )
    moved.values.numpy().ravel().tolist()  # [0.0, 1.0, 2.0, 3.0]
    ```
    """

    def plus(self, log_det, place=None) -> "Moved":
        return self

    def plus_per_channel(self, log_det, positions) -> "Moved":
        return self


class NoLogDet(Moved):
    """Where no log-det is wanted: nothing is moved or added.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    squeeze = lcma.bijectors.Squeeze((2, 2, 1))
    x = tf.ones((1, 2, 2, 1))
    z, _ = squeeze.carry_inverse(x, lcma.bijectors.NoLogDet(), lcma.bijectors.Context())
    ```
    """

    def __init__(self, values: None = None):
        """Holds nothing.

        Args:
            values: None.
        """
        super().__init__(values)

    def moved(self, move) -> "NoLogDet":
        return self

    def split(self, split, parts) -> list:
        return [self] * parts

    @classmethod
    def joined(cls, parts, join) -> "NoLogDet":
        return cls()


class SummedLogDet:
    """The log-det's sum alone: nothing is moved for it.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    log_det = lcma.bijectors.SummedLogDet(tf.zeros(1))
    log_det = log_det.plus(tf.ones((1, 2, 2, 1))).moved(lambda t: tf.reverse(t, [1]))
    log_det.values.numpy().tolist()  # [4.0]
    ```

    Attributes:
        values: `[batch]`, in nats.
    """

    def __init__(self, values: tf.Tensor):
        """Starts from `values`."""
        self.values = values

    def zeros_like(self, value: tf.Tensor) -> "SummedLogDet":
        return SummedLogDet(tf.zeros_like(value[:, 0, 0, 0], self.values.dtype))

    def moved(self, move: Move) -> "SummedLogDet":
        return self

    def plus(self, log_det: Added, place: Move | None = None) -> "SummedLogDet":
        return SummedLogDet(self.values + tf.reduce_sum(_value(log_det), axis=(1, 2, 3)))

    def plus_per_channel(self, log_det: Added, positions: int) -> "SummedLogDet":
        return SummedLogDet(self.values + positions * tf.reduce_sum(_value(log_det)))

    def split(self, split: Callable, parts: int) -> list:
        zero = tf.zeros_like(self.values)
        return [self, *(SummedLogDet(zero) for _ in range(parts - 1))]

    @classmethod
    def joined(cls, parts: Sequence["SummedLogDet"], join: Callable) -> "SummedLogDet":
        return SummedLogDet(tf.add_n([part.values for part in parts]))


LogDet = EventLogDet | SummedLogDet


def _value(log_det: Added) -> tf.Tensor:
    return log_det() if callable(log_det) else log_det
