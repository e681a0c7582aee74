"""A flow that normalises channels by statistics of the batch."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_moments
from tfp_lcma.bijectors.backward import differentiated
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import NoLogDet
from tfp_lcma.serialization import register


@register
class BatchNormLayer(keras.layers.Layer):
    """Holds the running statistics of a flow's batch normalisation."""

    def __init__(self, channels: int, momentum: float, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.momentum = channels, momentum
        self.build()

    def build(self, input_shape=None):
        def state(name, initializer, shape):
            return self.add_weight(shape, initializer=initializer, trainable=False, name=name)

        self.mean = state("mean", "zeros", (self.channels,))
        self.variance = state("variance", "ones", (self.channels,))
        self.batches = state("batches", "zeros", ())
        self.built = True

    def update(self, mean: tf.Tensor, variance: tf.Tensor, collecting: bool) -> None:
        """Moves the running statistics towards a batch's, or averages them in exactly."""
        if collecting:
            self.batches.assign_add(1.0)
            rate = 1.0 / self.batches.value
        else:
            rate = 1.0 - self.momentum
        self.mean.assign_add(rate * (mean - self.mean.value))
        self.variance.assign_add(rate * (variance - self.variance.value))


@register
class BatchNorm(FlowBijector):
    r"""Normalises every channel by statistics of the batch (training) or of the data (inference).

    ```math
    \text{inverse} \quad z &= (x - m) / \sqrt{v + \epsilon} \\
    \text{forward} \quad x &= z \sqrt{v + \epsilon} + m \\
    \text{log-det} \quad d &= -\tfrac12 \log(v + \epsilon)
    ```

    Running averages lag behind a flow that still learns, and a log-likelihood is unforgiving about
    it: `FlowModel` recomputes them over the training set before it evaluates anything. Where
    several replicas share a batch, statistics are of all of it.

    ```python
    import tfp_lcma as lcma

    norm = lcma.bijectors.BatchNorm((4, 4, 3), momentum=0.99)
    norm.gathers_statistics  # True
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.7, appendix E.
    """

    gathers_statistics = True
    remembers = True

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-4,
        dtype: str = "float32",
        name=None,
    ):
        """Normalises the channels of images of `event_shape`.

        Args:
            event_shape: `(height, width, channels)`.
            momentum: Share of the running statistics that a batch leaves in place.
            epsilon: Added to the variance.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `event_shape` is not that of an image, or a number is out of range.
        """
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1); got {momentum!r}.")
        if not epsilon > 0:
            raise ValueError(f"epsilon must be positive; got {epsilon!r}.")
        self._momentum, self._epsilon = momentum, epsilon
        self._layer = BatchNormLayer(event_shape[-1], momentum, dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)
        self._positions = self.event_shape[0] * self.event_shape[1]

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "momentum": self._momentum,
            "epsilon": self._epsilon,
            "dtype": self.dtype.name,
        }

    def carry_inverse(self, x, log_det, context):
        return self.remember(x, log_det, context)[:2]

    def carry_forward(self, z, log_det, context):
        statistics = self._layer.mean.value, self._layer.variance.value
        return self._restored(z, log_det, statistics)

    def remember(self, x, log_det, context):
        if context.training:
            statistics = batch_moments(x, context.rows)
            mean, variance = map(tf.stop_gradient, statistics)
            self._layer.update(mean, variance, context.gathering)
        else:
            statistics = self._layer.mean.value, self._layer.variance.value
        mean, variance = statistics
        log_scale = -0.5 * tf.math.log(variance + self._epsilon)
        log_det = log_det.plus_per_channel(log_scale, self._positions)
        return (x - mean) * tf.exp(log_scale), log_det, statistics

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        # Of the batch: from the latents alone it is unknown what they were divided by.
        x, _ = self._restored(z, NoLogDet(), memory)
        return differentiated(self.carry_inverse, x, dz, dlog_det, context, self.layers)

    def _restored(self, z, log_det, statistics):
        mean, variance = statistics
        log_scale = -0.5 * tf.math.log(variance + self._epsilon)
        return z * tf.exp(-log_scale) + mean, log_det.plus_per_channel(-log_scale, self._positions)

    def reset_statistics(self) -> None:
        """Forgets the running statistics, ready to average a pass over the data exactly."""
        self._layer.mean.assign(tf.zeros_like(self._layer.mean.value))
        self._layer.variance.assign(tf.ones_like(self._layer.variance.value))
        self._layer.batches.assign(0.0)
