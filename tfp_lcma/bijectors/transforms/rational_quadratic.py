"""Monotone rational-quadratic splines."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors.transforms.transform import Transform, shaped_like
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# No bin is narrower, and no slope smaller, than this share of what it would be alone.
LEAST = 1e-2


@register
class RationalQuadratic(Transform):
    """A monotone rational-quadratic spline on [-bound, bound], the identity outside.

    ```none
    widths, heights = 2 bound * (least + (1 - K least) softmax(raw)),  K bins each
    slopes          = least + softplus(raw + softplus^{-1}(1 - least)) at the K - 1 knots inside
    inverse   z = spline(x),  log-det log spline'(x)
    ```

    Behind a last layer of zeros it is the identity. Slopes at the two ends are 1,
    so that it goes over into the identity smoothly.

    ```python
    import tfp_lcma as lcma

    spline = lcma.transforms.RationalQuadratic(bins=4, bound=3.0)
    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4, coupling=spline)
    ```

    References:
        Durkan, Bekasov, Murray, Papamakarios: Neural spline flows, section 3.1; the
        spline is TFP's `RationalQuadraticSpline`.
    """

    def __init__(self, bins: int = 8, bound: float = 4.0):
        """Creates the transform.

        Args:
            bins: Number K of pieces.
            bound: Where the identity begins.

        Raises:
            ValueError: If `bins` is no whole number from 2 to 64, or `bound` not positive.
        """
        self._bins, self._bound = check_count(bins, "bins"), float(bound)
        if not 2 <= self._bins <= 64:
            raise ValueError(f"bins must be a whole number from 2 to 64; got {bins!r}.")
        if not 0 < self._bound < np.inf:
            raise ValueError(f"bound must be positive and finite; got {bound!r}.")
        self.parameters_per_dimension = 3 * self._bins - 1

    def get_config(self) -> dict:
        return {"bins": self._bins, "bound": self._bound}

    def inverse(self, x, parameters):
        spline, x = self._spline(parameters), tf.identity(x)
        return shaped_like(x, spline.forward(x), spline.forward_log_det_jacobian(x, 0))

    def forward(self, z, parameters):
        spline, z = self._spline(parameters), tf.identity(z)
        return shaped_like(z, spline.inverse(z), spline.inverse_log_det_jacobian(z, 0))

    def _spline(self, raw):
        k = self._bins
        widths, heights, slopes = tf.split(raw, [k, k, k - 1], axis=-1)

        def lengths(raw):
            return 2 * self._bound * (LEAST + (1 - k * LEAST) * tf.nn.softmax(raw))

        one = float(np.log(np.expm1(1 - LEAST)))
        return tfp.bijectors.RationalQuadraticSpline(
            bin_widths=lengths(widths),
            bin_heights=lengths(heights),
            knot_slopes=LEAST + tf.nn.softplus(slopes + one),
            range_min=-self._bound,
        )
