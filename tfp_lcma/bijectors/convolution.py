"""A learned, invertible 1x1 convolution."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.channel_flow import ChannelFlow, ChannelMap
from tfp_lcma.bijectors.products import matmul
from tfp_lcma.networks.actnorm import LOG_SCALE_BOUND
from tfp_lcma.serialization import register


@register
class TriangularFactors(keras.layers.Layer):
    """Holds a square matrix as `P^T L (U + diag(sign * exp(log_scale)))`.

    P and the signs stay as they were assigned; L has a unit diagonal, U none.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.build()

    def build(self, input_shape=None):
        start = keras.initializers.Orthogonal()((self.size, self.size), dtype="float64")
        square, diagonal = (self.size, self.size), (self.size,)
        self.permutation = self.add_weight(square, trainable=False, name="permutation")
        self.sign = self.add_weight(diagonal, trainable=False, name="sign")
        # No pass changes these but a start: a loop over steps need not look.
        self.permutation.is_constant = self.sign.is_constant = True
        self.lower = self.add_weight(square, name="lower")
        self.upper = self.add_weight(square, name="upper")
        self.raw_log_scale = self.add_weight(diagonal, name="raw_log_scale")
        self.assign(start)
        self.built = True

    def assign(self, matrix: tf.Tensor) -> None:
        """Takes on the values of a float64 matrix `[size, size]`, but for scales out of bounds."""
        factors, order = tf.linalg.lu(matrix)
        diagonal = tf.linalg.diag_part(factors)
        share = tf.clip_by_value(tf.math.log(tf.abs(diagonal)) / LOG_SCALE_BOUND, -0.99, 0.99)
        values = [
            # lu() orders rows: row i of L U is row order[i] of the matrix.
            (self.permutation, tf.one_hot(order, self.size, dtype=tf.float64)),
            (self.sign, tf.sign(diagonal)),
            (self.lower, factors),
            (self.upper, factors),
            (self.raw_log_scale, LOG_SCALE_BOUND * tf.math.atanh(share)),
        ]
        for variable, value in values:
            variable.assign(tf.cast(value, variable.dtype))

    def log_scale(self) -> tf.Tensor:
        """Returns the smoothly bounded logarithms of the diagonal's absolute values."""
        return LOG_SCALE_BOUND * tf.tanh(self.raw_log_scale.value / LOG_SCALE_BOUND)

    def log_det(self) -> tf.Tensor:
        """Returns log|det| of the matrix."""
        return tf.reduce_sum(self.log_scale())

    def matrix(self) -> tf.Tensor:
        """Returns the matrix."""
        lower, upper = self._factors()
        return matmul(matmul(tf.transpose(self.permutation.value), lower), upper)

    def inverse(self) -> tf.Tensor:
        """Returns the inverse of the matrix."""
        lower, upper = self._factors()
        unpermuted = tf.linalg.triangular_solve(lower, self.permutation.value, lower=True)
        return tf.linalg.triangular_solve(upper, unpermuted, lower=False)

    def _factors(self):
        """Returns the lower and the upper triangular matrix."""
        strict = tf.ones((self.size, self.size), self.lower.value.dtype)
        strict -= tf.linalg.band_part(strict, -1, 0)  # true above the diagonal
        lower = self.lower.value * tf.transpose(strict) + tf.eye(self.size, dtype=strict.dtype)
        diagonal = tf.linalg.diag(self.sign.value * tf.exp(self.log_scale()))
        return lower, self.upper.value * strict + diagonal


@register
class FreeMatrix(keras.layers.Layer):
    """Holds a square matrix as it is; its determinant costs a QR decomposition, which XLA knows.

    Nothing keeps it from becoming singular.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.build()

    def build(self, input_shape=None):
        start = keras.initializers.Orthogonal()
        self.weight = self.add_weight((self.size, self.size), initializer=start, name="weight")
        self.built = True

    def log_det(self) -> tf.Tensor:
        """Returns log|det| of the matrix."""
        triangle = tf.linalg.qr(self.weight.value)[1]
        return tf.reduce_sum(tf.math.log(tf.abs(tf.linalg.diag_part(triangle))))

    def matrix(self) -> tf.Tensor:
        """Returns the matrix."""
        return tf.identity(self.weight.value)

    def inverse(self) -> tf.Tensor:
        """Returns the inverse of the matrix."""
        rotation, triangle = tf.linalg.qr(self.weight.value)
        return tf.linalg.triangular_solve(triangle, tf.transpose(rotation), lower=False)


PARAMETERIZATIONS: dict[str, type[TriangularFactors] | type[FreeMatrix]] = {
    "lu": TriangularFactors,
    "plain": FreeMatrix,
}


class MatrixFlow(ChannelFlow):
    """Multiplies the channels of every position, as a row, by the matrix that a layer holds."""

    def __init__(
        self,
        event_shape: Sequence[int],
        layer: TriangularFactors | FreeMatrix,
        dtype: str,
        name: str | None = None,
    ):
        """Multiplies by the matrix of `layer`."""
        self._layer = layer
        super().__init__(event_shape, dtype=dtype, layers=[layer], name=name)

    def inverse_map(self) -> ChannelMap:
        return self._linear(self._layer.matrix())

    def forward_map(self) -> ChannelMap:
        return self._linear(self._layer.inverse())

    def channel_log_det(self) -> tf.Tensor:
        channels = self.event_shape[-1]
        return tf.fill([channels], self._layer.log_det() / channels)

    def _linear(self, matrix):
        return ChannelMap(matrix, tf.zeros(matrix.shape[0], matrix.dtype))


@register
class InvertibleConvolution(MatrixFlow):
    r"""Multiplies the channels of every position, as a row, by one learned matrix W.

    ```math
    \text{inverse} \quad z &= x W, \quad W = P^T L \, (U + \text{diag}(\pm e^s)) \\
    \text{forward} \quad x &= z W^{-1} \\
    \text{log-det} \quad d &= \tfrac1c \sum_j s_j, \quad \text{at every one of c dimensions}
    ```

    W starts as a random rotation; "plain" learns its entries as they are. All of
    a position's dimensions share its log-det alike, since W mixes them.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.bijectors.InvertibleConvolution((4, 4, 3))
    x = tf.random.normal((2, 4, 4, 3))
    bool(tf.reduce_all(abs(flow.forward(flow.inverse(x)) - x) < 1e-4))  # True
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.2.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        parameterization: str = "lu",
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the convolution.

        Args:
            event_shape: Shape of the images whose channels it mixes.
            parameterization: "lu", whose determinant is a product and whose scales
                are bounded, or "plain".
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `parameterization` is neither.
        """
        if parameterization not in PARAMETERIZATIONS:
            raise ValueError(
                f"parameterization must be one of {', '.join(PARAMETERIZATIONS)}; got "
                f"{parameterization!r}."
            )
        self._parameterization = parameterization
        layer = PARAMETERIZATIONS[parameterization](event_shape[-1], dtype=dtype)
        super().__init__(event_shape, layer, dtype, name)

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "parameterization": self._parameterization,
            "dtype": self.dtype.name,
        }
