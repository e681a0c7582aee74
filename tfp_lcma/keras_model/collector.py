"""The Keras callback by which LCMA gathers statistics of a pre-trained flow."""

import os
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import standard_normal_log_prob
from tfp_lcma.bijectors.patches import to_view
from tfp_lcma.factorizations.factorization import view
from tfp_lcma.factorizations.likelihood import LikelihoodContribution
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.keras_model.replicas import of_chief
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.validation import check_count

# Images whose activations are kept as they are.
_ACTIVATIONS = 256
# Numbers in a batch, if its size is not given.
_NUMBERS = 2**20


class LogDetCollector(keras.callbacks.Callback):
    """Gathers per-dimension log-dets of a flow at the end of its training.

    One inference pass over up to `images` training images, dequantised by `seed`; sums are kept in
    float64. Under a strategy of several workers all have the chief's.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.compile("adam")
    collector = lcma.LogDetCollector()
    model.fit(images, epochs=1, callbacks=[collector], verbose=0)
    split = collector.factorization()
    ```

    References:
        Das, Abbeel, Spanos: Likelihood Contribution based Multi-scale Architecture
        for Generative Flows, section 3 and equation 9.
    """

    def __init__(self, images: int = 2048, seed: int = 0, batch_size: int | None = None):
        """Creates the callback.

        Args:
            images: Most training images to look at.
            seed: Which images, and their dequantisation noise.
            batch_size: Images at a time; None: as many as hold a million numbers.

        Raises:
            ValueError: If a number is not a whole one >= 1.
        """
        super().__init__()
        self._images = check_count(images, "images")
        self._batch_size = None if batch_size is None else check_count(batch_size, "batch_size")
        self._traced_batch_sums = tf.function(_batch_sums, reduce_retracing=True, autograph=False)
        self._seed = seed
        self._statistics: LogDetStatistics | None = None

    @property
    def statistics(self) -> LogDetStatistics:
        """What was gathered.

        Raises:
            ValueError: If no training has ended yet.
        """
        if self._statistics is None:
            raise ValueError(
                "The collector has no statistics yet: pass it to fit(callbacks=[...])."
            )
        return self._statistics

    def factorization(self, keep: str = "high") -> LikelihoodContribution:
        """Returns the LCMA factorization built from the statistics."""
        return LikelihoodContribution(self.statistics, keep=keep)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the statistics to one file; `LogDetStatistics.load` reads it."""
        self.statistics.save(path)

    def on_train_begin(self, logs=None):
        flow = self.model.flow
        _check_levels(flow)
        if flow.factorization is not None:
            raise ValueError(
                "The collector must be given to a flow without a split (factorization=None), in "
                "which every dimension reaches every level; this one is split by "
                f"{flow.factorization!r}."
            )

    def on_train_end(self, logs=None):
        self.model.prepare_for_inference()
        images, condition = self.model.training_rows(self._images, self._seed)
        self.collect(self.model, images, condition)

    def collect(
        self,
        model,
        images: np.ndarray,
        condition: np.ndarray | None = None,
        each_batch: Callable[[int], None] | None = None,
    ) -> LogDetStatistics:
        """Gathers the statistics of a model over `images`, outside of training.

        Args:
            model: A `FlowModel`.
            images: `[n, height, width, channels]`.
            condition: What they are conditioned on, in a model with conditions.
            each_batch: Called with its number before each batch.

        Raises:
            ValueError: If the model's flow has no levels or was never
                initialised, or the images are not what it was built for.
        """
        flow = model.flow
        _check_levels(flow)
        images, condition = model._seen(images, condition, "images")
        size = self._batch_size or max(_NUMBERS // int(np.prod(flow.event_shape)), 1)
        starts = range(0, len(images), size)
        # Tracing takes as long as a few batches without it.
        batch_sums = _batch_sums if len(starts) <= 3 else self._traced_batch_sums
        totals, activations = None, []
        for number, start in enumerate(starts):
            if each_batch is not None:
                each_batch(number)
            batch = tf.convert_to_tensor(images[start : start + size])
            given = None if condition is None else tf.constant(condition[start : start + size])
            sums, seen = batch_sums(model, batch, given, self._seed)
            sums = tf.nest.map_structure(lambda tensor: tensor.numpy(), sums)
            totals = sums if totals is None else tf.nest.map_structure(np.add, totals, sums)
            if start < _ACTIVATIONS:
                activations.append([y[: _ACTIVATIONS - start].numpy() for y in seen])
        gathered = (totals, activations, np.array(len(images)))
        totals, activations, count = of_chief(model.distribute_strategy, gathered)
        self._statistics = _statistics(flow, totals, activations, int(count))
        return self._statistics


def _check_levels(flow):
    if not isinstance(flow, MultiScale):
        raise ValueError(
            f"The model's flow must be a MultiScale, whose levels are looked at apart; got "
            f"{type(flow).__name__}."
        )


def _batch_sums(model, batch, condition, seed):
    """Returns the sums over a batch that the statistics need, and the levels' activations."""
    # Probes of its own for every image: errors of estimated log-dets then average out.
    x, probes = model.density.dequantized(batch, noise.seed_pair(seed))
    x = model.preprocessing.inverse_and_log_det(x)[0]
    context = Context(probes=probes)
    z, log_det, records = model.flow.inverse_by_level(x, condition, context=context)
    log_density = standard_normal_log_prob(z) + log_det
    views = [
        to_view(record.activation.shape[1:], level, model.flow.patch)
        for level, record in enumerate(records[:-1])
    ]
    levels = [_level_sums(*pair) for pair in zip(records, [*views, None], strict=True)]
    return (_sums(log_density), levels), [record.activation for record in records[:-1]]


def _sums(values):
    return tf.reduce_sum(tf.cast(values, tf.float64), axis=0)


def _level_sums(record, view):
    """Sums over the batch: log-det, activation, its square and, in a view, products in blocks."""
    y = tf.cast(record.activation, tf.float64)
    sums = [_sums(record.event_log_det), _sums(y), _sums(tf.square(y))]
    if view is not None:
        blocks = view.inverse_and_log_det(y)[0]
        sums.append(tf.einsum("nhwi,nhwj->hwij", blocks, blocks))
    return sums


def _statistics(flow, totals, activations, count) -> LogDetStatistics:
    """Turns sums into means, variances and covariances."""
    log_density, levels = totals

    def to_image(level, values):
        image = np.full(int(np.prod(flow.event_shape)), np.nan)
        image[flow.level_index[level].ravel()] = values.ravel()
        return image.reshape(flow.event_shape)

    log_dets, means, variances, covariances = [], [], [], []
    for level, (log_det, total, squares, *products) in enumerate(levels):
        mean = total / count
        log_dets.append(to_image(level, log_det / count))
        means.append(to_image(level, mean))
        variances.append(to_image(level, squares / count - mean**2))
        for product in products:
            block = view(mean, level, flow.patch)
            covariances.append(product / count - block[..., :, None] * block[..., None, :])
    return LogDetStatistics(
        log_det=np.stack(log_dets),
        mean=np.stack(means),
        variance=np.stack(variances),
        log_density=log_density / count,
        level_index=tuple(flow.level_index),
        block_covariance=tuple(covariances),
        activations=tuple(
            np.concatenate(level).astype(np.float32) for level in zip(*activations, strict=True)
        ),
        count=count,
        patch=flow.patch,
    )
