"""Flows that normalise channels: actnorm and batch normalisation."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.channel_flow import ChannelFlow, ChannelMap
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.serialization import register

_state = threading.local()


@contextlib.contextmanager
def collecting_batch_statistics() -> Iterator[None]:
    """Within this context a `BatchNorm` in training averages its batches' statistics exactly."""
    _state.collecting = True
    try:
        yield
    finally:
        _state.collecting = False


@register
class ActNorm(ChannelFlow):
    """Shifts and scales every channel, starting from one batch's statistics.

    ```none
    inverse   z = (x + shift) * exp(log_scale)
    forward   x = z * exp(-log_scale) - shift
    log-det   log_scale at every position
    ```

    Initialisation is explicit: it happens in the inverse direction inside
    `data_dependent_initialization()`, which `FlowModel.fit` enters with its
    first batch. Nothing else, sampling included, can set it off.

    References:
      Kingma, Dhariwal: Glow, section 3.1.
    """

    def __init__(self, event_shape: Sequence[int], *, dtype: str = "float32", name=None):
        """Normalises the channels of images of `event_shape`."""
        self._layer = ActNormLayer(event_shape[-1], dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, condition=None, training=False):
        self._layer.initialize_if_asked(x)
        return super().carry_inverse(x, log_det, condition, training)

    def inverse_map(self) -> ChannelMap:
        scale = tf.exp(self._layer.log_scale())
        return ChannelMap(scale, self._layer.shift.value * scale)

    def forward_map(self) -> ChannelMap:
        return ChannelMap(tf.exp(-self._layer.log_scale()), -self._layer.shift.value)

    def channel_log_det(self) -> tf.Tensor:
        return self._layer.log_scale()


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
    """Normalises every channel by statistics of the batch (training) or of the data (inference).

    ```none
    inverse   z = (x - mean) / sqrt(variance + epsilon)
    forward   x = z * sqrt(variance + epsilon) + mean
    log-det   -0.5 log(variance + epsilon) at every position
    ```

    Running averages lag behind a flow that still learns, and a log-likelihood
    is unforgiving about it: `FlowModel` recomputes them over the training set
    before it evaluates anything.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.7, appendix E.
    """

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
        """
        self._momentum, self._epsilon = momentum, epsilon
        self._layer = BatchNormLayer(event_shape[-1], momentum, dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "momentum": self._momentum,
            "epsilon": self._epsilon,
            "dtype": self.dtype.name,
        }

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        if training:
            mean, variance = tf.nn.moments(x, axes=(0, 1, 2))
            collecting = getattr(_state, "collecting", False)
            self._layer.update(tf.stop_gradient(mean), tf.stop_gradient(variance), collecting)
        else:
            mean, variance = self._layer.mean.value, self._layer.variance.value
        log_scale = -0.5 * tf.math.log(variance + self._epsilon)
        z = (x - mean) * tf.exp(log_scale)
        return z, tf.zeros_like(z) + log_scale

    def forward_and_event_log_det(self, z, condition=None, training=False):
        log_scale = -0.5 * tf.math.log(self._layer.variance.value + self._epsilon)
        x = z * tf.exp(-log_scale) + self._layer.mean.value
        return x, tf.zeros_like(x) - log_scale

    def reset_statistics(self) -> None:
        """Forgets the running statistics, ready to average a pass over the data exactly."""
        self._layer.mean.assign(tf.zeros_like(self._layer.mean.value))
        self._layer.variance.assign(tf.ones_like(self._layer.variance.value))
        self._layer.batches.assign(0.0)
