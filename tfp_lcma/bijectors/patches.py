"""Patches of an image as positions, and the view in which a level's dimensions are factored out."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.flow_bijector import FlowBijector, Identity
from tfp_lcma.bijectors.moves import Rearrangement, Squeeze
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class Patches(Rearrangement):
    """Turns every square of pixels into one position: [h, w, c] -> [h/p, w/p, p*p*c].

    Entry `(dy * p + dx) * c + channel` of a position is pixel (dy, dx) of its patch: raster order,
    as vision transformers read a patch.

    ```python
    import tfp_lcma as lcma

    flow = lcma.bijectors.Patches((8, 8, 3), patch=4)
    flow.latent_shape  # (2, 2, 48)
    ```

    References:
        Dosovitskiy et al.: An image is worth 16x16 words, section 3.1.
    """

    def __init__(self, event_shape: Sequence[int], patch: int, name: str | None = None):
        """Creates the move.

        Args:
            event_shape: `(height, width, channels)` of the image.
            patch: Side of a patch.
            name: Name of the bijector.

        Raises:
            ValueError: If the patches do not cover the image.
        """
        height, width, channels = image_shape(event_shape, "event_shape")
        self.patch = check_count(patch, "patch")
        if height % patch or width % patch:
            raise ValueError(
                f"patch must divide height and width of event_shape {tuple(event_shape)}; got "
                f"{patch}."
            )
        grid = (height // patch, width // patch, patch**2 * channels)
        super().__init__(event_shape, latent_shape=grid, name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape, "patch": self.patch}

    def _arrange(self, x):
        return self._to_positions(x, tf)

    def _restore(self, z):
        rows, columns, _ = self.latent_shape
        side, channels = self.patch, self.event_shape[-1]
        squares = tf.reshape(z, (-1, rows, columns, side, side, channels))
        squares = tf.transpose(squares, (0, 1, 3, 2, 4, 5))
        return tf.reshape(squares, (-1, *self.event_shape))

    def route(self, index):
        return self._to_positions(index[None], np)[0]

    def _to_positions(self, images, library):
        """[batch, h, w, c] -> [batch, h/p, w/p, p*p*c] in TensorFlow or numpy."""
        rows, columns, _ = self.latent_shape
        side, channels = self.patch, self.event_shape[-1]
        squares = library.reshape(images, (-1, rows, side, columns, side, channels))
        squares = library.transpose(squares, (0, 1, 3, 2, 4, 5))
        return library.reshape(squares, (-1, *self.latent_shape))


def to_view(shape: Sequence[int], level: int, patch: int | None) -> FlowBijector:
    """Returns the move from a level's tensor to its view, whose entries a factorization orders.

    Args:
        shape: Shape `(h, w, c)` of the level's tensor.
        level: Index of the level.
        patch: None: every 2x2 block becomes channels, at every level. Side of the patches of a
            flow on patches: every patch of the image becomes a position before the first split,
            and stays one.
    """
    if patch is None:
        return Squeeze(shape)
    return Patches(shape, patch) if level == 0 else Identity(shape)


def view_shape(shape: Sequence[int], level: int, patch: int | None) -> tuple[int, int, int]:
    """Returns the shape of a level's view; the arguments are those of `to_view`."""
    return to_view(shape, level, patch).latent_shape
