"""Flows between pixel intensities and the unbounded space that a flow models."""

import numbers
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.serialization import register


def check_bins(bins: int) -> int:
    """Returns the number of intensity values, or raises a ValueError."""
    if not isinstance(bins, numbers.Real) or int(bins) != bins or not 2 <= bins <= 256:
        raise ValueError(f"bins must be a whole number from 2 to 256; got {bins!r}.")
    return int(bins)


@register
class LogitPreprocessing(FlowBijector):
    r"""Maps dequantised intensities in [0, bins) to the real line.

    ```math
    p &= \alpha + (1 - 2 \alpha) \, x / \text{bins} \\
    \text{inverse} \quad y &= \log p - \log(1 - p) \\
    \text{forward} \quad x &= \text{bins} \, (\sigma(y) - \alpha) / (1 - 2 \alpha) \\
    \text{log-det} \quad d &= -\log p - \log(1 - p) + \log(1 - 2 \alpha) - \log \text{bins}
    ```

    The support is a little wider than the pixel range: p in (0, 1).

    ```python
    import numpy as np

    import tfp_lcma as lcma

    preprocessing = lcma.bijectors.LogitPreprocessing((1, 2, 1), bins=256, dtype="float64")
    x = np.array([0.0, 128.0]).reshape(1, 1, 2, 1)
    np.ravel(preprocessing.inverse(x)).round(2).tolist()  # [-2.94, 0.0]
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section
        4.1. The paper prints alpha + (1 - alpha) x / 256, which diverges at 256;
        its published code uses the form above.
    """

    defined_everywhere = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        bins: int = 256,
        alpha: float = 0.05,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the map.

        Args:
            event_shape: `(height, width, channels)`.
            bins: Number of intensity values of the data.
            alpha: Distance kept from the ends of the unit interval, in (0, 0.5).
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `bins` or `alpha` is out of range.
        """
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha must be between 0 and 0.5; got {alpha}.")
        super().__init__(event_shape, dtype=dtype, name=name)
        self.bins, self.alpha = check_bins(bins), float(alpha)
        self._log_scale = float(np.log1p(-2 * alpha) - np.log(bins))

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "bins": self.bins,
            "alpha": self.alpha,
            "dtype": self.dtype.name,
        }

    def within_support(self, x, context):
        p = self._share(x)
        inside = ((p > 0) & (p < 1)) | tf.math.is_nan(x)
        middle = tf.constant(self.bins / 2, x.dtype)
        return tf.where(inside, x, middle), tf.reduce_all(inside, axis=(1, 2, 3))

    def carry_inverse(self, x, log_det, context):
        p = self._share(x)
        y = tf.math.log(p) - tf.math.log1p(-p)
        return y, log_det.plus(lambda: self._log_det(y))

    def carry_forward(self, z, log_det, context):
        x = self.bins * (tf.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha)
        return x, log_det.plus(lambda: -self._log_det(z))

    def _share(self, x):
        return self.alpha + (1 - 2 * self.alpha) * x / self.bins

    def _log_det(self, y):
        return tf.nn.softplus(y) + tf.nn.softplus(-y) + self._log_scale


@register
class AffinePreprocessing(FlowBijector):
    """Maps dequantised intensities in [0, bins) to [-1/2, 1/2): y = x / bins - 1/2.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    preprocessing = lcma.bijectors.AffinePreprocessing((1, 2, 1), bins=256)
    x = np.array([0.0, 192.0], "float32").reshape(1, 1, 2, 1)
    np.ravel(preprocessing.inverse(x)).tolist()  # [-0.5, 0.25]
    ```

    References:
        Kingma, Dhariwal: Glow, the published code's preprocessing.
    """

    # The largest value.
    limit = 0.5

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        bins: int = 256,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the map.

        Args:
            event_shape: `(height, width, channels)`.
            bins: Number of intensity values of the data.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `bins` is no whole number from 2 to 256.
        """
        super().__init__(event_shape, dtype=dtype, name=name)
        self.bins = check_bins(bins)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "bins": self.bins, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        added = tf.zeros_like(x) - float(np.log(self.bins / (2 * self.limit)))
        return 2 * self.limit * (x / self.bins - 0.5), log_det.plus(added)

    def carry_forward(self, z, log_det, context):
        added = tf.zeros_like(z) + float(np.log(self.bins / (2 * self.limit)))
        return (z / (2 * self.limit) + 0.5) * self.bins, log_det.plus(added)


@register
class SymmetricPreprocessing(AffinePreprocessing):
    """Maps dequantised intensities in [0, bins) to [-1, 1): y = 2 x / bins - 1.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    preprocessing = lcma.bijectors.SymmetricPreprocessing((1, 2, 1), bins=256)
    x = np.array([0.0, 192.0], "float32").reshape(1, 1, 2, 1)
    np.ravel(preprocessing.inverse(x)).tolist()  # [-1.0, 0.5]
    ```

    Args:
        event_shape: `(height, width, channels)`.
        bins: Number of intensity values of the data.
        dtype: Type of activations and log-dets.
        name: Name of the bijector.

    Raises:
        ValueError: If `bins` is no whole number from 2 to 256.

    References:
        Kolesnikov, Pinto, Tschannen: Jet, the published code's preprocessing.
    """

    limit = 1.0
