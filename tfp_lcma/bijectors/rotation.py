"""A fixed rotation of every position's channels."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.products import matmul
from tfp_lcma.serialization import register


@register
class Rotation(FlowBijector):
    """Multiplies the channels of every position by a constant orthogonal matrix Q.

    ```none
    inverse   z = Q x
    forward   x = Q^T z
    log-det   0
    ```

    A per-dimension tensor travels by Q∘Q, the squares of the entries, whose rows and columns sum
    to one: every dimension's share goes to the components it is part of, and the sum is kept.

    ```python
    import numpy as np
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.bijectors.Rotation((1, 1, 2), np.array([[0.6, 0.8], [0.8, -0.6]]))
    x = tf.reshape([5.0, 10.0], (1, 1, 1, 2))
    flow.inverse(x).numpy().ravel().round().tolist()  # [11.0, -2.0]
    ```
    """

    def __init__(self, event_shape: Sequence[int], matrix: np.ndarray, name: str | None = None):
        """Creates the rotation.

        Args:
            event_shape: `(height, width, channels)`.
            matrix: Q, `[channels, channels]`; row k gives component k.
            name: Name of the bijector.

        Raises:
            ValueError: If `matrix` is not orthogonal, or of another size.
        """
        super().__init__(event_shape, dtype=None, name=name)
        matrix = np.array(matrix, np.float64)
        channels = self.event_shape[-1]
        if matrix.shape != (channels, channels):
            raise ValueError(f"matrix must be of shape {(channels, channels)}; got {matrix.shape}.")
        error = np.abs(matrix @ matrix.T - np.eye(channels)).max()
        if not error < 1e-6:
            raise ValueError(f"matrix must be orthogonal; Q Q^T is off by {error:.2g}.")
        self._matrix = matrix

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "matrix": self._matrix}

    def carry_inverse(self, x, log_det, context):
        moved = log_det.moved(lambda t: _mix(t, self._matrix**2))
        return _mix(x, self._matrix), moved

    def carry_forward(self, z, log_det, context):
        moved = log_det.moved(lambda t: _mix(t, self._matrix.T**2))
        return _mix(z, self._matrix.T), moved


def _mix(x, matrix):
    """Multiplies the last axis of `x` by `matrix`."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    return tf.reshape(matmul(rows, tf.constant(matrix.T, x.dtype)), tf.shape(x))


def definite_signs(rows: np.ndarray) -> np.ndarray:
    """Returns the rows with signs that make the largest entry of each positive."""
    largest = np.abs(rows).argmax(axis=1)
    return rows * np.sign(rows[np.arange(len(rows)), largest])[:, None]
