"""Affine coupling, and the masks that say what it conditions on."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector, image_shape
from tfp_lcma.serialization import register


def checkerboard_mask(event_shape: Sequence[int], parity: int) -> np.ndarray:
    """Returns a boolean array of `event_shape`, true where (row + column) % 2 == parity."""
    height, width, channels = image_shape(event_shape, "event_shape")
    if height * width < 2:
        raise ValueError(
            f"event_shape must have at least two pixels for a checkerboard; got {event_shape}."
        )
    rows, columns = np.indices((height, width))
    plane = (rows + columns) % 2 == parity
    return np.broadcast_to(plane[..., None], (height, width, channels)).copy()


def channel_mask(event_shape: Sequence[int], keep: str) -> np.ndarray:
    """Returns a boolean array of `event_shape`, true in the kept half of the channels."""
    height, width, channels = image_shape(event_shape, "event_shape")
    if channels % 2:
        raise ValueError(f"event_shape must have an even number of channels; got {event_shape}.")
    if keep not in ("first", "second"):
        raise ValueError(f'keep must be "first" or "second"; got {keep!r}.')
    half = np.arange(channels) < channels // 2
    return np.broadcast_to(half if keep == "first" else ~half, (height, width, channels)).copy()


class AffineHead(keras.layers.Layer):
    """Turns a network's output into a shift and a bounded log-scale.

    `log_scale = bound * tanh(raw)`, with a learned bound per channel.
    """

    def __init__(self, channels: int, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.regularizer = keras.regularizers.get(regularizer)
        self.build()

    def build(self, input_shape=None):
        # A zero bound beside a zero last layer would leave both without a gradient.
        self.bound = self.add_weight(
            (self.channels,), initializer="ones", regularizer=self.regularizer, name="bound"
        )
        self.built = True

    def call(self, raw):
        shift, log_scale = tf.split(raw, 2, axis=-1)
        return shift, self.bound.value * tf.tanh(log_scale)


@register
class AffineCoupling(FlowBijector):
    """Shifts and scales one part of the image by amounts computed from the other part.

    ```none
    kept = mask * x,  moved = (1 - mask) * x,  shift, log_scale = network(kept)
    inverse   z = kept + (1 - mask) * (moved + shift) * exp(log_scale)
    forward   x = kept + (1 - mask) * (z * exp(-log_scale) - shift)
    log-det   (1 - mask) * log_scale
    ```

    A mask that is one half of the channels becomes a slice: the network then
    reads that half alone and writes parameters for the other alone.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 to 3.4.
    """

    def __init__(
        self,
        mask: np.ndarray,
        network: keras.layers.Layer,
        *,
        regularizer=None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the coupling.

        Args:
          mask: Boolean array of the event's shape, true where the input is
            kept and conditioned on.
          network: Keras layer from `[batch, height, width, channels in]` to
            twice as many channels as are moved; built here if it is not yet.
          regularizer: Keras regulariser of the bound of the log-scale.
          dtype: Type of activations and log-dets. The network may compute in
            another.
          name: Name of the bijector.

        Raises:
          ValueError: If the mask keeps everything or nothing, or the network's
            output has the wrong number of channels.
        """
        mask = np.asarray(mask)
        shape = image_shape(mask.shape, "mask.shape")
        if mask.dtype != bool:
            raise ValueError(f"mask must be a boolean array; got one of {mask.dtype}.")
        if mask.all() or not mask.any():
            raise ValueError("mask must keep some dimensions and move some; got all alike.")
        self._mask, self._regularizer = mask, keras.regularizers.get(regularizer)
        self._kept_half = _kept_half(mask)
        channels = shape[-1] // 2 if self._kept_half else shape[-1]
        input_shape = (None, *shape[:2], channels)
        if not network.built:
            network.build(input_shape)
        output_shape = network.compute_output_shape(input_shape)
        if output_shape[-1] != 2 * channels:
            raise ValueError(
                f"network must return {2 * channels} channels, a shift and a log-scale for each "
                f"of {channels}; got {output_shape[-1]}."
            )
        head = AffineHead(channels, self._regularizer, dtype=dtype)
        super().__init__(shape, dtype=dtype, layers=[network, head], name=name)
        self._network, self._head = network, head
        self._moves = tf.as_dtype(dtype).as_numpy_dtype(1) - mask.astype(
            tf.as_dtype(dtype).as_numpy_dtype
        )

    def get_config(self) -> dict:
        return {
            "mask": self._mask,
            "network": self._network,
            "regularizer": self._regularizer,
            "dtype": self.dtype.name,
        }

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        kept, moved = self._split(x)
        shift, log_scale = self._shift_and_log_scale(kept, condition, training)
        moved = (moved + shift) * tf.exp(log_scale)
        return self._join(kept, moved), self._join(tf.zeros_like(kept), log_scale)

    def forward_and_event_log_det(self, z, condition=None, training=False):
        kept, moved = self._split(z)
        shift, log_scale = self._shift_and_log_scale(kept, condition, training)
        moved = moved * tf.exp(-log_scale) - shift
        return self._join(kept, moved), self._join(tf.zeros_like(kept), -log_scale)

    def _shift_and_log_scale(self, kept, condition, training):
        inputs = kept if condition is None else (kept, condition)
        raw = tf.cast(self._network(inputs, training=training), self.dtype)
        shift, log_scale = self._head(raw)
        if self._kept_half:
            return shift, log_scale
        return shift * self._moves, log_scale * self._moves

    def _split(self, x):
        if not self._kept_half:
            moved = x * self._moves
            return x - moved, moved
        halves = tf.split(x, 2, axis=-1)
        return halves if self._kept_half == "first" else halves[::-1]

    def _join(self, kept, moved):
        if not self._kept_half:
            return kept + moved
        halves = (kept, moved) if self._kept_half == "first" else (moved, kept)
        return tf.concat(halves, axis=-1)


def _kept_half(mask: np.ndarray) -> str | None:
    """Says which half of the channels a mask keeps; None if it is no half."""
    if mask.shape[-1] % 2 == 0:
        for keep in ("first", "second"):
            if np.array_equal(mask, channel_mask(mask.shape, keep)):
                return keep
    return None
