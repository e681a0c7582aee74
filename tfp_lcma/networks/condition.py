"""What a network is conditioned on beside its input: a class, a vector, or an image."""

from collections.abc import Sequence
from typing import overload

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.serialization import register

Conditions = int | Sequence[int] | None


@overload
def check_conditions(conditions: None, images: bool = False) -> None: ...


@overload
def check_conditions(
    conditions: int | Sequence[int], images: bool = False
) -> int | tuple[int, ...]: ...


def check_conditions(conditions: Conditions, images: bool = False) -> int | tuple[int, ...] | None:
    """Returns what a model is conditioned on in one form.

    Args:
        conditions: Number of classes, or the shape `(k,)` of a vector; None: nothing.
        images: Whether it may be the shape `(height, width, k)` of an image too.

    Returns:
        An int, a tuple of ints, or None.

    Raises:
        ValueError: If it is none of these.
    """
    if conditions is None:
        return None
    try:
        sizes = (int(conditions),) if isinstance(conditions, int) else tuple(map(int, conditions))
    except (TypeError, ValueError):
        sizes = ()
    ranks = (1, 3) if images else (1,)
    if len(sizes) not in ranks or min(sizes) < 1 or isinstance(conditions, bool):
        image = " (height, width, k) of an image," if images else ""
        raise ValueError(
            f"conditions must be a number of classes >= 1, the shape (k,) of a vector,{image} or "
            f"None; got {conditions!r}."
        )
    return sizes[0] if isinstance(conditions, int) else sizes


def check_condition_sides(
    conditions: int | tuple[int, ...] | None, event_shape: Sequence[int]
) -> None:
    """Raises a ValueError if what is conditioned on is an image of other sides than the event's."""
    if not isinstance(conditions, tuple) or len(conditions) != 3:
        return
    if conditions[:2] != tuple(event_shape[:2]):
        raise ValueError(
            "conditions of an image must have the height and width of the event shape "
            f"{tuple(event_shape)}; got {conditions}."
        )


def batch_condition(condition, conditions: int | tuple[int, ...], images: tf.Tensor) -> tf.Tensor:
    """Returns a condition with a row for every image: one may stand for all.

    Args:
        condition: Classes `[batch]` or one, or vectors `[batch, k]` or one, or images.
        conditions: Number of classes, or the shape of a vector or of an image.
        images: `[batch, ...]`.

    Raises:
        ValueError: If it has another shape, or its classes are no whole numbers.
    """
    classes = isinstance(conditions, int)
    shape: tuple[int, ...] = () if isinstance(conditions, int) else conditions
    condition = tf.convert_to_tensor(condition)
    whole, number = condition.dtype.is_integer, condition.dtype.is_floating
    if not whole and (classes or not number):
        what = f"vectors of {shape[0]} numbers" if len(shape) == 1 else "numbers"
        wanted = "classes, whole numbers" if classes else what
        raise ValueError(f"condition must hold {wanted}; got dtype {condition.dtype.name}.")
    if condition.shape.is_compatible_with(shape) and condition.shape.rank is not None:
        return tf.broadcast_to(condition, (tf.shape(images)[0], *shape))
    if not condition.shape.is_compatible_with((images.shape[0], *shape)):
        rows = "n" if images.shape[0] is None else images.shape[0]
        raise ValueError(
            f"condition must have shape [{', '.join(map(str, (rows, *shape)))}], or {list(shape)} "
            f"for all images; got {condition.shape}."
        )
    return condition


@register
class ConditionBias(keras.layers.Layer):
    """One number per channel for a class, or linear in a vector: `[batch, 1, 1, channels]`.

    Linear in the channels of an image at every position, `[batch, height, width, channels]`.
    A class is looked up by a product with its one-hot vector, which has an
    ordinary gradient and compiles everywhere; one out of range gives NaN.
    """

    def __init__(
        self, channels: int, conditions: int | Sequence[int], initializer="zeros", **kwargs
    ):
        """Creates the layer.

        Args:
            channels: How many numbers.
            conditions: Number of classes, or the shape of a vector or of an image.
            initializer: Keras initialiser of the numbers.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.channels, self.conditions = channels, check_conditions(conditions, images=True)
        self.initializer = keras.initializers.get(initializer)
        self.build()

    def build(self, input_shape=None):
        size = self.conditions if isinstance(self.conditions, int) else self.conditions[-1]
        self.kernel = self.add_weight(
            (size, self.channels), initializer=self.initializer, name="kernel"
        )
        self.built = True

    def call(self, condition):
        kernel = tf.convert_to_tensor(self.kernel)
        if isinstance(self.conditions, int):
            number = tf.cast(condition, tf.int32)
            vector = tf.one_hot(number, self.conditions, dtype=kernel.dtype)
            known = (number >= 0) & (number < self.conditions)
            vector = tf.where(known[..., None], vector, tf.constant(np.nan, kernel.dtype))
        else:
            vector = tf.cast(condition, kernel.dtype)
        if vector.shape.rank == 4:
            return tf.tensordot(vector, kernel, 1)
        return (vector @ kernel)[:, None, None]

    def compute_output_shape(self, input_shape):
        sides = (1, 1) if len(input_shape) < 4 else input_shape[1:3]
        return (input_shape[0], *sides, self.channels)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "conditions": self.conditions,
            "initializer": keras.initializers.serialize(self.initializer),
        }
