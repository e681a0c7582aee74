"""Where the latents of all levels stand in one tensor of the image's shape."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.reshaping import Permutation


def follow(
    event_shape: Sequence[int],
    flows: Sequence[FlowBijector],
    orders: Sequence[FlowBijector],
    splits: bool,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Follows the dimensions of an image through a multi-scale flow, in numpy.

    Args:
      event_shape: `(height, width, channels)` of the image.
      flows: The flow of every level.
      orders: What stands between two levels: view, and order if half leaves.
      splits: Whether half of the dimensions leave between levels.

    Returns:
      For every level the flat indices in the image of its tensor's entries, and
      for every exit those of the entries that leave there.
    """
    index = np.arange(np.prod(event_shape)).reshape(event_shape)
    level_index, leaving = [], []
    for level, flow in enumerate(flows):
        index = flow.route(index)
        level_index.append(index)
        if level < len(orders):
            index = orders[level].route(index)
            if splits:
                index, left = np.split(index, 2, axis=-1)
                leaving.append(left)
    return level_index, [*leaving, index]


class FixedLayout:
    """Brings every latent, by one gather, to the place its dimension came from."""

    def __init__(self, event_shape: Sequence[int], leaving: Sequence[np.ndarray]):
        """Lays out the entries that leave at each exit, given by their place in the image."""
        self._shapes = [left.shape for left in leaving]
        self._flat_shape = (-1, int(np.prod(event_shape)))
        place = np.argsort(np.concatenate([left.ravel() for left in leaving]))
        self._permutation = Permutation(place.reshape(event_shape))

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns one tensor `[batch, height, width, channels]` of the exits' latents."""
        flat = tf.concat([tf.reshape(z, (tf.shape(z)[0], -1)) for z in latents], axis=-1)
        flat = tf.reshape(flat, (-1, *self._permutation.event_shape))
        return self._permutation.inverse_and_event_log_det(flat)[0]

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Takes one tensor apart into the latents of each exit."""
        flat = self._permutation.forward_and_event_log_det(z)[0]
        parts = tf.split(
            tf.reshape(flat, self._flat_shape), [np.prod(s) for s in self._shapes], axis=-1
        )
        return [tf.reshape(p, (-1, *s)) for p, s in zip(parts, self._shapes, strict=True)]


class LevelwiseLayout:
    """Does the same level by level, for orders that change after the flow was built."""

    def __init__(self, flows: Sequence[FlowBijector], orders: Sequence[FlowBijector]):
        """Goes by the orders that stand between levels, and the flows' own fixed moves."""
        self._orders = list(orders)
        self._moves = []
        for flow in flows:
            index = np.arange(np.prod(flow.event_shape)).reshape(flow.event_shape)
            self._moves.append(Permutation(flow.route(index)))

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns one tensor `[batch, height, width, channels]` of the exits' latents."""
        z = self._moves[-1].forward_and_event_log_det(latents[-1])[0]
        for level in reversed(range(len(self._orders))):
            z = tf.concat([z, latents[level]], axis=-1)
            z = self._orders[level].forward_and_event_log_det(z)[0]
            z = self._moves[level].forward_and_event_log_det(z)[0]
        return z

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Takes one tensor apart into the latents of each exit."""
        latents = []
        for move, order in zip(self._moves, self._orders, strict=False):
            z = move.inverse_and_event_log_det(z)[0]
            z = order.inverse_and_event_log_det(z)[0]
            z, leaving = tf.split(z, 2, axis=-1)
            latents.append(leaving)
        return [*latents, self._moves[-1].inverse_and_event_log_det(z)[0]]
