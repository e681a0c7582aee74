"""Steps that refuse a batch with a value that makes no sense, or leave it out."""

from collections.abc import Callable

import tensorflow as tf

from tfp_lcma.keras_model.batch_checks import (
    SeenRange,
    checked_rows,
    checked_weight,
    compiled_by_xla,
    naming,
)
from tfp_lcma.keras_model.skipped_steps import SkippedSteps
from tfp_lcma.keras_model.steps import Steps
from tfp_lcma.validation import look_scaled, warn_of_scaled

# What the caller calls what is checked in every batch: of data, of data to validate on while
# training, and of what is predicted.
_GIVEN = {"images": "x", "condition": "y", "sample_weight": "sample_weight"}
_HELD_OUT = {
    "images": "validation_data",
    "condition": "the labels of validation_data",
    "sample_weight": "the weights of validation_data",
}
_ASKED = {"images": "x", "condition": "the condition in x"}


class CheckedSteps(Steps):
    """The steps of a `FlowModel`, with what must hold of the values in every batch.

    An intensity out of range, a class that does not exist or a weight that is not finite is a
    ValueError. What XLA compiles cannot raise: there the row's result is NaN, and a training step
    with such a row leaves everything as it was and is counted.
    """

    # Of the model.
    _training_data: Callable | None
    _seen_range: SeenRange
    _skipped: SkippedSteps

    @property
    def skipped_steps(self) -> int:
        """How many training steps, compiled by XLA, were left out for a row that makes no sense.

        The logs of such training have it too.
        """
        return self._skipped.count

    def train_step(self, data):
        if not compiled_by_xla():
            return super().train_step(data)
        images, condition, weight = self._parts(data)
        sound = tf.reduce_all(self.density.valid(images, condition))
        if weight is not None:
            sound &= tf.reduce_all(tf.math.is_finite(tf.cast(weight, self.dtype)))
        changed = self.variables + self.optimizer.variables + self.metrics_variables
        with self._skipped.unless(sound, changed):
            super().train_step(data)
        return self._logs(self.get_metrics_result() | {"skipped_steps": self._skipped.logged})

    def test_step(self, data):
        self._seen_range.note(self._parts(data)[0])
        return super().test_step(data)

    def predict_step(self, data):
        self._seen_range.note(self._parts(data)[0])
        return super().predict_step(data)

    def make_train_function(self, force=False):
        self._make("train_function", super().make_train_function, force, lambda: _GIVEN)

    def make_test_function(self, force=False):
        def names():
            return _HELD_OUT if self._training_data is not None else _GIVEN

        self._make("test_function", super().make_test_function, force, names)

    def make_predict_function(self, force=False):
        self._make("predict_function", super().make_predict_function, force, lambda: _ASKED)

    def _make(self, function, make, force, names):
        """Lets Keras make one of its functions, whose refusals then name the caller's arguments."""
        if getattr(self, function) is None or force:
            compiles = self.jit_compile
            # What Keras compiles is the step of all replicas.
            self.jit_compile = compiles and self.distribute_strategy.num_replicas_in_sync == 1
            make(force)
            self.jit_compile = compiles
            setattr(self, function, naming(getattr(self, function), names))

    def _parts(self, data):
        images, condition, weight = super()._parts(data)
        if weight is not None:
            weight = checked_rows(checked_weight(weight), images, "sample_weight")
        return images, condition, weight

    def _warning_of_scaled(self, run, *args, **kwargs):
        """Runs Keras' evaluation or prediction, and warns if its images look scaled."""
        self._seen_range.clear()
        answer = run(*args, **kwargs)
        self._warn_of_scaled("x")
        return answer

    def _warn_of_scaled(self, argument):
        """Warns if the images that were seen look scaled."""
        low, high = self._seen_range.values
        if look_scaled(high, self.bins):
            warn_of_scaled(argument, low, high, self.bins)
