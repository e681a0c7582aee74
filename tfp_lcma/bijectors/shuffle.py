"""What shuffles of channels have in common: who leaves, image by image, and how it is moved."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.flow_bijector import CarryingFlow
from tfp_lcma.networks.channel_router import ENTROPIES


class Shuffle(CarryingFlow):
    """Moves the channels that are to leave into the second half, image by image.

    The highest scores leave, or under `reverse` the lowest. Either half keeps
    its channels in their order, so that the scores decide nothing but who
    leaves. Scores are computed in float32 whatever the flow's type. A subclass
    writes `scores`, `_order` and `_order_back`, the last two for every image which
    channel each slot receives, from what goes in and from what comes out.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        entropy: str = "negentropy",
        reverse: bool = False,
        layers=(),
        name: str | None = None,
    ):
        super().__init__(event_shape, dtype=None, layers=layers, name=name)
        self._entropy, self._reverse = entropy, bool(reverse)

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "entropy": self._entropy,
            "reverse": self._reverse,
        }

    def scores(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the scores of what goes in: `[batch, channels]`, or `[1, channels]` for all."""
        raise NotImplementedError(f"{type(self).__name__} lacks scores().")

    def _order(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _order().")

    def _order_back(self, z: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _order_back().")

    def partition(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns which channel each slot receives, int32 `[batch, slots]`.

        Args:
          scores: `[batch, channels]`; of equal ones the earlier channel stays.
        """
        half = scores.shape[-1] // 2
        ranked = tf.argsort(-scores if self._reverse else scores, axis=-1, stable=True)
        stay, leave = tf.sort(ranked[:, :half], axis=-1), tf.sort(ranked[:, half:], axis=-1)
        return tf.concat([stay, leave], axis=-1)

    def carry_inverse(self, x, log_det, condition=None, training=False):
        order = self._order(x, training)
        return permute_channels(x, order), log_det.moved(lambda t: permute_channels(t, order))

    def carry_forward(self, z, log_det, condition=None, training=False):
        back = tf.argsort(self._order_back(z), axis=-1)
        return permute_channels(z, back), log_det.moved(lambda t: permute_channels(t, back))

    def transport_inverse(self, t, x):
        return permute_channels(t, self._order(x, False))

    def transport_forward(self, t, z):
        return permute_channels(t, tf.argsort(self._order_back(z), axis=-1))


def permute_channels(values: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Gathers channels of `[batch, h, w, channel]` by integers `[batch or 1, slot]`.

    The gradient gathers by the inverse.
    """
    shape = tf.shape(values)
    order = tf.broadcast_to(order, (shape[0], values.shape[-1]))
    pixels = tf.reshape(values, (shape[0], -1, values.shape[-1]))
    pixels = _permute_pixels(values.dtype)(pixels, order, tf.argsort(order, axis=-1))
    moved = tf.reshape(pixels, shape)
    moved.set_shape(values.shape)
    return moved


@functools.cache
def _permute_pixels(dtype: tf.DType):
    """Returns a function that permutes the last axis of `[batch, position, channel]`.

    Traced once, since TensorFlow never forgets a custom gradient's graph.
    """

    def gather(pixels, order):
        # Whole channels at a time: single numbers take a CPU twice as long, for all that is
        # turned round.
        channels = tf.gather(tf.transpose(pixels, (0, 2, 1)), order, axis=1, batch_dims=1)
        return tf.transpose(channels, (0, 2, 1))

    @tf.custom_gradient
    def permute(pixels, order, order_back):
        return gather(pixels, order), lambda upstream: (gather(upstream, order_back), None, None)

    index = tf.TensorSpec((None, None), tf.int32)
    pixels = tf.TensorSpec((None, None, None), dtype)
    return tf.function(permute, input_signature=[pixels, index, index])


def check_shuffle(event_shape: Sequence[int], entropy: str, divisor: int) -> int:
    """Returns the number of channels, or raises a ValueError that names what is wrong."""
    channels = image_shape(event_shape, "event_shape")[-1]
    if channels % divisor:
        raise ValueError(
            f"event_shape must have a number of channels divisible by {divisor}; got {event_shape}."
        )
    if entropy not in ENTROPIES:
        raise ValueError(f"entropy must be one of {', '.join(ENTROPIES)}; got {entropy!r}.")
    return channels
