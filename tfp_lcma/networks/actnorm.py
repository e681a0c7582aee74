"""Activation normalisation: a shift and a scale per channel that start from one batch."""

import keras
import tensorflow as tf

from tfp_lcma.serialization import register

# exp(+-7) spans six orders of magnitude: room for any sane data, none for overflow.
LOG_SCALE_BOUND = 7.0


@register
class ActNormLayer(keras.layers.Layer):
    """Shifts and scales every channel: `(x + shift) * exp(log_scale)`.

    `initialize` chooses both so that its input leaves with mean 0 and variance 1.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.ActNormLayer(3)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 3)
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.1.
    """

    def __init__(self, channels: int, **kwargs):
        """Creates the layer.

        Args:
            channels: Number of channels.
            **kwargs: Of `keras.layers.Layer`.
        """
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

    @property
    def start_flags(self) -> list[keras.Variable]:
        """The variable that says whether shift and scale were chosen."""
        return [self.initialized]

    def initialize(self, x: tf.Tensor) -> None:
        """Chooses shift and scale by a batch `[batch, height, width, channels]`."""
        mean, variance = tf.nn.moments(tf.cast(x, self.shift.dtype), axes=(0, 1, 2))
        log_scale = -0.5 * tf.math.log(variance + 1e-6)
        share = tf.clip_by_value(log_scale / LOG_SCALE_BOUND, -0.99, 0.99)
        self.shift.assign(-mean)
        self.raw_log_scale.assign(LOG_SCALE_BOUND * tf.math.atanh(share))
        self.initialized.assign(1.0)

    def call(self, x):
        scale = tf.cast(tf.exp(self.log_scale()), x.dtype)
        return (x + tf.cast(self.shift.value, x.dtype)) * scale

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
