"""Which part of an image a coupling keeps and conditions on, and which it moves."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.serialization import Configurable, register


def checkerboard_mask(event_shape: Sequence[int], parity: int) -> np.ndarray:
    """Returns a boolean array of `event_shape`, true where (row + column) % 2 == parity.

    ```python
    import tfp_lcma as lcma

    mask = lcma.bijectors.checkerboard_mask((2, 4, 1), parity=0)
    mask[..., 0].astype(int).tolist()  # [[1, 0, 1, 0], [0, 1, 0, 1]]
    ```

    Args:
        event_shape: `(height, width, channels)`, of at least two pixels.
        parity: 0 or 1.

    Raises:
        ValueError: If there is one pixel alone.
    """
    height, width, channels = image_shape(event_shape, "event_shape")
    if height * width < 2:
        raise ValueError(
            f"event_shape must have at least two pixels for a checkerboard; got {event_shape}."
        )
    rows, columns = np.indices((height, width))
    plane = (rows + columns) % 2 == parity
    return np.broadcast_to(plane[..., None], (height, width, channels)).copy()


class Partition(Configurable):
    """Takes an image apart into what is kept and what is moved, and puts it together again.

    ```python
    import tfp_lcma as lcma

    half = lcma.bijectors.ChannelHalf((4, 4, 6))
    half.event_shape, half.input_shape, half.moved_channels  # ((4, 4, 6), (4, 4, 3), 3)
    ```

    Attributes:
        event_shape: Shape of the image.
        input_shape: Shape of what a network sees: what is kept, then the maps.
        maps: Constant arrays `[height, width, k]` that a network sees behind its
            input, such as a mask; None: none.
        moved_channels: Channels of what is moved.
        exchanges: Whether latents stand at other places than the data.
    """

    event_shape: tuple[int, int, int]
    moved_channels: int
    exchanges: bool = False

    def __init__(self, maps: np.ndarray | None = None):
        self.maps = None if maps is None else np.asarray(maps, np.float32)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        extra = 0 if self.maps is None else self.maps.shape[-1]
        return (*self.event_shape[:2], self.moved_channels + extra)

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """The arrays in which partitions of one kind may differ."""
        return MappingProxyType({} if self.maps is None else {"maps": self.maps})

    def split(self, x: tf.Tensor, constants: Mapping[str, tf.Tensor]) -> tuple:
        """Returns what is kept and what is moved.

        Args:
            x: `[batch, height, width, channels]`.
            constants: Those of the partition, as tensors of the image's type.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks split().")

    def join(self, kept: tf.Tensor, moved: tf.Tensor, constants: Mapping[str, tf.Tensor]):
        """Puts together what `split` took apart, once it was moved: at the latents' places."""
        raise NotImplementedError(f"{type(self).__name__} lacks join().")

    def split_back(self, z: tf.Tensor, constants: Mapping[str, tf.Tensor]) -> tuple:
        """Returns what is kept and what was moved, of latents."""
        return self.split(z, constants)

    def join_back(self, kept: tf.Tensor, moved: tf.Tensor, constants: Mapping[str, tf.Tensor]):
        """Puts together what `split_back` took apart: at the data's places."""
        return self.join(kept, moved, constants)

    def only_moved(self, added: tf.Tensor, constants: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns numbers that stand beside those moved, zero where nothing is moved."""
        return added

    def route(self, index: np.ndarray) -> np.ndarray:
        """Moves an integer array of the event's shape to the latents' places."""
        return index

    def with_maps(self, kept: tf.Tensor, constants: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what a network sees: what is kept, and the maps behind it."""
        if self.maps is None:
            return kept
        maps = tf.cast(constants["maps"], kept.dtype)
        maps = tf.broadcast_to(maps, tf.concat([tf.shape(kept)[:1], tf.shape(maps)], axis=0))
        return tf.concat([kept, maps], axis=-1)


@register
class Mask(Partition):
    """Keeps the dimensions where a mask is true and shows zeros in the place of the others.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    left = np.zeros((4, 4, 1), bool)
    left[:, :2] = True  # kept
    coupling = lcma.bijectors.Coupling(lcma.bijectors.Mask(left), lcma.networks.Convolutional(8))
    ```
    """

    def __init__(self, mask: np.ndarray, maps: np.ndarray | None = None):
        """Creates the partition.

        Args:
            mask: Boolean array `[height, width, channels]`, true where the input is
                kept and conditioned on.
            maps: Constant arrays that a network sees behind its input; None: none.

        Raises:
            ValueError: If the mask keeps everything or nothing, or is not boolean.
        """
        super().__init__(maps)
        mask = np.asarray(mask)
        self.event_shape = image_shape(mask.shape, "mask.shape")
        if mask.dtype != bool:
            raise ValueError(f"mask must be a boolean array; got one of {mask.dtype}.")
        if mask.all() or not mask.any():
            raise ValueError("mask must keep some dimensions and move some; got all alike.")
        self._mask = mask
        self.moved_channels = self.event_shape[-1]

    def get_config(self) -> dict:
        return {"mask": self._mask, "maps": self.maps}

    @property
    def constants(self):
        return {**super().constants, "moves": ~self._mask}

    def split(self, x, constants):
        nothing = tf.zeros((), x.dtype)
        moves = constants["moves"]
        return tf.where(moves, nothing, x), tf.where(moves, x, nothing)

    def join(self, kept, moved, constants):
        return tf.where(constants["moves"], moved, kept)

    def only_moved(self, added, constants):
        return tf.where(constants["moves"], added, tf.zeros((), added.dtype))


def checkerboard(
    event_shape: Sequence[int], parity: int, offsets: np.ndarray | None = None
) -> Mask:
    """Keeps every second pixel, and shows the mask to the network.

    ```python
    import tfp_lcma as lcma

    kept = lcma.bijectors.checkerboard((4, 4, 1), parity=0)
    coupling = lcma.bijectors.Coupling(kept, lcma.networks.Convolutional(8))
    ```

    Args:
        event_shape: `(height, width, channels)`.
        parity: Of row + column of the pixels that are kept.
        offsets: More maps for the network, `[height, width, k]`; None: none.

    Raises:
        ValueError: If the mask keeps everything or nothing.

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.4.
    """
    mask = checkerboard_mask(event_shape, parity)
    maps = [mask[..., :1]] + ([] if offsets is None else [offsets])
    return Mask(mask, np.concatenate(maps, axis=-1))


@register
class ChannelHalf(Partition):
    """Keeps one half of the channels and moves the other.

    With `exchange` the halves change places: step after step of one kind then
    moves either half in turn.

    ```python
    import tfp_lcma as lcma

    half = lcma.bijectors.ChannelHalf((4, 4, 6), exchange=True)
    half.moved_channels  # 3
    coupling = lcma.bijectors.Coupling(half, lcma.networks.Convolutional(8))
    ```
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        keep: str = "first",
        exchange: bool = False,
        maps: np.ndarray | None = None,
    ):
        """Creates the partition.

        Args:
            event_shape: `(height, width, channels)`, an even number of channels.
            keep: "first" or "second".
            exchange: Whether the kept half comes to the other half's place.
            maps: Constant arrays that a network sees behind its input; None: none.

        Raises:
            ValueError: If an argument is not one of these.
        """
        super().__init__(maps)
        self.event_shape = image_shape(event_shape, "event_shape")
        if self.event_shape[-1] % 2:
            raise ValueError(
                f"event_shape must have an even number of channels; got {event_shape}."
            )
        if keep not in ("first", "second"):
            raise ValueError(f'keep must be "first" or "second"; got {keep!r}.')
        self._keep, self.exchanges = keep, bool(exchange)
        self.moved_channels = self.event_shape[-1] // 2

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "keep": self._keep,
            "exchange": self.exchanges,
            "maps": self.maps,
        }

    def split(self, x, constants):
        return _in_order(tf.split(x, 2, axis=-1), self._keep == "first")

    def join(self, kept, moved, constants):
        first = (self._keep == "first") != self.exchanges
        return tf.concat(_in_order((kept, moved), first), axis=-1)

    def split_back(self, z, constants):
        return _in_order(tf.split(z, 2, axis=-1), (self._keep == "first") != self.exchanges)

    def join_back(self, kept, moved, constants):
        return tf.concat(_in_order((kept, moved), self._keep == "first"), axis=-1)

    def route(self, index):
        return np.roll(index, self.moved_channels, axis=-1) if self.exchanges else index


def _in_order(halves, first):
    """Returns two halves, in their order or the other way round."""
    return tuple(halves) if first else tuple(halves)[::-1]
