"""Flows that do the same affine map of the channels at every position, and runs of them."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import CarryingFlow
from tfp_lcma.bijectors.running_log_det import LogDet


class ChannelMap(NamedTuple):
    """An affine map of channels, `x @ matrix + shift`.

    Attributes:
      matrix: `[channels, channels]`, or `[channels]` for a diagonal one.
      shift: `[channels]`.
    """

    matrix: tf.Tensor
    shift: tf.Tensor

    def apply(self, x: tf.Tensor) -> tf.Tensor:
        """Maps the channels of `[batch, height, width, channels]`."""
        if self.matrix.shape.rank == 1:
            return x * self.matrix + self.shift
        rows = tf.reshape(x, (-1, x.shape[-1]))
        return tf.reshape(tf.nn.bias_add(rows @ self.matrix, self.shift), tf.shape(x))

    def then(self, after: "ChannelMap") -> "ChannelMap":
        """Returns this map followed by another."""
        if after.matrix.shape.rank == 1:
            return ChannelMap(self.matrix * after.matrix, self.shift * after.matrix + after.shift)
        if self.matrix.shape.rank == 1:
            matrix = self.matrix[:, None] * after.matrix
        else:
            matrix = self.matrix @ after.matrix
        shift = tf.linalg.matvec(after.matrix, self.shift, transpose_a=True)
        return ChannelMap(matrix, shift + after.shift)


class ChannelFlow(CarryingFlow):
    """A flow that is one `ChannelMap`, whose log-det is one number a channel.

    A subclass writes the maps of either direction and the log-det. A `FlowChain`
    does several in a row as one map.
    """

    def inverse_map(self) -> ChannelMap:
        """Returns the map from data to latents."""
        raise NotImplementedError(f"{type(self).__name__} lacks inverse_map().")

    def forward_map(self) -> ChannelMap:
        """Returns the map from latents to data."""
        raise NotImplementedError(f"{type(self).__name__} lacks forward_map().")

    def channel_log_det(self) -> tf.Tensor:
        """Returns the inverse's log-det at every dimension of a position, `[channels]`."""
        raise NotImplementedError(f"{type(self).__name__} lacks channel_log_det().")

    def carry_inverse(self, x, log_det, condition=None, training=False):
        return carry_inverse_at_once([self], x, log_det)

    def carry_forward(self, z, log_det, condition=None, training=False):
        return carry_forward_at_once([self], z, log_det)


def carry_inverse_at_once(
    flows: Sequence[ChannelFlow], x: tf.Tensor, log_det: LogDet
) -> tuple[tf.Tensor, LogDet]:
    """Takes data through flows, first to last, as one map; see `FlowBijector.carry_inverse`."""
    whole, *others = (flow.inverse_map() for flow in flows)
    for other in others:
        whole = whole.then(other)
    return whole.apply(x), _plus(log_det, flows, 1)


def carry_forward_at_once(
    flows: Sequence[ChannelFlow], z: tf.Tensor, log_det: LogDet
) -> tuple[tf.Tensor, LogDet]:
    """Takes latents through flows, last to first, as one map."""
    whole, *others = (flow.forward_map() for flow in reversed(flows))
    for other in others:
        whole = whole.then(other)
    return whole.apply(z), _plus(log_det, flows, -1)


def _plus(log_det, flows, sign):
    height, width, _ = flows[0].event_shape
    own = sign * tf.add_n([flow.channel_log_det() for flow in flows])
    return log_det.plus_per_channel(own, height * width)
