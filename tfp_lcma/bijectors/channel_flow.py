"""Flows that do the same affine map of the channels at every position, and runs of them."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.products import matmul


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
        return tf.reshape(tf.nn.bias_add(matmul(rows, self.matrix), self.shift), tf.shape(x))

    def then(self, after: "ChannelMap") -> "ChannelMap":
        """Returns this map followed by another."""
        if after.matrix.shape.rank == 1:
            return ChannelMap(self.matrix * after.matrix, self.shift * after.matrix + after.shift)
        if self.matrix.shape.rank == 1:
            matrix = self.matrix[:, None] * after.matrix
        else:
            matrix = matmul(self.matrix, after.matrix)
        shift = matmul(self.shift[None], after.matrix)[0]
        return ChannelMap(matrix, shift + after.shift)


class ChannelFlow(FlowBijector):
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

    def carry_inverse(self, x, log_det, context):
        height, width, _ = self.event_shape
        log_det = log_det.plus_per_channel(self.channel_log_det, height * width)
        return self.inverse_map().apply(x), log_det

    def carry_forward(self, z, log_det, context):
        height, width, _ = self.event_shape
        log_det = log_det.plus_per_channel(lambda: -self.channel_log_det(), height * width)
        return self.forward_map().apply(z), log_det


class ChannelRun(ChannelFlow):
    """Channel flows one after the other as one map, but while one of them starts from the data."""

    def __init__(self, flows: Sequence[ChannelFlow]):
        """Joins `flows`, given from the data's side to the latent's."""
        self._flows = tuple(flows)
        dtype = self._flows[0].dtype
        super().__init__(self._flows[0].event_shape, dtype=dtype and dtype.name)

    def get_config(self) -> dict:
        return {"flows": list(self._flows)}

    def inverse_map(self) -> ChannelMap:
        whole, *others = (flow.inverse_map() for flow in self._flows)
        for other in others:
            whole = whole.then(other)
        return whole

    def forward_map(self) -> ChannelMap:
        whole, *others = (flow.forward_map() for flow in reversed(self._flows))
        for other in others:
            whole = whole.then(other)
        return whole

    def channel_log_det(self) -> tf.Tensor:
        return tf.add_n([flow.channel_log_det() for flow in self._flows])

    def carry_inverse(self, x, log_det, context):
        if not context.starting:
            return super().carry_inverse(x, log_det, context)
        for flow in self._flows:
            x, log_det = flow.carry_inverse(x, log_det, context)
        return x, log_det
