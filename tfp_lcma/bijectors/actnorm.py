"""A flow that normalises channels, starting from one batch."""

from collections.abc import Sequence

import tensorflow as tf

from tfp_lcma.bijectors.channel_flow import ChannelFlow, ChannelMap
from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.serialization import register


@register
class ActNorm(ChannelFlow):
    """Shifts and scales every channel, starting from one batch's statistics.

    ```none
    inverse   z = (x + shift) * exp(log_scale)
    forward   x = z * exp(-log_scale) - shift
    log-det   log_scale at every position
    ```

    The start is explicit: it happens in an inverse pass whose context says
    `starting`, as that of `FlowModel.initialize` does, which `fit` calls with its
    first batch. Nothing else, sampling included, can set it off.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    actnorm = lcma.bijectors.ActNorm((4, 4, 3))
    x = tf.random.normal((64, 4, 4, 3), mean=5.0)
    # It starts from this batch.
    actnorm.inverse(x, context=lcma.bijectors.Context(starting=True))
    round(abs(float(tf.reduce_mean(actnorm.inverse(x)))), 3)  # 0.0
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.1.
    """

    def __init__(self, event_shape: Sequence[int], *, dtype: str = "float32", name=None):
        """Normalises the channels of images of `event_shape`.

        Args:
            event_shape: `(height, width, channels)`.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `event_shape` is not that of an image.
        """
        self._layer = ActNormLayer(event_shape[-1], dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        if context.starting:
            self._layer.initialize(x)
        return super().carry_inverse(x, log_det, context)

    def inverse_map(self) -> ChannelMap:
        scale = tf.exp(self._layer.log_scale())
        return ChannelMap(scale, self._layer.shift.value * scale)

    def forward_map(self) -> ChannelMap:
        return ChannelMap(tf.exp(-self._layer.log_scale()), -self._layer.shift.value)

    def channel_log_det(self) -> tf.Tensor:
        return self._layer.log_scale()
