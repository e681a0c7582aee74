"""Shifts."""

import tensorflow as tf

from tfp_lcma.bijectors.transforms.transform import Transform
from tfp_lcma.serialization import register


@register
class Additive(Transform):
    """Shifts: z = x + shift, log-det 0.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((8, 8, 1), levels=1, steps=2, width=8, coupling="additive")
    ```

    References:
        Dinh, Krueger, Bengio: NICE, section 3.2.
    """

    parameters_per_dimension = 1

    def get_config(self) -> dict:
        return {}

    def inverse(self, x, parameters):
        return x + parameters[..., 0], tf.zeros_like(x)

    def forward(self, z, parameters):
        return z - parameters[..., 0], tf.zeros_like(z)
