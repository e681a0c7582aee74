"""What `fit`, `evaluate` and `predict` accept, in one form: arrays, or batches from anywhere."""

import math
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.keras_model.batch_sources import (
    BatchSource,
    DatasetSource,
    DistributedSource,
    GeneratorSource,
    PyDatasetSource,
)
from tfp_lcma.keras_model.elements import (
    Expected,
    Parts,
    Rows,
    check_weight,
    class_weights,
    parts_of,
)

_KINDS: dict[type, type[BatchSource]] = {
    tf.data.Dataset: DatasetSource,
    tf.distribute.DistributedDataset: DistributedSource,
    keras.utils.PyDataset: PyDatasetSource,
    Iterator: GeneratorSource,
}


class ArraySource:
    """Arrays of images, and what stands beside them, checked.

    Attributes:
        rows: Images and condition.
        weight: How much each image counts, `[n]`, or None.
    """

    def __init__(self, rows: Rows, weight: np.ndarray | None):
        """Holds arrays of equal length."""
        self.rows, self.weight = rows, weight

    @classmethod
    def of(
        cls, parts: Parts, expected: Expected, class_weight: Mapping[int, float] | None = None
    ) -> "ArraySource":
        """Checks arrays.

        Raises:
            ValueError: If a shape, type or value is not what the model expects.
        """
        rows = expected.rows(parts)
        count, labels, weight = len(rows.images), parts.labels, parts.weight
        if expected.conditions is None and labels is not None and len(labels) != count:
            raise ValueError(
                f"{expected.labels} must hold a label for each of {count} images; got "
                f"{len(labels)}."
            )
        if class_weight is not None:
            weight = class_weights(labels, class_weight)
        return cls(rows, None if weight is None else check_weight(weight, count))

    @property
    def for_keras(self) -> tuple:
        """The arguments `x`, `y` and `sample_weight` of Keras."""
        images, condition = self.rows
        # Keras drops weights without labels; these are not read.
        return images, self.weight if condition is None else condition, self.weight

    def trained_on(self, validation_split: float | None) -> "ArraySource":
        """Returns what Keras trains on: the split holds out the last rows."""
        if not validation_split:
            return self
        kept = math.floor(len(self.rows.images) * (1 - validation_split))
        return ArraySource(self._chosen(slice(kept)), None)

    def first_batch(self, count: int, seed: int) -> Rows:
        """Returns `count` random rows."""
        return self._chosen(self._order(seed)[:count])

    def first_batches(self, count: int, size: int, seed: int) -> Rows:
        """Returns so many batches of random rows, if there are as many, the first one first."""
        return self.first_batch(count * size, seed)

    def sample(self, count: int, seed: int) -> Rows:
        """Returns up to `count` random rows, as they follow each other."""
        return self._chosen(np.sort(self._order(seed)[:count]))

    def _order(self, seed):
        return np.random.default_rng(seed).permutation(len(self.rows.images))

    def _chosen(self, rows):
        images, condition = self.rows
        return Rows(images[rows], None if condition is None else condition[rows])


def image_source(
    given: Parts, expected: Expected, class_weight: Mapping[int, float] | None = None
) -> ArraySource | BatchSource:
    """Returns data in one form.

    Args:
        given: The arguments `x`, `y` and `sample_weight` of Keras. `x` is an array of images, a
            dictionary of arrays or, of a model with conditions, a pair of them; or a
            `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator of batches.
        expected: What the model expects.
        class_weight: Weight of each class, by its number; None: all count alike.

    Raises:
        ValueError: If the data is none of these, or not what is expected.
    """
    x, y, sample_weight = given
    for kind, source in _KINDS.items():
        if isinstance(x, kind):
            beside = {expected.labels: y, "sample_weight": sample_weight}
            for name in (name for name, value in beside.items() if value is not None):
                raise ValueError(
                    f"{name} must come in the batches of {expected.argument}, a "
                    f"{type(x).__name__}; got it beside them."
                )
            return source(x, expected, class_weight)
    parts = parts_of(tuple(given), expected, class_weight)
    if not hasattr(parts.images, "__array__"):
        raise ValueError(
            f"{expected.argument} must be an array of images, a tf.data.Dataset, a "
            "keras.utils.PyDataset or a generator of batches of them; got "
            f"{type(parts.images).__name__}."
        )
    return ArraySource.of(parts, expected, class_weight)
