"""Where the latents of all levels stand in one tensor of the image's shape."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.moves import permute


def follow(
    event_shape: Sequence[int],
    flows: Sequence[FlowBijector],
    orders: Sequence[FlowBijector],
    staying: Sequence[int | None],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Follows the dimensions of an image through a multi-scale flow, in numpy.

    Args:
        event_shape: `(height, width, channels)` of the image.
        flows: The flow of every level.
        orders: What stands between two levels: view, and order if some are factored out.
        staying: For every level but the last how many channels of the view stay; None: all.

    Returns:
        For every level the flat indices in the image of its tensor's entries, as the level's flow
        leaves them, and for every exit those of the entries that are factored out there.
    """
    index = np.arange(np.prod(event_shape)).reshape(event_shape)
    level_index, leaving = [], []
    for level, flow in enumerate(flows):
        index = flow.route(index)
        level_index.append(index)
        if level < len(orders):
            index = orders[level].route(index)
            stay = staying[level]
            if stay is not None:
                index, left = np.split(index, [stay], axis=-1)
                leaving.append(left)
    return level_index, [*leaving, index]


class Route:
    """A fixed rearrangement of an image's dimensions, into any shape."""

    def __init__(self, index: np.ndarray, image_shape: Sequence[int]):
        """Puts dimension `index[i]` of an image of `image_shape` at place i."""
        self._order, self._shape = index.ravel(), index.shape
        self._back, self._image_shape = np.argsort(self._order), tuple(image_shape)

    def apply(self, x: tf.Tensor) -> tf.Tensor:
        """Rearranges `[batch, height, width, channels]`."""
        flat = permute(tf.reshape(x, (-1, self._order.size)), self._order, self._back)
        return tf.reshape(flat, (-1, *self._shape))

    def undo(self, z: tf.Tensor) -> tf.Tensor:
        """Undoes `apply`."""
        flat = permute(tf.reshape(z, (-1, self._order.size)), self._back, self._order)
        return tf.reshape(flat, (-1, *self._image_shape))


class FixedLayout:
    """Brings every latent, by one gather, to the place its dimension came from."""

    def __init__(self, event_shape: Sequence[int], leaving: Sequence[np.ndarray]):
        """Lays out the entries of each exit, given by their place in the image."""
        self._shapes = [left.shape for left in leaving]
        order = np.concatenate([left.ravel() for left in leaving])
        self._route = Route(order, event_shape)

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns one tensor `[batch, height, width, channels]` of the exits' latents."""
        flat = tf.concat([tf.reshape(z, (tf.shape(z)[0], -1)) for z in latents], axis=-1)
        return self._route.undo(flat)

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Takes one tensor apart into the latents of each exit."""
        parts = tf.split(self._route.apply(z), [np.prod(s) for s in self._shapes], axis=-1)
        return [tf.reshape(p, (-1, *s)) for p, s in zip(parts, self._shapes, strict=True)]


class LevelwiseLayout:
    """Does the same level by level, for orders that change after the flow was built."""

    def __init__(
        self,
        flows: Sequence[FlowBijector],
        orders: Sequence[FlowBijector],
        staying: Sequence[int | None],
    ):
        """Goes by the orders that stand between levels, and the flows' own fixed moves."""
        self._orders, self._staying = list(orders), list(staying)
        self._moves = []
        for flow in flows:
            index = np.arange(np.prod(flow.event_shape)).reshape(flow.event_shape)
            self._moves.append(Route(flow.route(index), flow.event_shape))

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns one tensor `[batch, height, width, channels]` of the exits' latents."""
        z = self._moves[-1].undo(latents[-1])
        for level in reversed(range(len(self._orders))):
            z = tf.concat([z, latents[level]], axis=-1)
            z = self._orders[level].forward_and_log_det(z)[0]
            z = self._moves[level].undo(z)
        return z

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Takes one tensor apart into the latents of each exit."""
        latents = []
        for move, order, stay in zip(self._moves, self._orders, self._staying, strict=False):
            z = order.inverse_and_log_det(move.apply(z))[0]
            z, leaving = tf.split(z, [stay, z.shape[-1] - stay], axis=-1)
            latents.append(leaving)
        return [*latents, self._moves[-1].apply(z)]
