"""Batches of images from `tf.data`, also already dealt out, a `PyDataset` or a generator."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.keras_model.elements import (
    Expected,
    Parts,
    Rows,
    check_weight_type,
    class_weights,
    parts_of,
)
from tfp_lcma.validation import check_dataset_spec, check_image_type

# Images of a generator that are kept for those who ask for them once they have passed.
_KEPT = 4096


class BatchSource:
    """Data that comes in batches, in one form.

    A subclass says what Keras is given (`batches`) and what can be looked at beside it
    (`elements`).
    """

    def __init__(self, data, expected: Expected, class_weight: Mapping[int, float] | None = None):
        """Wraps the data.

        Args:
            data: The batches.
            expected: What the model expects.
            class_weight: Weight of each class; None: all count alike.
        """
        self._data, self._expected, self._class_weight = data, expected, class_weight

    @property
    def batches(self):
        """The data as Keras takes it, in batches `(images, [condition, [weight]])`."""
        raise NotImplementedError(f"{type(self).__name__} lacks batches.")

    @property
    def elements(self) -> Iterable:
        """Batches as they came, from the first on."""
        return self._data

    @property
    def for_keras(self) -> tuple:
        """The arguments `x`, `y` and `sample_weight` of Keras."""
        return self.batches, None, None

    def trained_on(self, validation_split: float | None) -> "BatchSource":
        """Returns all of it: Keras splits nothing but arrays."""
        return self

    def first_batch(self, count: int, seed: int) -> Rows:
        """Returns the first batch, checked.

        Raises:
            ValueError: If there is none, or it is not what the model expects.
        """
        element = next(iter(self.elements), None)
        if element is None:
            raise ValueError(f"{self._expected.argument} must hold at least one batch; got none.")
        return self._rows(element)

    def first_batches(self, count: int, size: int, seed: int) -> Rows:
        """Returns the images of the first `count` batches, of any size, that make sense."""
        return self._joined(itertools.islice(self.elements, count))

    def sample(self, count: int, seed: int) -> Rows:
        """Returns the first `count` images that make sense, or as many as there are."""
        images, condition = self._joined(self.elements, count)
        return Rows(images[:count], None if condition is None else condition[:count])

    def _joined(self, elements: Iterable, count: float = math.inf) -> Rows:
        """Returns the images of batches that make sense, until there are `count` of them."""
        found, total = [], 0
        for element in elements:
            # Training leaves others out where it cannot raise.
            parts = self._expected.sensible(self._parts(element))
            if len(parts.images) == 0:
                continue
            found.append(self._expected.rows(parts))
            total += len(parts.images)
            if total >= count:
                break
        images, conditions = zip(*found, strict=True)
        unconditional = self._expected.conditions is None
        return Rows(np.concatenate(images), None if unconditional else np.concatenate(conditions))

    def _rows(self, element):
        return self._expected.rows(self._parts(element))

    def _parts(self, element):
        return parts_of(element, self._expected, self._class_weight)

    def _standard(self, element):
        images, labels, weight = self._parts(element)
        if self._class_weight is not None:
            weight = self._class_weights(labels)
        if self._expected.conditions is None:
            labels = weight  # Keras drops weights without labels; these are not read.
        return tuple(part for part in (images, labels, weight) if part is not None)

    def _class_weights(self, labels):
        return class_weights(labels, self._class_weight or {})


class DatasetSource(BatchSource):
    """A `tf.data.Dataset`, of whose images TensorFlow need not know the shape."""

    def __init__(self, data: tf.data.Dataset, expected: Expected, class_weight=None):
        """Wraps a dataset.

        Raises:
            ValueError: If its elements cannot be what the model expects.
        """
        super().__init__(data, expected, class_weight)
        images, _, weight = self._parts(data.element_spec)
        check_dataset_spec(images, expected.event_shape, expected.bins, expected.argument)
        if weight is not None:
            check_weight_type(weight.dtype)

    @property
    def batches(self):
        shape = (None, *self._expected.event_shape)

        @tf.autograph.experimental.do_not_convert
        def standard(*element):
            images, *others = self._standard(element)
            return tf.ensure_shape(images, shape), *others

        return self._data.map(standard)

    def _class_weights(self, labels):
        weights = tf.numpy_function(super()._class_weights, [labels], tf.float32, stateful=False)
        return tf.ensure_shape(weights, (None,))


class DistributedSource(BatchSource):
    """A dataset that a strategy has dealt out: this process sees the rows of its own replicas."""

    def __init__(
        self, data: tf.distribute.DistributedDataset, expected: Expected, class_weight=None
    ):
        """Wraps such a dataset, whose elements Keras must take as they are.

        Raises:
            ValueError: If they are more than images, and the condition of a model that has one.
        """
        super().__init__(data, expected, class_weight)
        spec, wanted, parts = data.element_spec, "images", 1
        if expected.conditions is not None:
            wanted, parts = "(images, condition)", 2
        if class_weight is not None or _count(spec) != parts:
            raise ValueError(
                f"{expected.argument}, distributed already, must hold batches of {wanted}, and no "
                f"class_weight can go with it; got {spec}."
            )

    @property
    def batches(self):
        return self._data

    @property
    def elements(self):
        for element in self._data:
            yield tf.nest.map_structure(_own, element)


def _count(element):
    return len(element) if isinstance(element, list | tuple) else 1


def _own(value):
    """The rows of all replicas of this process."""
    return tf.concat(getattr(value, "values", (value,)), axis=0)


class _MadeInPython(BatchSource):
    """Batches of which TensorFlow takes the types of the first for all, and casts the others."""

    def __init__(self, data, expected: Expected, class_weight=None):
        super().__init__(data, expected, class_weight)
        self._dtypes: dict[str, np.dtype] = {}

    def _parts(self, element):
        images, labels, weight = super()._parts(element)
        images = self._as_first(images, self._expected.argument)
        check_image_type(np.asarray(images).dtype, self._expected.bins, self._expected.argument)
        if weight is not None:
            check_weight_type(np.asarray(weight).dtype)
        if self._expected.conditions is not None:
            labels = self._as_first(labels, self._expected.labels)
        return Parts(images, labels, weight)

    def _as_first(self, values, argument):
        """Returns values, if they survive being cast to the first batch's type."""
        array = np.asarray(values)
        dtype = self._dtypes.setdefault(argument, array.dtype)
        if array.dtype != dtype and not (array.dtype.kind == dtype.kind == "f"):
            with np.errstate(invalid="ignore"):
                kept = np.array_equal(array.astype(dtype), array)
            if not kept:
                raise ValueError(
                    f"{argument} must be of one type in all batches; got {dtype}, then "
                    f"{array.dtype} of values that {dtype} does not hold."
                )
        return values


class PyDatasetSource(_MadeInPython):
    """A `keras.utils.PyDataset`, with an end or without."""

    @property
    def batches(self):
        return _Standard(self._data, self._standard)


class _Standard(keras.utils.PyDataset):
    """A PyDataset whose batches are brought into one form, wherever it makes them."""

    def __init__(self, data, standard):
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data, self._standard = data, standard

    @property
    def num_batches(self):
        return self._data.num_batches

    def __getitem__(self, index):
        return self._standard(self._data[index])

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()


class GeneratorSource(_MadeInPython):
    """A generator, which passes once: some of its images are kept once the first is looked at."""

    def __init__(self, data: Iterator, expected: Expected, class_weight=None):
        """Wraps a generator."""
        super().__init__(data, expected, class_weight)
        self._kept: list[Parts] = []
        self._count, self._trained = 0, False

    @property
    def batches(self):
        return self._passing()

    @property
    def elements(self):
        yield from self._kept
        # Once training takes batches, it must get the next ones.
        while not self._trained and (element := next(self._data, None)) is not None:
            self._keep(element)
            yield self._kept[-1]

    def _passing(self):
        self._trained = True
        for element in list(self._kept):
            yield self._standard(element)
        for element in self._data:
            if self._kept and self._count < _KEPT:
                self._keep(element)
            yield self._standard(element)

    def _keep(self, element):
        # Copies: a generator may fill the same array again.
        parts = Parts(*(None if p is None else np.array(p) for p in self._parts(element)))
        self._kept.append(parts)
        self._count += len(parts.images)
