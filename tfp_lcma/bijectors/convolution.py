"""A learned, invertible 1x1 convolution."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.actnorm import LOG_SCALE_BOUND
from tfp_lcma.serialization import register


class TriangularFactors(keras.layers.Layer):
    """Holds a square matrix as `P L (U + diag(sign * exp(log_scale)))`.

    P and the signs stay as they were drawn; L has a unit diagonal, U none.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.build()

    def build(self, input_shape=None):
        start = keras.initializers.Orthogonal()((self.size, self.size), dtype="float64")
        factors, order = tf.linalg.lu(start)
        diagonal = tf.linalg.diag_part(factors)

        def weight(name, value, trainable=True):
            variable = self.add_weight(value.shape, trainable=trainable, name=name)
            variable.assign(tf.cast(value, variable.dtype))
            return variable

        # lu() orders rows: start = rows of L U gathered by the inverse of `order`.
        permutation = tf.transpose(tf.one_hot(order, self.size, dtype=tf.float64))
        share = tf.math.log(tf.abs(diagonal)) / LOG_SCALE_BOUND
        share = tf.clip_by_value(share, -0.99, 0.99)
        self.permutation = weight("permutation", permutation, trainable=False)
        self.sign = weight("sign", tf.sign(diagonal), trainable=False)
        self.lower = weight("lower", factors)
        self.upper = weight("upper", factors)
        self.raw_log_scale = weight("raw_log_scale", LOG_SCALE_BOUND * tf.math.atanh(share))
        self.built = True

    def log_scale(self) -> tf.Tensor:
        """Returns the smoothly bounded logarithms of the diagonal's absolute values."""
        return LOG_SCALE_BOUND * tf.tanh(self.raw_log_scale.value / LOG_SCALE_BOUND)

    def factors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the permutation, the lower and the upper triangular matrix."""
        strict = tf.ones((self.size, self.size), self.lower.value.dtype)
        strict -= tf.linalg.band_part(strict, -1, 0)  # true above the diagonal
        lower = self.lower.value * tf.transpose(strict) + tf.eye(self.size, dtype=strict.dtype)
        diagonal = tf.linalg.diag(self.sign.value * tf.exp(self.log_scale()))
        return self.permutation.value, lower, self.upper.value * strict + diagonal


@register
class InvertibleConvolution(FlowBijector):
    """Multiplies the channels of every position by one learned matrix W.

    ```none
    inverse   z = W x,  W = P L (U + diag(sign * exp(log_scale)))
    forward   x = W^{-1} z
    log-det   sum(log_scale) / channels at every dimension: log |det W| in sum
    ```

    W starts as a random rotation. All of a position's dimensions share its
    log-det alike, since W mixes them.

    References:
      Kingma, Dhariwal: Glow, section 3.2.
    """

    def __init__(self, event_shape: Sequence[int], *, dtype: str = "float32", name=None):
        """Mixes the channels of images of `event_shape`."""
        self._layer = TriangularFactors(event_shape[-1], dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        permutation, lower, upper = self._layer.factors()
        z = tf.tensordot(x, tf.transpose(permutation @ lower @ upper), axes=1)
        return z, tf.zeros_like(z) + tf.reduce_mean(self._layer.log_scale())

    def forward_and_event_log_det(self, z, condition=None, training=False):
        permutation, lower, upper = self._layer.factors()
        unpermuted = tf.transpose(permutation)
        inverse = tf.linalg.triangular_solve(lower, unpermuted, lower=True)
        inverse = tf.linalg.triangular_solve(upper, inverse, lower=False)
        x = tf.tensordot(z, tf.transpose(inverse), axes=1)
        return x, tf.zeros_like(x) - tf.reduce_mean(self._layer.log_scale())
