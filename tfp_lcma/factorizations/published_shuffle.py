"""The shuffle of EIW-Flow's authors: one learned order of the channels for all images."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.factorizations.shuffle import Shuffle, check_shuffle
from tfp_lcma.networks.channel_weights import ChannelWeights
from tfp_lcma.serialization import register


@register
class PublishedShuffle(Shuffle):
    """Sorts channels by learned weights, the heaviest first. Log-det 0.

    ```none
    inverse   z = x, channels by descending w = softmax(W2 relu(W1 C)), C their number
    forward   x = z, channels in the order from which that takes them
    ```

    The weights depend on no image: both directions read one order from the same variables, which
    changes while they learn and is exact at any moment. Sorting has no gradient; the weights learn
    by the loss of `ChannelWeights`, in training.

    References:
        The code of the authors of "Entropy-Informed Weighting Channel Normalizing Flow".
    """

    routes_change = True

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        weight: float = 1e-3,
        reverse: bool = False,
        name: str | None = None,
    ):
        """Creates the shuffle.

        Args:
            event_shape: `(height, width, channels)`, an even number of channels.
            staying: How many channels stay; None: half of them.
            weight: Of the loss by which the weights learn, in bits per dimension.
            reverse: Whether channels are sorted by ascending weights: the heaviest are factored
                out.
            name: Name of the bijector.

        Raises:
            ValueError: If the number of channels is odd.
        """
        channels = check_shuffle(event_shape, 2)
        self._weights = ChannelWeights(channels, weight)
        super().__init__(
            event_shape, staying=staying, reverse=reverse, layers=[self._weights], name=name
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self._weights.weight}

    def scores(self, x):
        # The highest are factored out: the lightest channels.
        return -tf.cast(self._weights.log_weights(), tf.float32)[None]

    def route(self, index):
        with tf.init_scope():
            order = self._order_back(None)[0].numpy()
        return index[..., order]

    def carry_inverse(self, x, log_det, context):
        z, log_det = super().carry_inverse(x, log_det, context)
        if context.training:
            dimensions = context.dimensions or int(np.prod(self.event_shape))
            self._weights(z, dimensions=dimensions, rows=context.rows)
        return z, log_det

    def _order(self, x, context):
        return self._order_back(x)

    def _order_back(self, z):
        log_weights = self._weights.log_weights()[None]
        return tf.argsort(log_weights if self._reverse else -log_weights, axis=-1, stable=True)
