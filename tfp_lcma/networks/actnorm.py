"""Activation normalisation: a shift and a scale per channel that start from one batch."""

import contextlib
import threading
from collections.abc import Iterable, Iterator

import keras
import tensorflow as tf

from tfp_lcma.serialization import register

_state = threading.local()
# exp(+-7) spans six orders of magnitude: room for any sane data, none for overflow.
LOG_SCALE_BOUND = 7.0


@contextlib.contextmanager
def data_dependent_initialization(layers: Iterable | None = None) -> Iterator[None]:
    """Within this context, in eager mode, a pass initialises every actnorm it meets.

    Args:
      layers: Only the actnorms among these Keras layers; None: all.
    """
    _state.initializing = (lambda _: True) if layers is None else list(layers).__contains__
    try:
        yield
    finally:
        _state.initializing = None


def is_initializing() -> bool:
    """Says whether such a pass is under way."""
    return bool(getattr(_state, "initializing", None)) and tf.executing_eagerly()


@register
class ActNormLayer(keras.layers.Layer):
    """Shifts and scales every channel: `(x + shift) * exp(log_scale)`.

    Within `data_dependent_initialization()` a call first chooses both so that
    its input leaves with mean 0 and variance 1.

    References:
      Kingma, Dhariwal: Glow, section 3.1.
    """

    def __init__(self, channels: int, **kwargs):
        """Normalises `channels` channels."""
        super().__init__(**kwargs)
        self.channels = channels
        self.build()

    def build(self, input_shape=None):
        self.shift = self.add_weight((self.channels,), initializer="zeros", name="shift")
        self.raw_log_scale = self.add_weight(
            (self.channels,), initializer="zeros", name="raw_log_scale"
        )
        self.initialized = self.add_weight(
            (), initializer="zeros", trainable=False, name="initialized"
        )
        self.built = True

    def log_scale(self) -> tf.Tensor:
        """Returns the smoothly bounded log-scale of every channel."""
        return LOG_SCALE_BOUND * tf.tanh(self.raw_log_scale.value / LOG_SCALE_BOUND)

    def is_asked_to_initialize(self) -> bool:
        """Says whether the context asks this layer to choose shift and scale."""
        return is_initializing() and _state.initializing(self)

    def initialize_if_asked(self, x: tf.Tensor) -> None:
        """Chooses shift and scale by `x`, where the context asks for it."""
        if not self.is_asked_to_initialize():
            return
        mean, variance = tf.nn.moments(tf.cast(x, self.shift.dtype), axes=(0, 1, 2))
        log_scale = -0.5 * tf.math.log(variance + 1e-6)
        share = tf.clip_by_value(log_scale / LOG_SCALE_BOUND, -0.99, 0.99)
        self.shift.assign(-mean)
        self.raw_log_scale.assign(LOG_SCALE_BOUND * tf.math.atanh(share))
        self.initialized.assign(1.0)

    def call(self, x):
        self.initialize_if_asked(x)
        scale = tf.cast(tf.exp(self.log_scale()), x.dtype)
        return (x + tf.cast(self.shift.value, x.dtype)) * scale

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
