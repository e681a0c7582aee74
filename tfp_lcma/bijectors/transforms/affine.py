"""Shifts and bounded scales."""

import keras
import tensorflow as tf

from tfp_lcma.bijectors.transforms.transform import Transform
from tfp_lcma.serialization import register


@register
class AffineHead(keras.layers.Layer):
    """Turns a network's output into a shift and a bounded log-scale.

    `log_scale = bound * tanh(raw)`, with a learned bound per channel.
    """

    def __init__(self, channels: int, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.regularizer = keras.regularizers.get(regularizer)
        self.build()

    def build(self, input_shape=None):
        # A zero bound beside a zero last layer would leave both without a gradient.
        self.bound = self.add_weight(
            (self.channels,), initializer="ones", regularizer=self.regularizer, name="bound"
        )
        self.built = True

    def call(self, raw):
        shift, log_scale = tf.split(raw, 2, axis=-1)
        return shift, self.bound.value * tf.tanh(log_scale)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


@register
class Affine(Transform):
    """Shifts and scales.

    ```none
    shift, log_scale = network's output, the latter as a learned bound * tanh
    inverse   z = (x + shift) * exp(log_scale)
    forward   x = z * exp(-log_scale) - shift
    log-det   log_scale
    ```

    ```python
    import tfp_lcma as lcma

    affine = lcma.transforms.Affine(regularizer="l2")
    flow = lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1, coupling=affine)
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 to 3.4.
    """

    parameters_per_dimension = 2

    def __init__(self, regularizer=None):
        """Creates the transform.

        Args:
            regularizer: Keras regulariser of the bound of the log-scale.
        """
        self._regularizer = keras.regularizers.get(regularizer)

    def get_config(self) -> dict:
        return {"regularizer": self._regularizer}

    def head(self, channels, dtype):
        return AffineHead(channels, self._regularizer, dtype=dtype)

    def inverse(self, x, parameters):
        shift, log_scale = parameters
        return (x + shift) * tf.exp(log_scale), log_scale

    def forward(self, z, parameters):
        shift, log_scale = parameters
        return z * tf.exp(-log_scale) - shift, -log_scale
