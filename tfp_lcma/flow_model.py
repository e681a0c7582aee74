"""A flow as a Keras model over images: fit, evaluate, save."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.normalization import BatchNorm, collecting_batch_statistics
from tfp_lcma.bijectors.preprocessing import LogitPreprocessing
from tfp_lcma.distribution import FlowDistribution
from tfp_lcma.image_density import ImageDensity
from tfp_lcma.image_sources import Rows, first_batch, sample_rows, without_validation
from tfp_lcma.networks.actnorm import ActNormLayer, data_dependent_initialization
from tfp_lcma.online_split import with_online_split
from tfp_lcma.serialization import register, revived
from tfp_lcma.validation import (
    check_condition,
    check_dataset_spec,
    check_images,
    check_training_images,
)

# Training images over which batch normalisation's statistics are averaged.
_STATISTICS_IMAGES = 4096


@register
class FlowModel(ImageDensity, keras.Model):
    """Trains and uses a flow on images of whole-number intensities.

    Images are uint8 (or floats in [0, bins), of which the whole part counts),
    `[n, height, width, channels]`. Uniform dequantisation and the map to the
    flow's domain belong to the model and to its density:

    ```none
    log P(x) >= E_u log p(x + u),  u uniform in [0, 1) per dimension
    ```

    `log_prob` is that bound from one draw of `u`, in nats per image; `draws=k`
    tightens it by importance weighting. Outside training `u` is a function of
    the image and the seed alone, so an image scores the same in any batch.

    Called on images, the model returns their log-probabilities; the loss of
    `fit` is their negative mean plus the flow's regularisation. A model with
    conditions is called on pairs of images and what they are conditioned on,
    and trained on data whose labels are that.

    Attributes:
      conditions: What the flow is conditioned on: a number of classes, the
        shape `(k,)` of a vector, or None.
      flow: The flow, from preprocessed images to noise.
      distribution: The `FlowDistribution` of dequantised intensities.
    """

    def __init__(
        self,
        flow: FlowBijector,
        *,
        bins: int = 256,
        preprocessing: FlowBijector | None = None,
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
          seed: Seed of the dequantisation noise.
          name: Name of the model.

        Raises:
          ValueError: If `flow` is not a `FlowBijector`, or its shape is not that
            of `preprocessing`.
        """
        if not isinstance(flow, FlowBijector):
            raise ValueError(f"flow must be a FlowBijector; got {type(flow).__name__}.")
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
        self.distribution = FlowDistribution(FlowChain([preprocessing, flow]))
        self._flow_layers = self.distribution.bijector.layers
        self._batch_norms = [part for part in flow.submodules if isinstance(part, BatchNorm)]
        self._bits = keras.metrics.Mean(name="bits_per_dimension")
        self._training_data, self._initialized = None, False
        self._compiled_functions = {}
        self.built = True

    def get_config(self) -> dict:
        return {
            "flow": self.flow,
            "preprocessing": self.preprocessing,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**revived(config, custom_objects))

    # The Keras side.

    def call(self, inputs, training=False):
        """Returns log-probabilities `[batch]` in nats, of one draw.

        Args:
          inputs: Images or, of a model with conditions, a pair of images and condition.
          training: Whether this is a step of training.
        """
        images, condition = inputs if self.conditions is not None else (inputs, None)
        seed = self._seed(None)
        if not training:
            return self._log_prob(images, condition, seed, 0)
        # A function of seed and step: a resumed run repeats an undisturbed one.
        step = 0 if getattr(self, "optimizer", None) is None else self.optimizer.iterations
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        batch_seed = seed + tf.stack([tf.cast(replica, tf.int32), tf.cast(step, tf.int32)])
        x = noise.dequantize_batch(images, batch_seed, self.flow.dtype)
        return self.distribution.log_prob(x, condition=condition, training=True)

    def train_step(self, data):
        return super().train_step(self._with_condition(data))

    def test_step(self, data):
        return super().test_step(self._with_condition(data))

    def predict_step(self, data):
        return super().predict_step(self._with_condition(data))

    def _with_condition(self, data):
        """Makes the labels of a batch part of what the model is called on, if it has conditions."""
        x, labels, weight = keras.utils.unpack_x_y_sample_weight(data)
        if self.conditions is None or labels is None:
            return data
        return (x, labels), labels, weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the mean negative log-probability in nats, plus regularisation."""
        if sample_weight is None:
            loss = -tf.reduce_mean(y_pred)
        else:
            weight = tf.cast(sample_weight, y_pred.dtype)
            loss = -tf.reduce_sum(weight * y_pred) / tf.cast(tf.size(y_pred), y_pred.dtype)
        loss = tf.add_n([loss, *(tf.cast(term, loss.dtype) for term in self.losses)])
        # Keras sums over replicas.
        return loss / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self._bits.update_state(self._to_bits(y_pred), sample_weight=sample_weight)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains as `keras.Model.fit`.

        The labels, `y` or those in the data, are what a model with conditions
        is conditioned on; else they are ignored. The first batch initialises
        the flow's actnorms if nothing has before. A split that is chosen while
        training is (`OnlineLikelihoodContribution`).

        Raises:
          ValueError: If images or labels are not what the model was built for.
        """
        training, labels = (without_validation(d, kwargs.get("validation_split")) for d in (x, y))
        batch_size = kwargs.get("batch_size") or (args[:1] or [None])[0] or 32
        if y is not None and self.conditions is not None:
            check_condition(y, self.conditions, len(x), "y")
        first = first_batch(training, labels, batch_size, self.event_shape, self.bins, self.seed)
        check_training_images(first.images, self.bins, "x")
        condition = self._condition_of(first)
        if not self._is_initialized():
            self.initialize(first.images, condition)
        if getattr(self, "optimizer", None) is not None and not self.optimizer.built:
            # Variables created while tracing would make Keras trace the step twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        callbacks = with_online_split(kwargs.get("callbacks"), self.flow)
        if callbacks is not None:
            kwargs["callbacks"] = callbacks
        # Behind a function: Keras would track, and export, a dataset kept as an attribute.
        self._training_data = lambda: (training, labels)
        try:
            history = super().fit(x, y, *args, **kwargs)
            self.prepare_for_inference()
            return history
        finally:
            self._training_data = None

    def evaluate(self, x=None, *args, **kwargs):
        """Evaluates as `keras.Model.evaluate`: bits per dimension of one draw an image."""
        self._check_ready(x)
        self.prepare_for_inference()
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Returns the log-probabilities of images, as `keras.Model.predict`."""
        self._check_ready(x)
        return super().predict(x, *args, **kwargs)

    # Before training and before inference.

    def initialize(
        self,
        images: np.ndarray,
        condition=None,
        layers: Sequence[keras.layers.Layer] | None = None,
    ) -> None:
        """Initialises the actnorms of the flow from one batch of images.

        Args:
          images: `[n, height, width, channels]`; 64 or more give steady statistics.
          condition: What they are conditioned on, in a model with conditions.
          layers: Only the actnorms whose Keras layers are among these; None: all.
        """
        images = check_images(images, self.event_shape, self.bins, "images")
        condition = check_condition(condition, self.conditions, len(images), "condition")
        with data_dependent_initialization(layers):
            self.flow.inverse_and_event_log_det(
                self._preprocess(tf.convert_to_tensor(images)), condition
            )

    def prepare_for_inference(self) -> None:
        """Recomputes batch normalisation's statistics over training images, within `fit`."""
        if not self._batch_norms or self._training_data is None:
            return
        for norm in self._batch_norms:
            norm.reset_statistics()
        with collecting_batch_statistics():
            if "statistics" not in self._compiled_functions:
                self._compiled_functions["statistics"] = tf.function(
                    lambda x, condition: self.flow.inverse_and_event_log_det(x, condition, True)[1]
                )
            update = self._compiled_functions["statistics"]
            images, condition = self.training_rows(_STATISTICS_IMAGES, seed=self.seed)
            size = min(64, len(images))
            # Batches of one size: each counts alike in the average.
            for start in range(0, len(images) - size + 1, size):
                batch = slice(start, start + size)
                told = None if condition is None else tf.convert_to_tensor(condition[batch])
                update(self._preprocess(tf.convert_to_tensor(images[batch])), told)

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
        rows = sample_rows(*self._training_data(), count, seed)
        return rows.images, self._condition_of(rows)

    # Helpers.

    def _preprocess(self, images):
        """Dequantises images by the model's seed and maps them to the flow's domain."""
        x = noise.dequantize_batch(images, self._seed(None), self.flow.dtype)
        return self.preprocessing.inverse_and_event_log_det(x)[0]

    def _condition_of(self, rows: Rows) -> np.ndarray | None:
        """Returns what rows of training data are conditioned on, checked."""
        if self.conditions is None:
            return None
        return check_condition(rows.labels, self.conditions, len(rows.images), "y")

    def _check_ready(self, x):
        self._check_initialized()
        if isinstance(x, tf.data.Dataset):
            check_dataset_spec(x, self.event_shape, "x")
        elif hasattr(x, "__array__"):
            check_images(x, self.event_shape, self.bins, "x")

    def _is_initialized(self):
        if not self._initialized:
            norms = [layer for layer in self._flatten_layers() if isinstance(layer, ActNormLayer)]
            self._initialized = all(bool(norm.initialized.numpy()) for norm in norms)
        return self._initialized

    def _check_initialized(self):
        if not self._is_initialized():
            raise ValueError(
                "The flow's actnorms were never initialised: call fit(), or initialize(images) "
                "with a batch of training images, before using the model."
            )
