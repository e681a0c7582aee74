"""What shuffles of channels have in common: what is factored out, image by image."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.custom_gradient import with_gradient


class Shuffle(FlowBijector):
    """Moves the channels that are factored out behind those that stay, image by image.

    The highest scores are factored out, or under `reverse` the lowest. A subclass
    writes `scores`, `_order` and `_order_back`, the last two for every image which
    channel each slot receives, from what goes in and from what comes out.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        reverse: bool = False,
        layers: Sequence[keras.layers.Layer] = (),
        name: str | None = None,
    ):
        super().__init__(event_shape, dtype=None, layers=layers, name=name)
        self._reverse = bool(reverse)
        self.staying = self.event_shape[-1] // 2 if staying is None else int(staying)

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "staying": self.staying,
            "reverse": self._reverse,
        }

    def scores(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the scores of what goes in: `[batch, channels]`, or `[1, channels]` for all."""
        raise NotImplementedError(f"{type(self).__name__} lacks scores().")

    def _order(self, x: tf.Tensor, context: Context) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _order().")

    def _order_back(self, z: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} lacks _order_back().")

    def carry_inverse(self, x, log_det, context):
        order = self._order(x, context)
        return permute_channels(x, order), log_det.moved(lambda t: permute_channels(t, order))

    def carry_forward(self, z, log_det, context):
        back = tf.argsort(self._order_back(z), axis=-1)
        return permute_channels(z, back), log_det.moved(lambda t: permute_channels(t, back))


def permute_channels(values: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Gathers channels of `[batch, h, w, channel]` by integers `[batch or 1, slot]`.

    The gradient gathers by the inverse.
    """
    shape = tf.shape(values)
    order = tf.broadcast_to(order, (shape[0], values.shape[-1]))
    pixels = tf.reshape(values, (shape[0], -1, values.shape[-1]))
    pixels = _permute_pixels(pixels, order, tf.argsort(order, axis=-1))
    moved = tf.reshape(pixels, shape)
    moved.set_shape(values.shape)
    return moved


def _permute_pixels(pixels, order, order_back):
    """Permutes the last axis of `[batch, position, channel]`."""

    def gather(pixels, order, order_back):
        # Whole channels at a time: single numbers take a CPU twice as long, for all the
        # transposing.
        channels = tf.gather(tf.transpose(pixels, (0, 2, 1)), order, axis=1, batch_dims=1)
        return [tf.transpose(channels, (0, 2, 1))]

    def gradient(upstream):
        return _permute_pixels(upstream, order_back, order), None, None

    return with_gradient(gather, gradient, pixels, order, order_back)[0]


def check_shuffle(event_shape: Sequence[int], divisor: int) -> int:
    """Returns the number of channels, or raises a ValueError that names what is wrong."""
    channels = image_shape(event_shape, "event_shape")[-1]
    if channels % divisor:
        raise ValueError(
            f"event_shape must have a number of channels divisible by {divisor}; got {event_shape}."
        )
    return channels
