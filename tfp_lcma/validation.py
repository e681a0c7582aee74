"""Checks of what users hand in: images, what they are conditioned on, counts."""

import operator
import warnings

import numpy as np
import tensorflow as tf


def as_array(values, argument: str) -> np.ndarray:
    """Returns values as an array, or raises a ValueError if their lists are of unequal lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{argument} must be an array; got lists of unequal lengths.") from error


def of_numbers(dtype: np.dtype | tf.DType) -> bool:
    """Says whether values of a type are whole numbers or floats."""
    if isinstance(dtype, tf.DType):
        return dtype.is_integer or dtype.is_floating
    return dtype.kind in "uif"


def type_name(dtype: np.dtype | tf.DType) -> str:
    """Returns what a type is called, for a message."""
    return dtype.name if isinstance(dtype, tf.DType) else str(dtype)


def check_images(images, event_shape: tuple[int, int, int], bins: int, argument: str) -> np.ndarray:
    """Returns `images` as an array of pixel intensities, or says what is wrong with them.

    Args:
        images: uint8 (or another whole-number type), or floats in [0, bins), of
            shape `[n, height, width, channels]`.
        event_shape: `(height, width, channels)` that the model was built for.
        bins: Number of intensity values.
        argument: Name of the argument, for the message.

    Raises:
        ValueError: If rank, shape, type or a value is not as the model expects.
    """
    images = as_array(images, argument)
    if images.ndim != 4 or images.shape[1:] != tuple(event_shape):
        raise ValueError(
            f"{argument} must have shape [n, {', '.join(map(str, event_shape))}]; "
            f"got {list(images.shape)}."
        )
    if images.shape[0] == 0:
        raise ValueError(f"{argument} must hold at least one image; got none.")
    check_image_type(images.dtype, bins, argument)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError(f"{argument} must be finite; got NaN or infinity.")
    if images.dtype == np.uint8 and bins == 256:
        return images
    low, high = images.min(), images.max()
    if low < 0 or high >= bins:
        raise ValueError(
            f"{argument} must {intensity_range(bins)}; got values from {low} to {high}."
        )
    return images


def check_image_type(dtype: np.dtype | tf.DType, bins: int, argument: str) -> None:
    """Raises a ValueError if images of a type cannot hold intensities."""
    if not of_numbers(dtype):
        raise ValueError(
            f"{argument} must be whole numbers or floats, pixel intensities from 0 to {bins - 1}; "
            f"got dtype {type_name(dtype)}."
        )


def intensity_range(bins: int) -> str:
    """Returns where numbers of an image must lie, for a message."""
    return f"lie in [0, {bins}), one of {bins} intensities"


def condition_kind(conditions: int | tuple[int, ...]) -> str:
    """Returns what a condition must be, for a message."""
    if isinstance(conditions, int):
        return f"lie in [0, {conditions}), one of {conditions} classes"
    return f"be a vector of {conditions[0]} finite numbers"


def check_count(value, argument: str, least: int = 1) -> int:
    """Returns a number of things, or raises a ValueError if it is not a whole number >= `least`."""
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if count < least:
        raise ValueError(f"{argument} must be a whole number >= {least}; got {value!r}.")
    return count


def check_whole(value, argument: str) -> int:
    """Returns a whole number, or raises a ValueError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{argument} must be a whole number; got {value!r}.") from None


def check_condition(
    condition, conditions: int | tuple[int, ...] | None, count: int, argument: str
) -> np.ndarray | None:
    """Returns what a model is conditioned on as an array, or says what is wrong with it.

    Args:
        condition: Classes `[count]` or one for all; or vectors `[count, k]` or one
            `[k]` for all; None if the model is unconditional.
        conditions: Number of classes, shape of a vector, or None, of the model.
        count: Number of images.
        argument: Name of the argument, for the message.

    Returns:
        int32 `[count]`, float32 `[count, k]`, or None.

    Raises:
        ValueError: If there is one where there must be none or the other way
            round, or shape, type or a value is not as the model expects.
    """
    if conditions is None:
        if condition is not None:
            raise ValueError(
                f"{argument} must be None: the model was built without conditions; got one."
            )
        return None
    shape: tuple[int, ...]
    dtype: type[np.number]
    if isinstance(conditions, int):
        shape, kinds, dtype = (), "ui", np.int32
        wanted = f"{conditions} classes, whole numbers"
    else:
        shape, kinds, dtype = conditions, "uif", np.float32
        wanted = f"vectors of {conditions[0]} numbers"
    if condition is None:
        raise ValueError(f"{argument} must be given: the model is conditioned on {wanted}.")
    condition = as_array(condition, argument)
    if condition.shape not in (shape, (count, *shape)):
        expected = ", ".join(map(str, (count, *shape)))
        raise ValueError(
            f"{argument} must have shape [{expected}], or {list(shape)} for all images; got "
            f"{list(condition.shape)}."
        )
    if condition.dtype.kind not in kinds:
        raise ValueError(f"{argument} must hold {wanted}; got dtype {condition.dtype}.")
    if isinstance(conditions, int) and (condition.min() < 0 or condition.max() >= conditions):
        raise ValueError(
            f"{argument} must {condition_kind(conditions)}; got values from {condition.min()} to "
            f"{condition.max()}."
        )
    if not np.isfinite(condition).all():
        raise ValueError(f"{argument} must be finite; got NaN or infinity.")
    return np.broadcast_to(condition.astype(dtype), (count, *shape)).copy()


def check_training_images(images: np.ndarray, bins: int, argument: str) -> None:
    """Raises a ValueError if images to learn from look scaled to the unit interval."""
    if images.dtype.kind == "f" and look_scaled(images.max(), bins):
        raise ValueError(
            f"{argument} must be pixel intensities in [0, {bins}), not scaled to [0, 1]; "
            f"got floats from {images.min()} to {images.max()}. Pass the uint8 images."
        )


def warn_if_scaled(bins: int, **images: np.ndarray) -> None:
    """Warns once if images that a model is asked about look scaled to the unit interval.

    To be called once by every entry that takes images; nothing is wrong with them otherwise.

    Args:
        bins: Number of intensity values of the model.
        **images: Arrays by the names of the arguments that they came as.
    """
    found = {name: array for name, array in images.items() if look_scaled(array.max(), bins)}
    if found:
        low, high = min(v.min() for v in found.values()), max(v.max() for v in found.values())
        warn_of_scaled(" and ".join(found), low, high, bins)


def look_scaled(highest: float, bins: int) -> bool:
    """Says whether images up to `highest` look scaled to the unit interval; black ones do not."""
    return bool(0 < highest <= 1) and bins > 2


def warn_of_scaled(argument: str, low: float, high: float, bins: int) -> None:
    """Warns that images look scaled."""
    warnings.warn(scaled_text(argument, low, high, bins), stacklevel=4)


def scaled_text(argument: str, low: float, high: float, bins: int) -> str:
    """Returns that images look scaled: which, the range seen and the range expected."""
    return (
        f"{argument} look scaled: values from {low:.4g} to {high:.4g}, where the model expects "
        f"intensities in [0, {bins}). Multiply by {bins - 1}, or pass the uint8 images."
    )


def check_dataset_spec(spec, event_shape: tuple[int, int, int], bins: int, argument: str) -> None:
    """Raises a ValueError if what a dataset holds cannot be batches of images of this shape."""
    shape = getattr(spec, "shape", None)
    expected = tf.TensorShape([None, *event_shape])
    if shape is None or not expected.is_compatible_with(shape):
        raise ValueError(
            f"{argument} must be a dataset of batches [n, {', '.join(map(str, event_shape))}], or "
            f"of tuples that begin with them; got {spec}. Is .batch() missing?"
        )
    check_image_type(spec.dtype, bins, argument)


def check_condition_spec(
    condition, conditions: int | tuple[int, ...] | None, argument: str
) -> None:
    """Raises a ValueError if a tensor, whatever its values, cannot be the condition of a batch."""
    if conditions is None or condition is None:
        return
    expected = (None,) if isinstance(conditions, int) else (None, *conditions)
    if not tf.TensorShape(expected).is_compatible_with(condition.shape):
        wanted = ", ".join(map(str, ("n", *expected[1:])))
        raise ValueError(f"{argument} must have shape [{wanted}]; got {condition.shape}.")
