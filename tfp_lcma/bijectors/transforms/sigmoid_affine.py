"""Shifts, and scales below two."""

import math

import tensorflow as tf

from tfp_lcma.bijectors.transforms.transform import Transform
from tfp_lcma.serialization import register


@register
class SigmoidAffine(Transform):
    """Shifts and scales by twice a sigmoid, which starts at one with a network that starts at zero.

    ```none
    shift, raw = network's output
    inverse   z = (x + shift) * 2 sigmoid(raw)
    forward   x = z / (2 sigmoid(raw)) - shift
    log-det   log 2 + log sigmoid(raw)
    ```

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((8, 8, 1), levels=1, steps=2, width=8, coupling="sigmoid_affine")
    ```

    No scale is above two; towards zero they have no bound.

    References:
        Kolesnikov, Pinto, Tschannen: Jet: A modern transformer-based normalizing flow, section 3.
    """

    parameters_per_dimension = 2

    def get_config(self) -> dict:
        return {}

    def inverse(self, x, parameters):
        shift, log_scale = _shift_and_log_scale(parameters)
        return (x + shift) * tf.exp(log_scale), log_scale

    def forward(self, z, parameters):
        shift, log_scale = _shift_and_log_scale(parameters)
        return z * tf.exp(-log_scale) - shift, -log_scale


def _shift_and_log_scale(parameters):
    shift, raw = tf.unstack(parameters, axis=-1)
    return shift, math.log(2) + tf.math.log_sigmoid(raw)
