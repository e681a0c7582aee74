"""Any half of an image's dimensions, by an order of all of them."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.moves import check_order, permute
from tfp_lcma.bijectors.partition import Partition
from tfp_lcma.serialization import register


@register
class Halves(Partition):
    """Keeps the first half of an order of all dimensions and moves the second.

    ```none
    kept.flat[k] = x.flat[order.flat[k]],  moved.flat[k] = x.flat[order.flat[n/2 + k]]
    ```

    A network sees either half as `[height, width, channels / 2]`, whichever dimensions it is made
    of: halves of the channels and halves of the positions have one shape, and couplings of both
    kinds can be steps of one `Repeated`. Every dimension comes back to its own place.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    shape = (4, 4, 2)
    rows = np.arange(32).reshape(shape)  # the upper two rows are kept
    coupling = lcma.bijectors.Coupling(lcma.bijectors.Halves(rows), lcma.networks.Convolutional(8))
    coupling.partition.input_shape  # (4, 4, 1)
    ```

    References:
        Kolesnikov, Pinto, Tschannen: Jet, section 3; google-research/big_vision,
        models/proj/jet/jet.py (channel and spatial couplings in one scan).
    """

    def __init__(self, order: np.ndarray, maps: np.ndarray | None = None):
        """Creates the partition.

        Args:
            order: Integer array of the event's shape, an even number of channels: the flat
                indices of the dimensions, those that are kept first.
            maps: Constant arrays that a network sees behind its input; None: none.

        Raises:
            ValueError: If `order` does not name every dimension exactly once, or the number of
                channels is odd.
        """
        super().__init__(maps)
        order = np.asarray(order)
        self.event_shape = image_shape(order.shape, "order.shape")
        height, width, channels = self.event_shape
        if channels % 2:
            raise ValueError(f"order must have an even number of channels; got {channels}.")
        check_order(order, "order")
        self._order = order.astype(np.int32)
        self._half = (height, width, channels // 2)
        self.moved_channels = channels // 2

    def get_config(self) -> dict:
        return {"order": self._order, "maps": self.maps}

    @property
    def constants(self):
        return {**super().constants, "order": self._order}

    def split(self, x, constants):
        order, order_back = _both_ways(constants)
        ordered = permute(tf.reshape(x, (-1, self._order.size)), order, order_back)
        kept, moved = tf.split(ordered, 2, axis=-1)
        return tf.reshape(kept, (-1, *self._half)), tf.reshape(moved, (-1, *self._half))

    def join(self, kept, moved, constants):
        order, order_back = _both_ways(constants)
        halves = [tf.reshape(half, (-1, self._order.size // 2)) for half in (kept, moved)]
        whole = permute(tf.concat(halves, axis=-1), order_back, order)
        return tf.reshape(whole, (-1, *self.event_shape))


def _both_ways(constants):
    """Returns the order and its inverse as vectors."""
    order = tf.reshape(constants["order"], (-1,))
    return order, tf.math.invert_permutation(order)
