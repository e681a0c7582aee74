"""A permutation within positions whose index is a variable: it can change between two steps."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.moves import Rearrangement, permute
from tfp_lcma.serialization import register


@register
class IndexLayer(keras.layers.Layer):
    """Holds an index, its inverse, and whether it is settled; saved with the model's weights."""

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.build()

    def build(self, input_shape=None):
        def state(name, shape):
            # int64: TensorFlow keeps int32 variables away from accelerators.
            return self.add_weight(
                shape, initializer="zeros", dtype="int64", trainable=False, name=name
            )

        # The index and its inverse, side by side: one assignment changes both.
        self.indices = state("indices", (2, self.size))
        self.decided = state("decided", ())
        self.built = True


@register
class VariablePermutation(Rearrangement):
    """Reorders the entries of every position by an index that can be assigned.

    ```none
    inverse   z.flat[k] = x.flat[index[k]]
    forward   x.flat[index[k]] = z.flat[k]
    ```

    It is exact for whatever index it holds, and no assignment changes a shape or a traced
    function. `exit_map` and `level_index` of a flow with such a part follow the index; a function
    traced before an assignment that read them does not. The gradient is the inverse gather.

    ```python
    import numpy as np
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.bijectors.VariablePermutation((1, 1, 3))
    flow.assign(np.array([2, 0, 1]))
    x = tf.reshape([1.0, 2.0, 3.0], (1, 1, 1, 3))
    flow.inverse(x).numpy().ravel().tolist()  # [3.0, 1.0, 2.0]
    ```
    """

    routes_change = True

    def __init__(self, event_shape: Sequence[int], name: str | None = None):
        """Creates the permutation, at first the identity.

        Args:
            event_shape: `(height, width, channels)`.
            name: Name of the bijector.

        Raises:
            ValueError: If `event_shape` is not that of an image.
        """
        self._layer = IndexLayer(int(np.prod(image_shape(event_shape, "event_shape"))))
        super().__init__(event_shape, name=name, layers=[self._layer])
        self.assign(np.arange(self.event_shape[-1]))

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape}

    @property
    def decided(self) -> bool:
        """Whether the order is settled, as opposed to one drawn to measure by."""
        with tf.init_scope():
            return bool(self._layer.decided.numpy())

    @property
    def order(self) -> np.ndarray:
        """Which entry of its position each slot receives, integers of the event's shape."""
        with tf.init_scope():
            index = self._layer.indices.numpy()[0]
        return index.reshape(self.event_shape) % self.event_shape[-1]

    def assign(self, order: np.ndarray, decided: bool = False) -> None:
        """Sets the order.

        Args:
            order: Integers `[h, w, c]` or `[c]`: the entry of its position that
                each slot receives.
            decided: Whether this settles it.

        Raises:
            ValueError: If `order` does not name every entry of every position once.
        """
        height, width, channels = self.event_shape
        order = np.asarray(order)
        entries = np.arange(channels)
        if order.shape not in ((channels,), self.event_shape) or np.any(
            np.sort(order, axis=-1) != entries
        ):
            raise ValueError(
                f"order must hold 0 to {channels - 1} once at every position of "
                f"{self.event_shape}; got an array of shape {order.shape}."
            )
        first = np.arange(0, self._layer.size, channels).reshape(height, width, 1)
        index = (first + order).ravel()
        self._layer.indices.assign(np.stack([index, np.argsort(index)]))
        if decided:
            self._layer.decided.assign(1)

    def route(self, index):
        with tf.init_scope():
            return index.reshape(-1)[self._layer.indices.numpy()[0]].reshape(self.event_shape)

    def _arrange(self, x):
        order, order_back = tf.unstack(tf.convert_to_tensor(self._layer.indices.value))
        return self._gather(x, order, order_back)

    def _restore(self, z):
        order, order_back = tf.unstack(tf.convert_to_tensor(self._layer.indices.value))
        return self._gather(z, order_back, order)

    def _gather(self, x, order, order_back):
        flat = permute(tf.reshape(x, (-1, self._layer.size)), order, order_back)
        return tf.reshape(flat, (-1, *self.event_shape))
