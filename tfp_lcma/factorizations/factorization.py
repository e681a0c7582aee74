"""The protocol of a factorization: which dimensions leave at a level, which go on."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.reshaping import Permutation
from tfp_lcma.serialization import Configurable


class Factorization(Configurable):
    """An immutable, serialisable choice of the dimensions that leave early.

    At every level the flow's tensor is taken as a view `[h, w, 4c]`: entry
    `channel * 4 + dy * 2 + dx` is sub-position (dy, dx) of a 2x2 block of
    `channel`. A factorization orders these entries; the first half goes on to
    the next level, the second half leaves.
    """

    def bijector(self, level: int, view_shape: Sequence[int]) -> FlowBijector:
        """Returns the flow that stands before the split of `level` (0 is the finest).

        Args:
          level: Index of the level.
          view_shape: Shape `(h, w, 4c)` of its view.

        Returns:
          A flow on `view_shape` with log-det 0.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks bijector().")

    def __eq__(self, other) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.get_config(), other.get_config()
        return all(_same(mine[name], theirs[name]) for name in mine)

    def __hash__(self) -> int:
        return hash(type(self).__name__)

    def __repr__(self) -> str:
        def show(value):
            return (
                f"<{'x'.join(map(str, value.shape))}>" if hasattr(value, "shape") else repr(value)
            )

        arguments = ", ".join(f"{name}={show(value)}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class StaticFactorization(Factorization):
    """A factorization by a fixed permutation within every block; a subclass writes `order`."""

    def order(self, level: int, view_shape: Sequence[int]) -> np.ndarray:
        """Returns which entry of the view each slot receives.

        Returns:
          Integer array `[h, w, 4c]`, or `[4c]` where all blocks are alike.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks order().")

    def bijector(self, level: int, view_shape: Sequence[int]) -> Permutation:
        height, width, entries = view_shape
        first = np.arange(0, height * width * entries, entries).reshape(height, width, 1)
        return Permutation(first + self.order(level, view_shape))


def _same(one, other) -> bool:
    """Says whether two arguments are equal; NaN, where no score is known, equals NaN."""
    floats = all(np.asarray(value).dtype.kind == "f" for value in (one, other))
    return np.array_equal(one, other, equal_nan=floats)
