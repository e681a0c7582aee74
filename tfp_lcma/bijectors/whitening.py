"""A learned 1x1 convolution that starts by whitening the channels."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.batch_statistics import START_IMAGES
from tfp_lcma.bijectors.convolution import MatrixFlow, TriangularFactors
from tfp_lcma.bijectors.rotation import definite_signs
from tfp_lcma.serialization import register

# Eigenvalues lie between exp(-12) and exp(12): scales are at most exp(6), within their bound.
_LOG_EIGENVALUE_BOUND = 12.0
# And no more than this below the largest: float32 inverts the matrix to about 1e-4.
_LEAST_SHARE = 1e-6
# Rows of float64 that are there at once.
_ROWS = 65536


@register
class WhiteningFactors(TriangularFactors):
    """Factors of a matrix that starts as the one that whitens its input.

    Attributes:
        start_images: How many images the start asks for.
    """

    start_images = START_IMAGES

    def build(self, input_shape=None):
        super().build(input_shape)
        self.initialized = self.add_weight(
            (), initializer="zeros", trainable=False, name="initialized"
        )

    @property
    def start_flags(self) -> list[keras.Variable]:
        """The variable that says whether the matrix was chosen."""
        return [self.initialized]

    def initialize(self, x: tf.Tensor) -> None:
        """Chooses the matrix by images `[batch, height, width, channels]`."""
        self.assign(tf.constant(whitening_matrix(np.asarray(x))))
        self.initialized.assign(1.0)


@register
class Whitening(MatrixFlow):
    r"""A learned matrix W of the channels, which starts by making them uncorrelated, of variance 1.

    ```math
    \text{inverse} \quad z &= x W, \quad W = U \Lambda^{-1/2} \text{ at the start} \\
    \text{forward} \quad x &= z W^{-1} \\
    \text{log-det} \quad d &= \tfrac1c \log |\det W|, \quad \text{at every one of c dimensions}
    ```

    The columns of U are the eigenvectors of the channels' covariance over the start's images and
    positions, those of the largest eigenvalues first, each with the sign that makes its largest
    entry positive; Λ has the eigenvalues. From there W is learned as that of
    `InvertibleConvolution`, whose factors hold it. There is no shift: the mean is left to what
    stands before and after, such as an actnorm.

    The start is made in an inverse pass whose context says `starting`, as an actnorm's is, from
    all images of that pass; `FlowModel.fit` gives it 2,048 images, if it has so many. Eigenvalues
    count as no less than a millionth of the largest and lie between exp(-12) and exp(12), so that
    a constant channel leaves W invertible. With no more positions in all images together than
    channels, some directions were never seen: they have the smallest eigenvalue that was.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.bijectors.Whitening((4, 4, 2))
    x = tf.random.normal((64, 4, 4, 1)) + 0.1 * tf.random.normal((64, 4, 4, 2))
    flow.inverse(x, context=lcma.bijectors.Context(starting=True))
    z = tf.reshape(flow.inverse(x), (-1, 2))
    z -= tf.reduce_mean(z, axis=0)
    covariance = tf.transpose(z) @ z / len(z)
    bool(tf.reduce_all(abs(covariance - tf.eye(2)) < 1e-3))  # True
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.2. The start is this package's.
    """

    _layer: WhiteningFactors

    def __init__(
        self, event_shape: Sequence[int], *, dtype: str = "float32", name: str | None = None
    ):
        """Creates the convolution, W a random rotation until it starts.

        Args:
            event_shape: Shape of the images whose channels it mixes.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `event_shape` is not that of an image.
        """
        layer = WhiteningFactors(event_shape[-1], dtype=dtype)
        super().__init__(event_shape, layer, dtype, name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        if context.starting:
            self._layer.initialize(x)
        return super().carry_inverse(x, log_det, context)


def whitening_matrix(x: np.ndarray) -> np.ndarray:
    """Returns W, float64 `[channels, channels]`: `x @ W` has identity covariance.

    Its columns go from the largest to the smallest eigenvalue of the covariance of `x`, floored
    as `Whitening` says.

    Args:
        x: `[batch, height, width, channels]`.
    """
    rows = x.reshape(-1, x.shape[-1])
    count, channels = rows.shape
    mean = rows.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((channels, channels))
    for start in range(0, count, _ROWS):
        centred = rows[start : start + _ROWS] - mean
        covariance += centred.T @ centred / count
    values, vectors = np.linalg.eigh(covariance)
    values, axes = values[::-1].copy(), definite_signs(vectors.T[::-1])
    seen = min(channels, count - 1)
    values[seen:] = values[seen - 1] if seen else 1.0
    bound = math.exp(_LOG_EIGENVALUE_BOUND)
    values = values.clip(max(_LEAST_SHARE * values[0], 1 / bound), bound)
    return axes.T / np.sqrt(values)
