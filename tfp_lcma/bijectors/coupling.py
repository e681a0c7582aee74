"""Couplings, and the masks that say what they condition on."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.flow_bijector import CarryingFlow
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


class Coupling(CarryingFlow):
    """Changes one part of the image by parameters that a network computes from the other part.

    ```none
    kept = mask * x,  moved = (1 - mask) * x,  parameters = network(kept)
    inverse   z = kept + (1 - mask) * move(moved, parameters)
    forward   x = kept + (1 - mask) * move^{-1}(z, parameters)
    log-det   (1 - mask) * log |move'|
    ```

    A mask that is one half of the channels becomes a slice: the network then
    reads that half alone and writes parameters for the other alone. A network
    with an attribute `conditions` that is not None is called on the pair of what
    is kept and of the condition. A subclass says how many parameters a channel
    takes, and writes `move` and `move_back`.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 to 3.4.
    """

    parameters_per_channel: int

    def __init__(
        self,
        mask: np.ndarray,
        network: keras.layers.Layer,
        *,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the coupling.

        Args:
          mask: Boolean array of the event's shape, true where the input is
            kept and conditioned on.
          network: Keras layer from `[batch, height, width, channels in]` to
            `parameters_per_channel` times as many channels as are moved; built
            here if it is not yet.
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
        self._mask, self._kept_half = mask, _kept_half(mask)
        channels = shape[-1] // 2 if self._kept_half else shape[-1]
        input_shape = (None, *shape[:2], channels)
        if not network.built:
            network.build(input_shape)
        expected = self.parameters_per_channel * channels
        outputs = network.compute_output_shape(input_shape)[-1]
        if outputs != expected:
            raise ValueError(
                f"network must return {expected} channels, {self.parameters_per_channel} "
                f"parameters for each of {channels}; got {outputs}."
            )
        layers = [network, *self._make_layers(channels, dtype)]
        super().__init__(shape, dtype=dtype, layers=layers, name=name)
        self._network = network
        self.conditions = getattr(network, "conditions", None)
        numpy_dtype = tf.as_dtype(dtype).as_numpy_dtype
        self._moves = numpy_dtype(1) - mask.astype(numpy_dtype)

    def get_config(self) -> dict:
        return {"mask": self._mask, "network": self._network, "dtype": self.dtype.name}

    def _make_layers(self, channels: int, dtype: str) -> list[keras.layers.Layer]:
        """Returns what else the coupling learns, beside its network."""
        return []

    def move(self, moved: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps the moved part towards the latent; returns it and its log-det."""
        raise NotImplementedError(f"{type(self).__name__} lacks move().")

    def move_back(self, moved: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Undoes `move`."""
        raise NotImplementedError(f"{type(self).__name__} lacks move_back().")

    def carry_inverse(self, x, log_det, condition=None, training=False):
        return self._couple(self.move, x, log_det, condition, training)

    def carry_forward(self, z, log_det, condition=None, training=False):
        return self._couple(self.move_back, z, log_det, condition, training)

    def _couple(self, move, x, log_det, condition, training):
        kept, moved = self._split(x)
        inputs = kept if self.conditions is None else (kept, self._told(condition))
        raw = tf.cast(self._network(inputs, training=training), self.dtype)
        moved, added = move(moved, raw)
        if not self._kept_half:
            return kept + moved * self._moves, log_det.plus(added * self._moves)
        log_det = log_det.plus(added, lambda part: self._join(tf.zeros_like(kept), part))
        return self._join(kept, moved), log_det

    def _told(self, condition):
        """Returns the condition, without which the network has nothing to go by."""
        if condition is None:
            raise ValueError(
                f"condition must be given to a flow with conditions={self.conditions}."
            )
        return condition

    def _split(self, x):
        if not self._kept_half:
            moved = x * self._moves
            return x - moved, moved
        halves = tf.split(x, 2, axis=-1)
        return halves if self._kept_half == "first" else halves[::-1]

    def _join(self, kept, moved):
        """Puts halves of the channels together."""
        halves = (kept, moved) if self._kept_half == "first" else (moved, kept)
        return tf.concat(halves, axis=-1)


@register
class AffineCoupling(Coupling):
    """Shifts and scales one part of the image by amounts computed from the other part.

    ```none
    shift, log_scale = network(kept), the latter bounded by a learned bound * tanh
    inverse   z = (x + shift) * exp(log_scale)  where moved
    forward   x = z * exp(-log_scale) - shift   where moved
    log-det   log_scale                         where moved, else 0
    ```

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 to 3.4.
    """

    parameters_per_channel = 2

    def __init__(
        self,
        mask: np.ndarray,
        network: keras.layers.Layer,
        *,
        regularizer=None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the coupling; see `Coupling`.

        Args:
          mask: Boolean array, true where the input is kept.
          network: Keras layer to a shift and a log-scale for every moved channel.
          regularizer: Keras regulariser of the bound of the log-scale.
          dtype: Type of activations and log-dets.
          name: Name of the bijector.
        """
        self._regularizer = keras.regularizers.get(regularizer)
        super().__init__(mask, network, dtype=dtype, name=name)

    def get_config(self) -> dict:
        return {**super().get_config(), "regularizer": self._regularizer}

    def _make_layers(self, channels, dtype):
        self._head = AffineHead(channels, self._regularizer, dtype=dtype)
        return [self._head]

    def move(self, moved, raw):
        shift, log_scale = self._head(raw)
        return (moved + shift) * tf.exp(log_scale), log_scale

    def move_back(self, moved, raw):
        shift, log_scale = self._head(raw)
        return moved * tf.exp(-log_scale) - shift, -log_scale


@register
class AdditiveCoupling(Coupling):
    """Shifts one part of the image by amounts computed from the other part; log-det 0.

    References:
      Dinh, Krueger, Bengio: NICE, section 3.2.
    """

    parameters_per_channel = 1

    def move(self, moved, raw):
        return moved + raw, tf.zeros_like(moved)

    def move_back(self, moved, raw):
        return moved - raw, tf.zeros_like(moved)


def _kept_half(mask: np.ndarray) -> str | None:
    """Says which half of the channels a mask keeps; None if it is no half."""
    if mask.shape[-1] % 2 == 0:
        for keep in ("first", "second"):
            if np.array_equal(mask, channel_mask(mask.shape, keep)):
                return keep
    return None
