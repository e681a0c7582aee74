"""A flow as a Keras model over images: fit, evaluate, sample, save."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.flow_bijector import FlowBijector, FlowChain
from tfp_lcma.bijectors.normalization import BatchNorm, collecting_batch_statistics
from tfp_lcma.bijectors.preprocessing import LogitPreprocessing
from tfp_lcma.distribution import FlowDistribution, standard_normal_log_prob
from tfp_lcma.image_sources import first_batch, sample_images, without_validation
from tfp_lcma.networks.actnorm import ActNormLayer, data_dependent_initialization
from tfp_lcma.online_split import with_online_split
from tfp_lcma.serialization import register, revived
from tfp_lcma.validation import (
    check_count,
    check_dataset_spec,
    check_images,
    check_training_images,
)

# Images in one pass of the methods that take arrays.
_CHUNK = 256
# Training images over which batch normalisation's statistics are averaged.
_STATISTICS_IMAGES = 4096


@register
class FlowModel(keras.Model):
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
    `fit` is their negative mean plus the flow's regularisation.

    Attributes:
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
        self.event_shape, self.seed = flow.event_shape, int(seed)
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

    def call(self, images, training=False):
        """Returns log-probabilities `[batch]` in nats, of one draw."""
        log_probs = self._event_log_prob(images, self._seed(None), 0, training)
        return tf.reduce_sum(log_probs, axis=(1, 2, 3))

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

    def fit(self, x=None, *args, **kwargs):
        """Trains as `keras.Model.fit`; labels in the data are ignored.

        The first batch initialises the flow's actnorms if nothing has before. A
        split that is chosen while training is (`OnlineLikelihoodContribution`).

        Raises:
          ValueError: If the images are not what the model was built for.
        """
        training = without_validation(x, kwargs.get("validation_split"))
        batch_size = kwargs.get("batch_size") or (args[1:2] or [None])[0] or 32
        first = first_batch(training, batch_size, self.event_shape, self.bins, self.seed)
        check_training_images(first, self.bins, "x")
        if not self._is_initialized():
            self.initialize(first)
        if getattr(self, "optimizer", None) is not None and not self.optimizer.built:
            # Variables created while tracing would make Keras trace the step twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        callbacks = with_online_split(kwargs.get("callbacks"), self.flow)
        if callbacks is not None:
            kwargs["callbacks"] = callbacks
        # Behind a function: Keras would track, and export, a dataset kept as an attribute.
        self._training_data = lambda: training
        try:
            history = super().fit(x, *args, **kwargs)
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
        self, images: np.ndarray, layers: Sequence[keras.layers.Layer] | None = None
    ) -> None:
        """Initialises the actnorms of the flow from one batch of images.

        Args:
          images: `[n, height, width, channels]`; 64 or more give steady statistics.
          layers: Only the actnorms whose Keras layers are among these; None: all.
        """
        images = tf.convert_to_tensor(check_images(images, self.event_shape, self.bins, "images"))
        with data_dependent_initialization(layers):
            self.flow.inverse_and_event_log_det(self._preprocess(images))

    def prepare_for_inference(self) -> None:
        """Recomputes batch normalisation's statistics over training images, within `fit`."""
        if not self._batch_norms or self._training_data is None:
            return
        for norm in self._batch_norms:
            norm.reset_statistics()
        with collecting_batch_statistics():
            update = self._compiled(
                "statistics", lambda x: self.flow.inverse_and_event_log_det(x, training=True)[1]
            )
            images = self.training_images(_STATISTICS_IMAGES, seed=self.seed)
            size = min(64, len(images))
            # Batches of one size: each counts alike in the average.
            for start in range(0, len(images) - size + 1, size):
                update(self._preprocess(tf.convert_to_tensor(images[start : start + size])))

    def training_images(self, count: int, seed: int) -> np.ndarray:
        """Returns up to `count` of the images that `fit` is training on.

        Only callbacks may ask, while `fit` runs. Arrays are sampled at random
        by `seed`; of a dataset the first `count` are taken.

        Raises:
          ValueError: If `fit` is not running.
        """
        if self._training_data is None:
            raise ValueError("training_images() is available only while fit() runs.")
        return sample_images(self._training_data(), count, seed)

    # Using the model.

    def log_prob(self, x, draws: int = 1, seed: int | None = None) -> np.ndarray:
        """Returns a lower bound on the log-probability of images, in nats.

        Args:
          x: uint8 images, or floats in [0, bins), `[n, height, width, channels]`.
          draws: Number of dequantisation draws; more tighten the bound.
          seed: Seed of the draws; None: the model's.

        Returns:
          `[n]`.

        Raises:
          ValueError: If the images or `draws` are not as described, or the
            model was never trained or initialised.
        """
        x = self._ready_images(x)
        draws = check_count(draws, "draws")
        samples = [
            self._event_log_probs(x, seed, draw).sum(axis=(1, 2, 3)) for draw in range(draws)
        ]
        return np.logaddexp.reduce(np.stack(samples), axis=0) - float(np.log(draws))

    def bits_per_dimension(self, x, draws: int = 1, seed: int | None = None) -> np.ndarray:
        """Returns -log_prob / (D log 2) for every image: an upper bound, in bits per dimension."""
        return self._to_bits(self.log_prob(x, draws, seed))

    def event_log_prob(self, x, seed: int | None = None) -> np.ndarray:
        """Returns each dimension's share of `log_prob`, in nats, in the shape of `x`."""
        return self._event_log_probs(self._ready_images(x), seed, draw=0)

    def sample(
        self, n: int, seed: int | None = None, temperature: float | Sequence[float] = 1.0
    ) -> np.ndarray:
        """Returns `n` images as float32 in [0, bins); their whole parts are intensities.

        Args:
          n: Number of images.
          seed: Whole number; the same seed gives the same images. None: any.
          temperature: Scale of the noise, one number or one per level.
        """
        self._check_initialized()
        n = check_count(n, "n")
        seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        shape = (n, *self.event_shape)
        z = tf.random.stateless_normal(shape, noise.seed_pair(seed), dtype=self.flow.dtype)
        images = self.decode(self.distribution.temper(z, temperature))
        return np.clip(images, 0, np.nextafter(np.float32(self.bins), 0)).astype(np.float32)

    def encode(self, x) -> np.ndarray:
        """Returns the latents of images; whole numbers stand for the middle of their bin."""
        return self._in_chunks("encode", self.distribution.encode, self._mid_bin(x, "x"))

    def decode(self, z) -> np.ndarray:
        """Returns images of latents `[n, height, width, channels]`, as continuous intensities."""
        self._check_initialized()
        z = np.asarray(z, self.flow.dtype.as_numpy_dtype)
        if z.ndim != 4 or len(z) == 0 or z.shape[1:] != self.event_shape:
            raise ValueError(
                f"z must have shape [n, {', '.join(map(str, self.event_shape))}], n >= 1; "
                f"got {list(z.shape)}."
            )
        return self._in_chunks("decode", self.distribution.decode, z)

    def interpolate(self, start, end, steps: int = 8, spherical: bool = False) -> np.ndarray:
        """Walks between images in noise space: `[n, steps, height, width, channels]`."""
        ends = [self._mid_bin(x, name) for x, name in ((start, "start"), (end, "end"))]
        if len(ends[0]) != len(ends[1]):
            raise ValueError(
                f"start and end must be as many; got {len(ends[0])} and {len(ends[1])} images."
            )
        images = self.distribution.interpolate(*ends, steps=steps, spherical=spherical).numpy()
        return np.clip(images, 0, np.nextafter(np.float32(self.bins), 0)).astype(np.float32)

    # Helpers.

    def _event_log_prob(self, images, seed, draw, training):
        """Dequantises and returns the log-density per dimension."""
        if training:
            # A function of seed and step: a resumed run repeats an undisturbed one.
            step = 0 if getattr(self, "optimizer", None) is None else self.optimizer.iterations
            context = tf.distribute.get_replica_context()
            replica = 0 if context is None else context.replica_id_in_sync_group
            batch_seed = seed + tf.stack([tf.cast(replica, tf.int32), tf.cast(step, tf.int32)])
            x = noise.dequantize_batch(images, batch_seed, self.flow.dtype)
        else:
            x = noise.dequantize(images, seed, draw, self.flow.dtype)
        z, log_det = self.distribution.bijector.inverse_and_event_log_det(x, training=training)
        return standard_normal_log_prob(z) + log_det

    def _event_log_probs(self, images, seed, draw):
        """Runs `_event_log_prob` over the whole parts of an array of images."""
        images = np.floor(images).astype(np.uint8)

        def one_draw(images, seed, draw):
            return self._event_log_prob(images, seed, draw, False)

        arguments = (self._seed(seed), tf.constant(draw))
        return self._in_chunks("event_log_prob", one_draw, images, *arguments)

    def _preprocess(self, images):
        """Dequantises images by the model's seed and maps them to the flow's domain."""
        x = noise.dequantize_batch(images, self._seed(None), self.flow.dtype)
        return self.preprocessing.inverse_and_event_log_det(x)[0]

    def _seed(self, seed):
        return noise.seed_pair(self.seed if seed is None else seed)

    def _to_bits(self, log_prob):
        return -log_prob / float(np.prod(self.event_shape) * np.log(2))

    def _in_chunks(self, key, function, x, *arguments):
        """Runs a compiled `function` over rows of `x`, a bounded number at a time."""
        specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype)]
        specs += [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
        compiled = self._compiled(key, function, input_signature=specs)
        chunks = [compiled(x[i : i + _CHUNK], *arguments) for i in range(0, len(x), _CHUNK)]
        return np.concatenate([chunk.numpy() for chunk in chunks])

    def _compiled(self, key, function, **options):
        if key not in self._compiled_functions:
            self._compiled_functions[key] = tf.function(function, **options)
        return self._compiled_functions[key]

    def _ready_images(self, x, argument="x"):
        self._check_initialized()
        return check_images(x, self.event_shape, self.bins, argument)

    def _mid_bin(self, x, argument):
        """Returns images as continuous intensities, whole numbers in the middle of their bin."""
        x = self._ready_images(x, argument)
        return (x + 0.5 if x.dtype.kind in "ui" else x).astype(self.flow.dtype.as_numpy_dtype)

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
