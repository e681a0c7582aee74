"""The parts of one batch of data: images, what stands beside them, and how much each counts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.density.rows import in_range, known
from tfp_lcma.validation import as_array, check_condition, check_images, of_numbers, type_name


class Parts(NamedTuple):
    """What a batch consists of, or all data, or the specification of either.

    Attributes:
        images: `[n, height, width, channels]`.
        labels: `[n, ...]`; None if there are none.
        weight: How much each image counts, `[n]` or `[n, 1]`; None: all alike.
    """

    images: Any
    labels: Any = None
    weight: Any = None


class Rows(NamedTuple):
    """Images, and what each of them is conditioned on.

    Attributes:
        images: `[n, height, width, channels]`.
        condition: `[n]` or `[n, k]`; None, of a model without conditions.
    """

    images: np.ndarray
    condition: np.ndarray | None


class Expected(NamedTuple):
    """What a model expects of data, and what the data is called in messages.

    Attributes:
        event_shape: `(height, width, channels)`.
        bins: Number of intensity values.
        conditions: Number of classes, shape of a vector, or None.
        argument: Name of the data.
        labels: Name of the labels.
    """

    event_shape: tuple[int, int, int]
    bins: int
    conditions: int | tuple[int, ...] | None
    argument: str = "x"
    labels: str = "y"

    def rows(self, parts: Parts) -> Rows:
        """Returns images and condition as checked arrays.

        Raises:
            ValueError: If a shape, type or value is not as expected.
        """
        images = check_images(parts.images, self.event_shape, self.bins, self.argument)
        labels = None if self.conditions is None else parts.labels
        return Rows(images, check_condition(labels, self.conditions, len(images), self.labels))

    def sensible(self, parts: Parts) -> Parts:
        """Returns the images that hold intensities and whose condition is one."""
        images = tf.convert_to_tensor(parts.images)
        labels = None if self.conditions is None else tf.convert_to_tensor(parts.labels)
        valid = in_range(images, self.bins) & known(labels, self.conditions)
        chosen = (None if rows is None else rows.numpy()[valid] for rows in (images, labels))
        return Parts(*chosen)


def parts_of(element, expected: Expected, class_weight: Mapping[int, float] | None = None) -> Parts:
    """Returns the parts of data, in every form in which Keras or tfds has it.

    ```none
    images | (images,) | (images, labels) | (images, labels, sample_weight)
    {"image": images, "label": labels}
    ((images, condition), None), of a model with conditions
    ```

    Args:
        element: A batch, all data, or the specification of either.
        expected: What the model expects.
        class_weight: Weight of each class, which needs labels, or None.

    Raises:
        ValueError: If it is none of these, or labels are missing.
    """
    x, labels, weight = keras.utils.unpack_x_y_sample_weight(element)
    conditional = expected.conditions is not None
    if isinstance(x, Mapping):
        if "image" not in x:
            raise ValueError(
                f"{expected.argument} must hold images under the key 'image' and labels under "
                f"'label', where it holds dictionaries; got the keys {sorted(map(str, x))}."
            )
        if "sample_weight" in x:
            raise ValueError(
                "sample_weight must stand beside a dictionary of images and labels, as in "
                "(dictionary, None, sample_weight); got it among the dictionary's keys."
            )
        x, labels = x["image"], x.get("label") if labels is None else labels
    elif isinstance(x, list | tuple):
        if conditional and labels is not None and len(x) == 2:
            raise ValueError(
                f"{expected.argument} must hold what images are conditioned on once, in a pair "
                "(images, condition) or as labels; got both. Weights go with a pair as in "
                "(pair, None, sample_weight)."
            )
        if not conditional or len(x) != 2:
            pair = ", or a pair of images and condition" if conditional else ""
            raise ValueError(
                f"{expected.argument} must be an array of images{pair}, or batches of them; got "
                f"{type(x).__name__} of {len(x)}."
            )
        x, labels = x
    if conditional and labels is None:
        check_condition(None, expected.conditions, 0, expected.labels)
    _check_class_weight(class_weight)
    if class_weight is not None and (labels is None or weight is not None):
        raise ValueError(
            "class_weight must go with labels and without sample_weight; got "
            + ("no labels." if labels is None else "both weights.")
        )
    return Parts(x, labels, weight)


def class_weights(labels, class_weight: Mapping[int, float]) -> np.ndarray:
    """Returns the weight of every label, whole numbers or one-hot; 1 for a class left out."""
    labels = as_array(labels, "y")
    if labels.dtype.kind not in "buif":
        raise ValueError(
            f"y must hold numbers of classes, to go with class_weight; got dtype {labels.dtype}."
        )
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] > 1 else labels[..., 0]
    weights = [class_weight.get(int(label), 1.0) for label in np.round(labels)]
    return np.asarray(weights, np.float32)


def _check_class_weight(class_weight):
    if class_weight is None:
        return
    must = "class_weight must be a dictionary of finite weights by the number of the class"
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"{must}; got {type(class_weight).__name__}.")
    for number, weight in class_weight.items():
        whole = isinstance(number, int | float | np.number) and float(number).is_integer()
        real = isinstance(weight, int | float | np.number) and np.isfinite(weight)
        if not (whole and real):
            raise ValueError(f"{must}; got {{{number!r}: {weight!r}}}.")


def check_weight_type(dtype: np.dtype | tf.DType) -> None:
    """Raises a ValueError if a type holds no weights."""
    if not of_numbers(dtype) and type_name(dtype) != "bool":
        raise ValueError(f"sample_weight must hold finite numbers; got dtype {type_name(dtype)}.")


def check_weight(weight, count: int) -> np.ndarray:
    """Returns the weights of an array's images as float32 `[count]`.

    Raises:
        ValueError: If they are not finite numbers, `[count]` or `[count, 1]`.
    """
    weight = as_array(weight, "sample_weight")
    if weight.shape not in ((count,), (count, 1)):
        raise ValueError(
            f"sample_weight must have shape [{count}] or [{count}, 1]; got {list(weight.shape)}."
        )
    check_weight_type(weight.dtype)
    if not np.isfinite(weight).all():
        raise ValueError("sample_weight must hold finite numbers; got NaN or infinity.")
    return weight.reshape(count).astype(np.float32)


def row_weights(weight, log_prob: tf.Tensor) -> tf.Tensor:
    """Returns weights `[n]` or `[n, 1]` in the shape of `log_prob`, so that none is broadcast.

    Raises:
        ValueError: If they have another shape.
    """
    weight = tf.cast(weight, log_prob.dtype)
    if weight.shape.rank not in (None, 1) and weight.shape[1:] != (1,):
        raise ValueError(f"sample_weight must have shape [n] or [n, 1]; got {list(weight.shape)}.")
    return tf.reshape(weight, tf.shape(log_prob))
