"""What a network is conditioned on beside its input: a class, or a vector."""

from collections.abc import Sequence
from typing import overload

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.serialization import register

Conditions = int | Sequence[int] | None


@overload
def check_conditions(conditions: None) -> None: ...


@overload
def check_conditions(conditions: int | Sequence[int]) -> int | tuple[int]: ...


def check_conditions(conditions: Conditions) -> int | tuple[int] | None:
    """Returns what a model is conditioned on in one form.

    Args:
        conditions: Number of classes, or the shape `(k,)` of a vector; None: nothing.

    Returns:
        An int, a tuple of one int, or None.

    Raises:
        ValueError: If it is none of these.
    """
    if conditions is None:
        return None
    try:
        sizes = (int(conditions),) if isinstance(conditions, int) else tuple(map(int, conditions))
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != 1 or sizes[0] < 1 or isinstance(conditions, bool):
        raise ValueError(
            "conditions must be a number of classes >= 1, the shape (k,) of a vector, or None; got "
            f"{conditions!r}."
        )
    return sizes[0] if isinstance(conditions, int) else sizes


def batch_condition(condition, conditions: int | tuple[int], images: tf.Tensor) -> tf.Tensor:
    """Returns a condition with a row for every image: one may stand for all.

    Args:
        condition: Classes `[batch]` or one, or vectors `[batch, k]` or one.
        conditions: Number of classes, or the shape `(k,)` of a vector.
        images: `[batch, ...]`.

    Raises:
        ValueError: If it has another shape, or its classes are no whole numbers.
    """
    classes = isinstance(conditions, int)
    shape: tuple[int, ...] = () if isinstance(conditions, int) else conditions
    condition = tf.convert_to_tensor(condition)
    whole, number = condition.dtype.is_integer, condition.dtype.is_floating
    if not whole and (classes or not number):
        wanted = "classes, whole numbers" if classes else f"vectors of {shape[0]} numbers"
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

    A class is looked up by a product with its one-hot vector, which has an
    ordinary gradient and compiles everywhere; one out of range gives NaN.
    """

    def __init__(
        self, channels: int, conditions: int | Sequence[int], initializer="zeros", **kwargs
    ):
        """Creates the layer.

        Args:
            channels: How many numbers.
            conditions: Number of classes, or the shape `(k,)` of a vector.
            initializer: Keras initialiser of the numbers.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.channels, self.conditions = channels, check_conditions(conditions)
        self.initializer = keras.initializers.get(initializer)
        self.build()

    def build(self, input_shape=None):
        size = self.conditions if isinstance(self.conditions, int) else self.conditions[0]
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
        return (vector @ kernel)[:, None, None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, self.channels)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "conditions": self.conditions,
            "initializer": keras.initializers.serialize(self.initializer),
        }
