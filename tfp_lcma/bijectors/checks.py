"""What flows must agree on: shapes of images, types of numbers, conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfp_lcma.validation import of_numbers

if TYPE_CHECKING:
    from tfp_lcma.bijectors.flow_bijector import FlowBijector


def image_shape(shape: Sequence[int], argument: str) -> tuple[int, int, int]:
    """Returns `shape` as three positive ints, or raises a ValueError naming `argument`."""
    try:
        checked = tuple(int(size) for size in shape)
    except TypeError:
        checked = ()
    if len(checked) != 3 or min(checked) < 1:
        raise ValueError(f"{argument} must be (height, width, channels), all >= 1; got {shape!r}.")
    return checked


def image_batch(value, shape: Sequence[int], argument: str, dtype: tf.DType | None) -> tf.Tensor:
    """Returns a batch of images as a tensor, or raises a ValueError naming `argument`.

    Args:
        value: A tensor, an array or a nested list.
        shape: The shape of one image.
        argument: What the value was given as.
        dtype: Type of the tensor, in which numbers of every type are put; None: as they are.
    """
    # An array has a type of its own, and TensorFlow would read numbers from its strings.
    hint = None if isinstance(value, np.ndarray) else dtype
    value = tf.convert_to_tensor(value, dtype_hint=hint)
    if not of_numbers(value.dtype):
        raise ValueError(f"{argument} must hold numbers; got dtype {value.dtype.name}.")
    value = value if dtype is None else tf.cast(value, dtype)
    check_rank(value, 4, argument)
    if not value.shape.is_compatible_with((None, *shape)):
        sides = ", ".join(map(str, shape))
        raise ValueError(f"{argument} must be of shape [batch, {sides}]; got {tuple(value.shape)}.")
    return value


def check_rank(value: tf.Tensor, rank: int | None, argument: str) -> None:
    """Raises a ValueError unless a tensor's rank is known, at least 3 and as it must be.

    Args:
        value: The tensor.
        rank: What its rank must be; None: anything.
        argument: What it was given as.
    """
    got = value.shape.rank
    if got is None:
        raise ValueError(
            f"{argument} must be a tensor of known rank; got one of unknown rank. "
            "tf.ensure_shape(value, (None, height, width, channels)) says what it is."
        )
    if got != rank if rank is not None else got < 3:
        leading = "batch" if rank is not None else "..."
        raise ValueError(
            f"{argument} must be of shape [{leading}, height, width, channels]; got "
            f"{tuple(value.shape)}."
        )


def common_dtype(bijectors: Sequence[FlowBijector]) -> str | None:
    """Returns the one type that `bijectors` compute in, or raises a ValueError."""
    dtypes = {bijector.dtype.name for bijector in bijectors if bijector.dtype is not None}
    if len(dtypes) > 1:
        raise ValueError(f"bijectors must share one dtype; got {sorted(dtypes)}.")
    return dtypes.pop() if dtypes else None


def common_conditions(bijectors: Sequence[FlowBijector]) -> int | tuple[int, ...] | None:
    """Returns what `bijectors` are conditioned on, those that are, or raises a ValueError."""
    conditions = {bijector.conditions for bijector in bijectors} - {None}
    if len(conditions) > 1:
        raise ValueError(f"bijectors must share one condition; got {sorted(map(str, conditions))}.")
    return conditions.pop() if conditions else None


def check_takes_all_numbers(flow: FlowBijector, argument: str) -> None:
    """Raises a ValueError for a flow of bounded data where only the first of all can be one."""
    if not flow.defined_everywhere:
        raise ValueError(
            f"{argument} must take all numbers; {flow.name} takes bounded ones: such a part comes "
            "before all others, FlowChain([part, flow])."
        )


def flow_dtype(dtype) -> tf.DType | None:
    """Returns the type of activations and log-dets, or raises a ValueError."""
    if dtype is None:
        return None
    checked = tf.as_dtype(dtype)
    if checked not in (tf.float32, tf.float64):
        raise ValueError(f"dtype of a flow must be float32 or float64; got {checked.name}.")
    return checked
