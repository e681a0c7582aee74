"""What the recorded values are a function of: weights, images, latents, conditions, arrays.

Everything is plain numpy and a function of names and shapes alone, so that a core whose weights
are stored in another way can be given the very same numbers.
"""

import zlib
from collections.abc import Sequence

import numpy as np

# By the last name of a weight's path: what it is around, and how far from it at most.
_AROUND = {
    "averages": (0.0, 1.0),
    "beta": (0.0, 0.1),
    "bias": (0.0, 0.1),
    "bound": (0.8, 0.1),
    "gain": (0.9, 0.2),
    "gamma": (1.0, 0.1),
    "lower": (0.0, 0.1),
    "mean": (0.0, 0.1),
    "positions": (0.0, 0.3),
    "raw": (0.0, 0.3),
    "raw_log_scale": (0.0, 0.1),
    "raw_sharpness": (0.5, 0.1),
    "shift": (0.0, 0.1),
    "upper": (0.0, 0.1),
    "variance": (1.0, 0.1),
}
_CONSTANTS = {"batches": 0.0, "initialized": 1.0, "passes": 0.0}


def value(path: str, shape: Sequence[int]) -> np.ndarray:
    """Returns the value of a weight.

    Args:
        path: Where in the flow the weight is, such as
            "level0/step1/coupling/network/conv_in/kernel". Its last name that is no number says
            what kind of weight it is.
        shape: Its shape.

    Returns:
        float64 of that shape.

    Raises:
        ValueError: If no formula belongs to the name.
    """
    shape = tuple(int(size) for size in shape)
    *parents, name = [part for part in path.split("/") if not part.isdigit()]
    wave = _wave(path, shape)
    if name in _CONSTANTS:
        return np.full(shape, _CONSTANTS[name])
    if name == "permutation":  # row i has its one in column (i + 1) % n
        return np.roll(np.eye(shape[0]), 1, axis=1)
    if name == "sign":
        return np.where(np.arange(shape[0]) % 2, -1.0, 1.0)
    if name == "weight":  # of a plain 1x1 convolution, kept from being singular
        return np.eye(shape[0]) + 0.5 / np.sqrt(shape[0]) * wave
    if name == "offset" and len(shape) == 2:  # of a mixture: [channels, components]
        return (2 * np.arange(shape[1]) + 1) / shape[1] - 1 + 0.1 * wave
    if name == "offset":  # of a router's scores: [channels]; small, so that images differ
        return 0.1 * wave
    if name == "direction" and "residual" in parents:  # of a power iteration
        return wave / np.linalg.norm(wave)
    if name == "gain" and "conv_out" in parents:
        return 0.3 + 0.1 * wave
    if name in ("kernel", "direction"):
        # What leaves must not be scaled too far: exits have no bounded network behind them.
        # The scores of a router must depend on the image, or all would be ordered alike.
        shares = {"exit conv": 0.3, "exit head": 0.3, "order dense": 4.0}
        share = shares.get(f"{parents[0].rstrip('0123456789')} {parents[-1]}", 1.0)
        return share / np.sqrt(np.prod(shape[:-1])) * wave
    if name not in _AROUND:
        raise ValueError(f"path must end in a weight that has a formula; got {path!r}.")
    middle, amplitude = _AROUND[name]
    return middle + amplitude * wave


def images(shape: Sequence[int], n: int = 3) -> np.ndarray:
    """Returns dequantised intensities in [0, 256), `[n, *shape]`: whole numbers plus fractions.

    Images differ in brightness and contrast.
    """
    brightness = 70 * np.sin(2.0 * np.arange(n)).reshape(n, *len(shape) * [1])
    contrast = 120 - np.abs(brightness)
    whole = np.floor(127.5 + brightness + contrast * _wave("images", (n, *shape)))
    return whole + 0.5 + 0.45 * _wave("fractions", (n, *shape))


def latents(shape: Sequence[int], n: int = 3) -> np.ndarray:
    """Returns noise of about unit variance, `[n, *shape]`, of a mean that differs row by row."""
    mean = 0.5 * np.sin(2.0 * np.arange(n)).reshape(n, *len(shape) * [1])
    return mean + 1.4 * _wave("latents", (n, *shape))


def condition(n: int, conditions: int | Sequence[int] | None) -> np.ndarray | None:
    """Returns classes `[n]`, int32, vectors `[n, k]`, or None, as a flow's `conditions` says."""
    if conditions is None:
        return None
    if isinstance(conditions, int):
        return (np.arange(n) * 2 % conditions).astype(np.int32)
    return _wave("condition", (n, *conditions))


def projections(array: np.ndarray) -> np.ndarray:
    """Returns two numbers that stand for an array: its norm, and a product with a fixed vector."""
    flat = np.asarray(array, np.float64).ravel()
    return np.array([np.linalg.norm(flat), flat @ np.cos(0.3 + 1.3 * np.arange(flat.size))])


# What factorizations are built from.


def scores(levels: int, event_shape: Sequence[int]) -> np.ndarray:
    """Returns a score for every dimension at every level, `[levels, height, width, channels]`."""
    return 2 * _wave("scores", (levels, *event_shape))


def prices(levels: int, event_shape: Sequence[int]) -> list[np.ndarray]:
    """Returns for every split the prices of a block's six pairs, `[h, w, c, 6]`."""
    height, width, channels = event_shape
    shapes = [
        (height >> level + 1, width >> level + 1, channels << level, 6)
        for level in range(levels - 1)
    ]
    return [1 + _wave(f"prices{level}", shape) for level, shape in enumerate(shapes)]


def rotations(levels: int, event_shape: Sequence[int]) -> list[np.ndarray]:
    """Returns for every split an orthogonal matrix of a view's entries, `[4c, 4c]`."""
    sizes = [4 * event_shape[-1] << level for level in range(levels - 1)]
    return [
        np.linalg.qr(_wave(f"rotations{level}", (size, size)))[0]
        for level, size in enumerate(sizes)
    ]


def block_order(level: int, view_shape: Sequence[int]) -> np.ndarray:
    """Returns an order of a level's view that differs from block to block, integers `[h, w, 4c]`.

    Entry `channel * 4 + sub-position` of the view; the two sub-positions of every
    channel that go on come first, all channels' first, then all channels' second.
    """
    height, width, entries = view_shape
    rows, columns, channels = np.indices((height, width, entries // 4))
    turn = rows + 2 * columns + channels + level
    entry = (np.arange(4) + turn[..., None]) % 4 + 4 * channels[..., None]
    return np.swapaxes(entry, -1, -2).reshape(height, width, entries)


def _wave(name: str, shape: Sequence[int]) -> np.ndarray:
    """Returns numbers in (-1, 1) that go by a name and the flat index.

    The inner sines keep matrices of such numbers from being of low rank.
    """
    phase = 2 * np.pi * zlib.crc32(name.encode()) / 2**32
    i = np.arange(np.prod(shape, dtype=int))
    inner = 3 * np.sin(0.31 * i + phase) + 7 * np.sin(2.3 * i + 2 * phase)
    return np.sin(1 + phase + 0.7 * i + inner).reshape(shape)
