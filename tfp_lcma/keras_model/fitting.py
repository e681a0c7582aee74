"""Trains, evaluates and predicts as Keras does, on images in any form."""

import inspect
import warnings

import keras

from tfp_lcma.keras_model.checked_steps import CheckedSteps
from tfp_lcma.keras_model.elements import Parts, parts_of
from tfp_lcma.keras_model.image_sources import ArraySource, image_source
from tfp_lcma.keras_model.online_split import with_online_split
from tfp_lcma.keras_model.preparation import Preparation
from tfp_lcma.validation import check_count, check_training_images


class Fitting(Preparation, CheckedSteps):
    """Keras' methods on data, for a `FlowModel`: what they are given is checked first."""

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains as `keras.Model.fit`.

        Images come as an array, or in the batches of a `tf.data.Dataset`, a
        `keras.utils.PyDataset` or a generator: `(images, labels, sample_weight)` of which the
        last may be missing, or dictionaries with "image" and "label". Labels are what a model
        with conditions is conditioned on; else they are ignored. Weights are `[n]` or `[n, 1]`.
        What `strategy.distribute_datasets_from_function` returns holds images alone, or pairs of
        images and condition.

        The first batch initialises the flow's actnorms if nothing has before. Parts that start
        from more images, 2,048 (`Whitened`, `ConditionalGaussian("least_squares")`), are given
        further batches, as far as there are any. A split that is chosen while training is
        (`OnlineLikelihoodContribution`).

        Raises:
            ValueError: If images, labels or weights are not what the model was built for.
        """
        given = _bound(super().fit, x, y, *args, **kwargs)
        source = self._taken(given, class_weight=given.pop("class_weight", None))
        _check_validation_split(given.get("validation_split"))
        training = source.trained_on(given.get("validation_split"))
        first = training.first_batch(given.get("batch_size") or 32, self.seed)
        check_training_images(first.images, self.bins, "x")
        held_out = given.get("validation_data")
        if held_out is not None:
            expected = self._expected._replace(
                argument="validation_data", labels="the labels of validation_data"
            )
            parts = Parts(*keras.utils.unpack_x_y_sample_weight(held_out))
            given["validation_data"] = image_source(parts, expected).for_keras
        self._start_on_all_workers(first, training)
        given["callbacks"] = with_online_split(given.get("callbacks"), self.flow)
        # Behind a function: Keras would track, and export, a dataset kept as an attribute.
        self._training_data = lambda: training
        self._seen_range.clear()
        skipped = self.skipped_steps
        try:
            history = super().fit(**given)
            self.prepare_for_inference()
        finally:
            self._training_data = None
        self._warn_of_scaled("the images of validation_data")
        if self.skipped_steps > skipped:
            warnings.warn(
                f"{self.skipped_steps - skipped} training steps were left out: their batch held an "
                "image, a label or a weight that makes no sense.",
                stacklevel=2,
            )
        return history

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Evaluates as `keras.Model.evaluate`: bits per dimension of one draw an image."""
        self._check_initialized()
        self.prepare_for_inference()
        given = _bound(super().evaluate, x, y, *args, **kwargs)
        # Within `fit`, what is evaluated is there already.
        if kwargs.get("_use_cached_eval_dataset"):
            return super().evaluate(**given)
        self._taken(given)
        return self._warning_of_scaled(super().evaluate, **given)

    def predict(self, x, *args, **kwargs):
        """Returns the log-probabilities of images, as `keras.Model.predict`.

        A model with conditions is given a pair of images and condition, or batches of both.
        """
        self._check_initialized()
        expected = self._expected._replace(labels="the condition in x")
        images, condition, _ = image_source(Parts(x), expected).for_keras
        pair = images if condition is None else (images, condition)
        return self._warning_of_scaled(super().predict, pair, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Trains on one batch as `keras.Model.train_on_batch`; the first initialises the flow."""
        batch = self._batch(Parts(x, y, sample_weight), class_weight)
        check_training_images(batch.rows.images, self.bins, "x")
        self._prepare_for_training(batch.rows)
        return super().train_on_batch(*batch.for_keras, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Evaluates one batch as `keras.Model.test_on_batch`."""
        self._check_initialized()
        batch = self._batch(Parts(x, y, sample_weight))
        return self._warning_of_scaled(
            super().test_on_batch, *batch.for_keras, return_dict=return_dict
        )

    def predict_on_batch(self, x):
        """Returns the log-probabilities of one batch, as `keras.Model.predict_on_batch`."""
        self._check_initialized()
        images, condition = self._batch(Parts(x), labels="the condition in x").rows
        inputs = images if condition is None else (images, condition)
        return self._warning_of_scaled(super().predict_on_batch, inputs)

    # Helpers.

    def _taken(self, given, class_weight=None):
        """Replaces the data among the arguments of Keras by its standard form, and returns it."""
        if given.get("batch_size") is not None:
            check_count(given["batch_size"], "batch_size")
        names = ("x", "y", "sample_weight")
        source = image_source(Parts(*map(given.get, names)), self._expected, class_weight)
        given.update(zip(names, source.for_keras, strict=True))
        return source

    def _batch(self, given: Parts, class_weight=None, labels: str = "y") -> ArraySource:
        """Returns the arrays of one batch, checked; `labels` is what messages call these."""
        expected = self._expected._replace(labels=labels)
        parts = parts_of(tuple(given), expected, class_weight)
        return ArraySource.of(parts, expected, class_weight)


def _check_validation_split(share):
    if share and not 0 < share < 1:
        raise ValueError(f"validation_split must be a share of the images < 1; got {share!r}.")


def _bound(method, *args, **kwargs) -> dict:
    """Returns the arguments of a call of Keras by their names."""
    given = inspect.signature(method).bind(*args, **kwargs).arguments
    return given | given.pop("kwargs", {})
