"""Flows that only move dimensions: squeeze, unsqueeze and fixed permutation. Log-det 0."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.backward import Backward
from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.custom_gradient import with_gradient
from tfp_lcma.serialization import register


class Rearrangement(FlowBijector):
    """A fixed move of dimensions; per-dimension tensors move along.

    A subclass writes `_arrange` (data to latent) and `_restore`, both on
    `[batch, height, width, channels]`, and `route`.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma


    class Mirror(lcma.bijectors.Rearrangement):
        def _arrange(self, x):
            return tf.reverse(x, [2])

        def _restore(self, z):
            return tf.reverse(z, [2])

        def route(self, index):
            return index[:, ::-1]

        def get_config(self):
            return {"event_shape": self.event_shape}


    flow = Mirror((2, 2, 1))
    ```
    """

    def __init__(self, event_shape, *, latent_shape=None, layers=(), name=None):
        super().__init__(
            event_shape, dtype=None, latent_shape=latent_shape, layers=layers, name=name
        )

    def _arrange(self, x: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _arrange().")

    def _restore(self, z: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _restore().")

    def carry_inverse(self, x, log_det, context):
        return self._arrange(x), log_det.moved(self._arrange)

    def carry_forward(self, z, log_det, context):
        return self._restore(z), log_det.moved(self._restore)

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        # A permutation's transpose is its inverse.
        return Backward(self._restore(z), self._restore(dz), dlog_det.moved(self._restore), {})


def squeezed_shape(event_shape: Sequence[int]) -> tuple[int, int, int]:
    """Returns the shape after a squeeze, or raises a ValueError if a side is odd."""
    height, width, channels = image_shape(event_shape, "event_shape")
    if height % 2 or width % 2:
        raise ValueError(
            f"event_shape must have an even height and width to be squeezed; got {event_shape}."
        )
    return height // 2, width // 2, 4 * channels


def _space_to_channels(images, event_shape, library=tf):
    """[batch, h, w, c] -> [batch, h/2, w/2, 4c] in TensorFlow or numpy."""
    h, w, c = event_shape
    blocks = library.reshape(images, (-1, h // 2, 2, w // 2, 2, c))
    blocks = library.transpose(blocks, (0, 1, 3, 5, 2, 4))
    return library.reshape(blocks, (-1, h // 2, w // 2, 4 * c))


def _channels_to_space(view, event_shape, library=tf):
    """[batch, h/2, w/2, 4c] -> [batch, h, w, c] in TensorFlow or numpy."""
    h, w, c = event_shape
    blocks = library.reshape(view, (-1, h // 2, w // 2, c, 2, 2))
    blocks = library.transpose(blocks, (0, 1, 4, 2, 5, 3))
    return library.reshape(blocks, (-1, h, w, c))


@register
class Squeeze(Rearrangement):
    """Turns every 2x2 block of pixels into channels: [h, w, c] -> [h/2, w/2, 4c].

    Entry `channel * 4 + dy * 2 + dx` of the result is sub-position (dy, dx) of
    `channel`. This is the order in which factorizations see a level (its view).

    ```python
    import tfp_lcma as lcma

    flow = lcma.bijectors.Squeeze((8, 8, 3))
    flow.latent_shape  # (4, 4, 12)
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def __init__(self, event_shape: Sequence[int], name: str | None = None):
        """Creates the move.

        Args:
            event_shape: `(height, width, channels)`, height and width even.
            name: Name of the bijector.

        Raises:
            ValueError: If height or width is odd.
        """
        super().__init__(event_shape, latent_shape=squeezed_shape(event_shape), name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape}

    def _arrange(self, x):
        return _space_to_channels(x, self.event_shape)

    def _restore(self, z):
        return _channels_to_space(z, self.event_shape)

    def route(self, index):
        return _space_to_channels(index[None], self.event_shape, np)[0]


@register
class Unsqueeze(Rearrangement):
    """Undoes a squeeze: [h/2, w/2, 4c] -> [h, w, c].

    ```python
    import tfp_lcma as lcma

    flow = lcma.bijectors.Unsqueeze((8, 8, 3))
    flow.event_shape, flow.latent_shape  # ((4, 4, 12), (8, 8, 3))
    ```
    """

    def __init__(self, image_shape: Sequence[int], name: str | None = None):
        """Creates the move.

        Args:
            image_shape: `(height, width, channels)` of the latent, before it is squeezed.
            name: Name of the bijector.

        Raises:
            ValueError: If height or width is odd.
        """
        super().__init__(squeezed_shape(image_shape), latent_shape=image_shape, name=name)

    def get_config(self) -> dict:
        return {"image_shape": self.latent_shape}

    def _arrange(self, x):
        return _channels_to_space(x, self.latent_shape)

    def _restore(self, z):
        return _space_to_channels(z, self.latent_shape)

    def route(self, index):
        return _channels_to_space(index[None], self.latent_shape, np)[0]


@register
class Permutation(Rearrangement):
    """Reorders the dimensions of an image by a fixed permutation.

    ```none
    inverse   z.flat[k] = x.flat[index.flat[k]]
    forward   x.flat[index.flat[k]] = z.flat[k]
    ```

    Where every position orders its channels alike this is one gather along the
    channels, else one along the flattened event. The gradient of either is the
    inverse gather, not TensorFlow's default, a scatter.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    upside_down = np.arange(16).reshape(4, 4, 1)[::-1]
    flow = lcma.bijectors.Permutation(upside_down)
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    flow.inverse(x)[0, 0, :, 0].numpy().tolist()  # [12.0, 13.0, 14.0, 15.0]
    ```
    """

    def __init__(self, index: np.ndarray, name: str | None = None):
        """Creates the permutation.

        Args:
            index: Integer array of the event's shape: the flat index of the
                dimension that each place receives.
            name: Name of the bijector.

        Raises:
            ValueError: If `index` does not name every dimension exactly once.
        """
        index = np.asarray(index)
        shape = image_shape(index.shape, "index.shape")
        check_order(index, "index")
        super().__init__(shape, name=name)
        self._index = index.astype(np.int32)
        channels = shape[-1]
        order = self._index - np.arange(0, index.size, channels).reshape(*shape[:2], 1)
        self._within_channels = bool(np.all(order == order[0, 0]))
        order = order[0, 0] if self._within_channels else self._index.ravel()
        self._moves_nothing = np.array_equal(order, np.arange(order.size))
        self._gather, self._gather_back = order, np.argsort(order).astype(np.int32)

    def get_config(self) -> dict:
        return {"index": self._index}

    def _arrange(self, x):
        return self._reorder(x, self._gather, self._gather_back)

    def _restore(self, z):
        return self._reorder(z, self._gather_back, self._gather)

    def route(self, index):
        return index.reshape(-1)[self._index]

    def _reorder(self, x, order, order_back):
        if self._moves_nothing:
            return x
        if self._within_channels:
            return permute(x, order, order_back)
        flat = tf.reshape(x, (-1, self._index.size))
        return tf.reshape(permute(flat, order, order_back), (-1, *self.event_shape))


def check_order(index: np.ndarray, argument: str) -> None:
    """Raises a ValueError unless an array, given as `argument`, holds every flat index once."""
    if not np.array_equal(np.sort(index, axis=None), np.arange(index.size)):
        raise ValueError(
            f"{argument} must hold every integer from 0 to {index.size - 1} exactly once; "
            f"got {np.unique(index).size} distinct values in [{index.min()}, {index.max()}]."
        )


def permute(x: tf.Tensor, order, order_back) -> tf.Tensor:
    """Gathers the last axis by `order`; the gradient gathers by its inverse, `order_back`."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    order, order_back = tf.cast(order, tf.int64), tf.cast(order_back, tf.int64)

    def gather(rows, order, order_back):
        def gradient(upstream):
            return gather(upstream, order_back, order), None, None

        def forward(rows, order, order_back):
            return [tf.gather(rows, order, axis=1)]

        return with_gradient(forward, gradient, rows, order, order_back)[0]

    permuted = tf.reshape(gather(rows, order, order_back), tf.shape(x))
    permuted.set_shape(x.shape)
    return permuted
