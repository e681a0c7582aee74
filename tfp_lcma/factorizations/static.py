"""Factorizations that look at no data."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.moves import Permutation
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
    """RealNVP's split: the diagonal (0,0), (1,1) of every 2x2 block stays.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Checkerboard()
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    flow.exit_map[:2, :2, 0].tolist()  # [[1, 0], [0, 1]]
    ```

    Args:
        retained: Share or number of a view's entries that stay.

    Raises:
        ValueError: If `retained` is neither a share between 0 and 1 nor a number.

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    views = "blocks"

    def order(self, level, view_shape):
        return view_order(np.tile(CHECKERBOARD_ORDER, (view_shape[-1] // 4, 1)))


@register
class ComplementCheckerboard(StaticFactorization):
    """The other parity: (0,1), (1,0) of every 2x2 block stays, RealNVP's halves exchanged.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.ComplementCheckerboard()
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    flow.exit_map[:2, :2, 0].tolist()  # [[0, 1], [1, 0]]
    ```

    Args:
        retained: Share or number of a view's entries that stay.

    Raises:
        ValueError: If `retained` is neither a share between 0 and 1 nor a number.
    """

    views = "blocks"

    def order(self, level, view_shape):
        return np.roll(Checkerboard().order(level, view_shape), view_shape[-1] // 2)


@register
class Channel(StaticFactorization):
    """Glow's split: the first half of the view's entries stays.

    The view counts channel by channel, so on one channel the upper row of every
    block stays, on several the first channels with all their pixels.

    In a flow on patches this is JetFormer's split: the last of every patch's dimensions, in raster
    order, are factored out, and the flow is left to sort them.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Channel()
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    flow.exit_map[:2, :2, 0].tolist()  # [[1, 1], [0, 0]]
    ```

    Args:
        retained: Share or number of a view's entries that stay.

    Raises:
        ValueError: If `retained` is neither a share between 0 and 1 nor a number.

    References:
        Kingma, Dhariwal: Glow, section 3; Tschannen, Pinto, Kolesnikov: JetFormer, section 3.
    """

    def order(self, level, view_shape):
        return np.arange(view_shape[-1])


@register
class Random(Factorization):
    """At every level a random half of all dimensions stays, wherever they are.

    Both halves keep the order of the view, so that a dimension stays roughly
    where it was; blocks are not respected.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Random(seed=1)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```

    References:
        The random baseline of Das, Abbeel, Spanos: Likelihood Contribution based
        Multi-scale Architecture for Generative Flows, section 5; the order inside a
        half is this package's.
    """

    def __init__(self, seed: int = 0, *, retained: float | int = 0.5):
        """Creates the factorization.

        Args:
            seed: What the halves are drawn by.
            retained: Share or number of a view's entries that stay.

        Raises:
            ValueError: If `retained` is neither a share between 0 and 1 nor a number.
        """
        super().__init__(retained=retained)
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self._seed}

    def bijector(self, level, view_shape):
        height, width, entries = view_shape
        order = np.random.default_rng([self._seed, level]).permutation(height * width * entries)
        stay = self.staying(level, view_shape)
        parts = np.split(order, [height * width * stay])
        parts = [np.sort(part).reshape(height, width, -1) for part in parts]
        return Permutation(np.concatenate(parts, axis=-1))


@register
class RandomChannels(StaticFactorization):
    """A random half of the view's entries stays, the same at every position.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.RandomChannels(seed=1)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```
    """

    def __init__(self, seed: int = 0, *, retained: float | int = 0.5):
        """Creates the factorization.

        Args:
            seed: What the entries are drawn by.
            retained: Share or number of a view's entries that stay.

        Raises:
            ValueError: If `retained` is neither a share between 0 and 1 nor a number.
        """
        super().__init__(retained=retained)
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self._seed}

    def order(self, level, view_shape):
        order = np.random.default_rng([self._seed, level]).permutation(view_shape[-1])
        parts = np.split(order, [self.staying(level, view_shape)])
        return np.concatenate([np.sort(part) for part in parts])


@register
class RandomInBlock(StaticFactorization):
    """Of every 2x2 block of every channel two random pixels stay, each half in raster order.

    Under another share the pixels of a block are in random order.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.RandomInBlock(seed=1)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```
    """

    views = "blocks"

    def __init__(self, seed: int = 0, *, retained: float | int = 0.5):
        """Creates the factorization.

        Args:
            seed: What the pixels are drawn by.
            retained: Share or number of a view's entries that stay.

        Raises:
            ValueError: If `retained` is neither a share between 0 and 1 nor a number.
        """
        super().__init__(retained=retained)
        self._seed = int(seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self._seed}

    def order(self, level, view_shape):
        random = np.random.default_rng([self._seed, level])
        halves = 2 * self.staying(level, view_shape) == view_shape[-1]
        return random_block_order(random, view_shape, in_raster_order=halves)


def random_block_order(
    random: np.random.Generator, view_shape: Sequence[int], in_raster_order: bool = True
) -> np.ndarray:
    """Draws an order of the four of every block, two of which stay; integers `[h, w, 4c]`.

    Args:
        random: What draws.
        view_shape: Shape of the view.
        in_raster_order: Whether those that stay, and the others, are in raster order.
    """
    height, width, entries = view_shape
    drawn = np.argsort(random.random((height, width, entries // 4, 4)), axis=-1)
    if in_raster_order:
        drawn = np.sort(drawn.reshape(*drawn.shape[:-1], 2, 2)).reshape(drawn.shape)
    return view_order(drawn)
