"""What flows must agree on: shapes of images, types of numbers, conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

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


def common_dtype(bijectors: Sequence[FlowBijector]) -> str | None:
    """Returns the one type that `bijectors` compute in, or raises a ValueError."""
    dtypes = {bijector.dtype.name for bijector in bijectors if bijector.dtype is not None}
    if len(dtypes) > 1:
        raise ValueError(f"bijectors must share one dtype; got {sorted(dtypes)}.")
    return dtypes.pop() if dtypes else None


def common_conditions(bijectors: Sequence[FlowBijector]) -> int | tuple[int] | None:
    """Returns what `bijectors` are conditioned on, those that are, or raises a ValueError."""
    conditions = {bijector.conditions for bijector in bijectors} - {None}
    if len(conditions) > 1:
        raise ValueError(f"bijectors must share one condition; got {sorted(map(str, conditions))}.")
    return conditions.pop() if conditions else None


def flow_dtype(dtype) -> tf.DType | None:
    """Returns the type of activations and log-dets, or raises a ValueError."""
    if dtype is None:
        return None
    checked = tf.as_dtype(dtype)
    if checked not in (tf.float32, tf.float64):
        raise ValueError(f"dtype of a flow must be float32 or float64; got {checked.name}.")
    return checked
