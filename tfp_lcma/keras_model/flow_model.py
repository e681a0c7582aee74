"""A flow as a Keras model over images: fit, evaluate, save."""

import inspect
import warnings
from collections.abc import Callable, Collection

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_batch
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.names import check_variables_held
from tfp_lcma.bijectors.preprocessing import LogitPreprocessing
from tfp_lcma.density.dequantization import Uniform
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.density.rows import nan_unless
from tfp_lcma.keras_model.batch_checks import (
    SeenRange,
    checked_condition,
    checked_images,
    checked_rows,
    compiled_by_xla,
)
from tfp_lcma.keras_model.checked_steps import CheckedSteps
from tfp_lcma.keras_model.elements import Expected, Parts, Rows, parts_of
from tfp_lcma.keras_model.image_sources import ArraySource, BatchSource, image_source
from tfp_lcma.keras_model.online_split import with_online_split
from tfp_lcma.keras_model.questions import Questions
from tfp_lcma.keras_model.replicas import assign_of_chief
from tfp_lcma.keras_model.skipped_steps import SkippedSteps
from tfp_lcma.serialization import register, revived
from tfp_lcma.validation import (
    check_condition,
    check_images,
    check_training_images,
)

# Training images over which batch normalisation's statistics are averaged.
_STATISTICS_IMAGES = 4096


@register
class FlowModel(Questions, CheckedSteps):
    """Trains and uses a flow on images of whole-number intensities.

    Images are uint8 (or floats in [0, bins), of which the whole part counts),
    `[n, height, width, channels]`. Uniform dequantisation and the map to the
    flow's domain belong to the model and to its density:

    ```none
    log P(x) >= E_u log p(x + u),  u uniform in [0, 1) per dimension
    ```

    `log_prob` is that bound from one draw of `u`, in nats per image; `draws=k`
    tightens it by importance weighting. Outside training `u` is a function of
    the image and the seed alone, to the bit, so an image scores the same in any batch, to rounding.

    Called on images, the model returns their log-probabilities; the loss of `fit` is their
    negative mean plus the flow's regularisation. A model with conditions is called on pairs of
    images and what they are conditioned on, and trained on data whose labels are that.

    Attributes:
        conditions: What the flow is conditioned on: a number of classes, the
            shape `(k,)` of a vector, or None.
        flow: The flow, from preprocessed images to noise.
        distribution: The `FlowDistribution` of dequantised intensities.
        density: The same questions as the model's, of tensors: an `ImageDensity`.
    """

    def __init__(
        self,
        flow: FlowBijector,
        *,
        bins: int = 256,
        preprocessing: FlowBijector | None = None,
        dequantization: Uniform | None = None,
        seed: int = 0,
        name: str | None = None,
    ):
        """Creates the model.

        Args:
            flow: A fully built flow, such as `models.real_nvp(...)` returns.
            bins: Number of intensity values of the data; a `preprocessing` that
                has its own `bins` decides.
            preprocessing: Flow from dequantised intensities to the flow's domain;
                None: `LogitPreprocessing(event_shape, bins=bins)`.
            dequantization: What makes whole intensities continuous; None: `Uniform()`.
            seed: Seed of the dequantisation noise.
            name: Name of the model.

        Raises:
            ValueError: If `flow` is not a `FlowBijector`, has variables that would be
                neither trained nor saved, or its shape is not that of `preprocessing`.
        """
        if not isinstance(flow, FlowBijector):
            raise ValueError(f"flow must be a FlowBijector; got {type(flow).__name__}.")
        check_variables_held(flow, "flow")
        # Images must reach the flow as they are, whatever policy the networks have.
        super().__init__(name=name, dtype=flow.dtype.name, autocast=False)
        if preprocessing is None:
            preprocessing = LogitPreprocessing(flow.event_shape, bins=bins, dtype=flow.dtype.name)
        if preprocessing.event_shape != flow.event_shape:
            raise ValueError(
                f"preprocessing must have the flow's event shape {flow.event_shape}; "
                f"got {preprocessing.event_shape}."
            )
        self.flow, self.preprocessing = flow, preprocessing
        self.bins = getattr(preprocessing, "bins", bins)
        self.event_shape, self.conditions = flow.event_shape, flow.conditions
        self.seed = int(seed)
        self.dequantization = dequantization or Uniform()
        self.density = ImageDensity(flow, preprocessing, self.dequantization, self.bins)
        self.distribution = self.density.distribution
        self._flow_layers = self.distribution.bijector.layers
        self._bits = keras.metrics.Mean(name="bits_per_dimension")
        self._training_data: Callable[[], ArraySource | BatchSource] | None = None
        self._seen_range, self._skipped = SeenRange(), SkippedSteps()
        self._initialized, self._compiled_functions = False, {}
        self.built = True

    def get_config(self) -> dict:
        return {
            "flow": self.flow,
            "preprocessing": self.preprocessing,
            "dequantization": self.dequantization,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**revived(config, custom_objects))

    # The Keras side.

    def call(self, inputs, training=False, first_row=0):
        """Returns log-probabilities `[batch]` in nats, of one draw.

        Args:
            inputs: Images or, of a model with conditions, a pair of images and condition.
            training: Whether this is a step of training.
            first_row: Which row of the batch of all replicas is the first of these.
        """
        images, condition = self._inputs(inputs)
        seed = self._seed(None)
        if not training:
            return self.density.log_prob(images, seed, 0, condition)
        # By seed, step and row: a resumed run repeats an undisturbed one, and N replicas one.
        step = 0 if getattr(self, "optimizer", None) is None else self.optimizer.iterations
        batch_seed = seed + tf.stack([0, tf.cast(step, tf.int32)])
        x = self.dequantization.of_batch(images, batch_seed, self.flow.dtype, first_row)
        context = Context(condition, training=True, first_row=first_row)
        log_prob = self.distribution.log_prob(x, context=context)
        if not compiled_by_xla():
            return log_prob  # a row that makes no sense has raised
        return nan_unless(self.density.valid(images, condition), log_prob)

    def _inputs(self, inputs):
        """Returns the images and the condition that the model is called on, checked."""
        pair = isinstance(inputs, list | tuple)
        if pair != (self.conditions is not None) or (pair and len(inputs) != 2):
            wanted = "a pair of images and condition" if self.conditions else "a batch of images"
            got = f"{type(inputs).__name__} of {len(inputs)}" if pair else "images alone"
            raise ValueError(f"inputs must be {wanted}; got {got}.")
        images, condition = inputs if pair else (inputs, None)
        images = checked_images(
            image_batch(images, self.event_shape, "images", dtype=None), self.bins
        )
        if self.conditions is None:
            return images, None
        condition = checked_condition(tf.convert_to_tensor(condition), self.conditions)
        one_for_all = condition.shape.rank == (0 if isinstance(self.conditions, int) else 1)
        return images, condition if one_for_all else checked_rows(condition, images, "condition")

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains as `keras.Model.fit`.

        Images come as an array, or in the batches of a `tf.data.Dataset`, a
        `keras.utils.PyDataset` or a generator: `(images, labels, sample_weight)` of which the
        last may be missing, or dictionaries with "image" and "label". Labels are what a model
        with conditions is conditioned on; else they are ignored. Weights are `[n]` or `[n, 1]`.

        The first batch initialises the flow's actnorms if nothing has before. A split that is
        chosen while training is (`OnlineLikelihoodContribution`).

        Raises:
            ValueError: If images, labels or weights are not what the model was built for.
        """
        given = _bound(super().fit, x, y, *args, **kwargs)
        source = self._taken(given, class_weight=given.pop("class_weight", None))
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
        self._prepare_for_training(first)
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

    def save(self, filepath, *args, **kwargs):
        """Saves the model as `keras.Model.save`, to a file that ends in `.keras`.

        `keras.saving.load_model` loads it, in another process after `import tfp_lcma`, by which
        Keras finds the classes that it consists of.

        Raises:
            ValueError: If the file's name ends otherwise: Keras could not load it.
        """
        if not str(filepath).endswith(".keras") and not str(filepath).startswith("hf://"):
            raise ValueError(
                "filepath must end in .keras, the format from which Keras can load a flow; got "
                f"{str(filepath)!r}. save_weights() writes .weights.h5, and "
                "tfp_lcma.export_saved_model what is served."
            )
        super().save(filepath, *args, **kwargs)

    def export(self, filepath, *args, **kwargs):
        """Refuses, since Keras would export the log-densities of `call` alone.

        Raises:
            ValueError: Always; `tfp_lcma.export_saved_model` exports densities and samples.
        """
        raise ValueError(
            f"model.export() does not export a flow; tfp_lcma.export_saved_model(model, "
            f"{str(filepath)!r}) does, with densities, samples and latents as signatures."
        )

    # Before training and before inference.

    def initialize(
        self,
        images: np.ndarray,
        condition=None,
        levels: Collection[int] | None = None,
    ) -> None:
        """Starts the flow's actnorms from one batch of images.

        Args:
            images: `[n, height, width, channels]`; 64 or more give steady statistics.
            condition: What they are conditioned on, in a model with conditions.
            levels: Only the actnorms of these levels of the flow; None: all.
        """
        images = check_images(images, self.event_shape, self.bins, "images")
        condition = check_condition(condition, self.conditions, len(images), "condition")
        starting = True if levels is None else frozenset(levels)
        context = Context(condition, starting=starting)
        x = self._preprocess(tf.convert_to_tensor(images))
        self.flow.inverse_and_log_det(x, context=context)
        # Other workers may have other images, or other last digits.
        assign_of_chief(self.distribute_strategy, self.weights)

    def prepare_for_inference(self) -> None:
        """Averages batch statistics over training images, within `fit`, if the flow has any."""
        if not self.flow.gathers_statistics or self._training_data is None:
            return
        self.flow.reset_statistics()
        if "statistics" not in self._compiled_functions:

            def gather(x, condition):
                context = Context(condition, training=True, gathering=True)
                return self.flow.inverse_and_log_det(x, context=context)[1]

            self._compiled_functions["statistics"] = tf.function(gather, autograph=False)
        update = self._compiled_functions["statistics"]
        images, condition = self.training_rows(_STATISTICS_IMAGES, seed=self.seed)
        size = min(64, len(images))
        # Batches of one size: each counts alike in the average.
        for start in range(0, len(images) - size + 1, size):
            batch = slice(start, start + size)
            given = None if condition is None else tf.convert_to_tensor(condition[batch])
            update(self._preprocess(tf.convert_to_tensor(images[batch])), given)
        assign_of_chief(self.distribute_strategy, self.non_trainable_weights)

    def training_rows(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns up to `count` of the images that `fit` is training on, and their condition.

        Only callbacks may ask, while `fit` runs. Arrays are sampled at random
        by `seed`; of a dataset the first `count` are taken.

        Returns:
            Images, and what they are conditioned on, or None.

        Raises:
            ValueError: If `fit` is not running.
        """
        if self._training_data is None:
            raise ValueError("training_rows() is available only while fit() runs.")
        return self._training_data().sample(count, seed)

    # Helpers.

    def _prepare_for_training(self, first: Rows) -> None:
        """Initialises the flow from a first batch, and builds the optimizer, if need be."""
        if not self._is_initialized():
            self.initialize(*first)
        if getattr(self, "optimizer", None) is not None and not self.optimizer.built:
            # Variables created while tracing would make Keras trace the step twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _preprocess(self, images):
        """Dequantises images by the model's seed and maps them to the flow's domain."""
        x = self.dequantization.of_batch(images, self._seed(None), self.flow.dtype)
        return self.preprocessing.inverse_and_log_det(x)[0]

    @property
    def _expected(self):
        return Expected(self.event_shape, self.bins, self.conditions)

    def _taken(self, given, class_weight=None):
        """Replaces the data among the arguments of Keras by its standard form, and returns it."""
        names = ("x", "y", "sample_weight")
        source = image_source(Parts(*map(given.get, names)), self._expected, class_weight)
        given.update(zip(names, source.for_keras, strict=True))
        return source

    def _batch(self, given: Parts, class_weight=None, labels: str = "y") -> ArraySource:
        """Returns the arrays of one batch, checked; `labels` is what messages call these."""
        expected = self._expected._replace(labels=labels)
        parts = parts_of(tuple(given), expected, class_weight)
        return ArraySource.of(parts, expected, class_weight)

    def _is_initialized(self):
        self._initialized = self._initialized or self.flow.is_initialized
        return self._initialized

    def _check_initialized(self) -> None:
        if not self._is_initialized():
            raise ValueError(
                "The flow's actnorms were never initialised: call fit(), or initialize(images) "
                "with a batch of training images, before using the model."
            )


def _bound(method, *args, **kwargs) -> dict:
    """Returns the arguments of a call of Keras by their names."""
    given = inspect.signature(method).bind(*args, **kwargs).arguments
    return given | given.pop("kwargs", {})
