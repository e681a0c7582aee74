"""A flow as a Keras model over images."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_batch
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector, no_sum_yet
from tfp_lcma.bijectors.names import check_variables_held
from tfp_lcma.bijectors.preprocessing import LogitPreprocessing
from tfp_lcma.density.dequantization import Dequantization, Uniform, uniform_of_batch
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.density.rows import nan_unless
from tfp_lcma.keras_model.batch_checks import (
    SeenRange,
    checked_condition,
    checked_images,
    checked_rows,
    compiled_by_xla,
)
from tfp_lcma.keras_model.elements import Expected
from tfp_lcma.keras_model.fitting import Fitting
from tfp_lcma.keras_model.image_sources import ArraySource, BatchSource
from tfp_lcma.keras_model.skipped_steps import SkippedSteps
from tfp_lcma.keras_model.updates import batches_seen
from tfp_lcma.networks.condition import check_conditions
from tfp_lcma.serialization import register, revived
from tfp_lcma.validation import check_whole


@register
class FlowModel(Fitting):
    r"""Trains and uses a flow on images of whole-number intensities.

    Images are uint8 (or floats in [0, bins), of which the whole part counts),
    `[n, height, width, channels]`. Dequantisation and the map to the flow's domain belong to the
    model and to its density. Whichever noise is added, what is trained and told is a bound:

    ```math
    \log P(x) \ge \mathbb{E}_u [\log p(x + u) - \log q(u \mid x)]
    ```

    where u is uniform in [0, 1) per dimension, q = 1, or from a flow q that is trained too,
    `Variational`.

    `log_prob` is that bound from one draw of `u`, in nats per image; `draws=k`
    tightens it by importance weighting. Outside training `u` is a function of
    the image and the seed alone, so an image scores the same in any batch, to rounding.

    Called on images, the model returns that bound from one draw; the loss of `fit` is its
    negative mean plus the flows' regularisation. A model with conditions is called on pairs of
    images and what they are conditioned on, and trained on data whose labels are that.

    Made, compiled and trained in the scope of a `tf.distribute` strategy, mirrored over processors
    or over workers, the model trains as in one process: a batch is that of all replicas, and so
    are its noise, its statistics and the gradient that is clipped or accumulated. Workers have the
    chief's start and random seed, and stop with a ValueError if their models differ.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    model = lcma.FlowModel(lcma.models.glow((8, 8, 1), levels=2, steps=1, width=8))
    model.compile(optimizer=lcma.models.recommended_optimizer("glow"))
    model.fit(images, epochs=1, verbose=0)
    model.bits_per_dimension(images).shape  # (64,)
    model.sample(2, seed=0).shape  # (2, 8, 8, 1)
    ```

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
        dequantization: Dequantization | None = None,
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
            dequantization: What makes whole intensities continuous, `density.Uniform()` or
                `density.Variational()`; None: `Uniform()`.
            seed: Seed of the dequantisation noise.
            name: Name of the model.

        Raises:
            ValueError: If `flow` is not a `FlowBijector`, has variables that would be
                neither trained nor saved, is conditioned on an image, or its shape is not that of
                `preprocessing` or of `dequantization`.
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
        self.event_shape, self.conditions = flow.event_shape, check_conditions(flow.conditions)
        self.seed = check_whole(seed, "seed")
        if not isinstance(dequantization, Dequantization | None):
            raise ValueError(
                "dequantization must be density.Uniform(), density.Variational() or None; got "
                f"{dequantization!r}."
            )
        self.dequantization = (dequantization or Uniform()).for_model(flow, self.bins)
        self.density = ImageDensity(flow, preprocessing, self.dequantization, self.bins)
        self.distribution = self.density.distribution
        flows = [self.distribution.bijector, *self.dequantization.flows]
        self._flow_layers = [layer for one in flows for layer in one.layers]
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

    def call(self, inputs, training=False, first_row=0, rows=None):
        """Returns log-probabilities `[batch]` in nats, of one draw.

        Args:
            inputs: Images or, of a model with conditions, a pair of images and condition.
            training: Whether this is a step of training.
            first_row: Which row of the batch of all replicas is the first of these.
            rows: How many of these count in statistics of the batch; None: all.
        """
        images, condition = self._inputs(inputs)
        seed = self._seed(None)
        if not training:
            return self.density.log_prob(images, seed, 0, condition)
        # By seed, step and row: a resumed run repeats an undisturbed one, and N replicas one.
        optimizer = getattr(self, "optimizer", None)
        step = 0 if optimizer is None else batches_seen(optimizer).value
        batch_seed = seed + tf.stack([0, tf.cast(step, tf.int32)])
        uniform = uniform_of_batch(images, batch_seed, self.flow.dtype, first_row)
        context = Context(training=True, first_row=first_row, rows=rows)
        x, added = self.dequantization.add_noise(images, uniform, no_sum_yet(uniform), context)
        context = context.replace(condition=condition)
        log_prob = self.distribution.log_prob(x, context=context) + added.values
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

    @property
    def _expected(self):
        return Expected(self.event_shape, self.bins, self.conditions)
