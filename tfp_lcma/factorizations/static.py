"""Factorizations that look at no data."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.reshaping import Permutation
from tfp_lcma.factorizations.factorization import (
    Factorization,
    StaticFactorization,
    view_order,
)
from tfp_lcma.serialization import register

# RealNVP's order of the sub-positions dy * 2 + dx of a block: (0,0), (1,1), (0,1), (1,0).
CHECKERBOARD_ORDER = (0, 3, 1, 2)


@register
class Checkerboard(StaticFactorization):
    """RealNVP's split: the diagonal (0,0), (1,1) of every 2x2 block goes on.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def get_config(self) -> dict:
        return {}

    def order(self, level, view_shape):
        return view_order(np.tile(CHECKERBOARD_ORDER, (view_shape[-1] // 4, 1)))


@register
class ComplementCheckerboard(StaticFactorization):
    """The other parity: (0,1), (1,0) of every 2x2 block goes on, RealNVP's halves exchanged."""

    def get_config(self) -> dict:
        return {}

    def order(self, level, view_shape):
        return np.roll(Checkerboard().order(level, view_shape), view_shape[-1] // 2)


@register
class Channel(StaticFactorization):
    """Glow's split: the first half of the view's entries goes on.

    The view counts channel by channel, so on one channel the upper row of every
    block goes on, on several the first channels with all their pixels.

    References:
      Kingma, Dhariwal: Glow, section 3.
    """

    def get_config(self) -> dict:
        return {}

    def order(self, level, view_shape):
        return np.arange(view_shape[-1])


@register
class Random(Factorization):
    """At every level a random half of all dimensions goes on, wherever they are.

    Both halves keep the order of the view, so that a dimension stays roughly
    where it was; blocks are not respected.

    References:
      The random baseline of Das, Abbeel, Spanos: Likelihood Contribution based
      Multi-scale Architecture for Generative Flows, section 5; the order inside a
      half is this package's.
    """

    def __init__(self, seed: int = 0):
        """Draws the halves by `seed`."""
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {"seed": self._seed}

    def bijector(self, level, view_shape):
        height, width, entries = view_shape
        order = np.random.default_rng([self._seed, level]).permutation(height * width * entries)
        halves = [np.sort(half).reshape(height, width, entries // 2) for half in np.split(order, 2)]
        return Permutation(np.concatenate(halves, axis=-1))


@register
class RandomChannels(StaticFactorization):
    """A random half of the view's entries goes on, the same at every position."""

    def __init__(self, seed: int = 0):
        """Draws the entries by `seed`."""
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {"seed": self._seed}

    def order(self, level, view_shape):
        order = np.random.default_rng([self._seed, level]).permutation(view_shape[-1])
        return np.concatenate([np.sort(half) for half in np.split(order, 2)])


@register
class RandomInBlock(StaticFactorization):
    """Of every 2x2 block of every channel two random pixels go on, each half in raster order."""

    def __init__(self, seed: int = 0):
        """Draws the pixels by `seed`."""
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {"seed": self._seed}

    def order(self, level, view_shape):
        return random_block_order(np.random.default_rng([self._seed, level]), view_shape)


def random_block_order(random: np.random.Generator, view_shape: Sequence[int]) -> np.ndarray:
    """Draws which two of the four of every block go on; integers `[h, w, 4c]`."""
    height, width, entries = view_shape
    drawn = np.argsort(random.random((height, width, entries // 4, 4)), axis=-1)
    return view_order(np.sort(drawn.reshape(*drawn.shape[:-1], 2, 2)).reshape(drawn.shape))
