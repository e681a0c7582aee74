"""What a factorization does to a flow's levels: which pixels stay, and whether two do the same."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfp_lcma.bijectors import FlowBijector, Permutation, VariablePermutation
from tfp_lcma.bijectors.patches import view_shape
from tfp_lcma.factorizations import Factorization
from tfp_lcma.multi_scale import level_shapes
from tfp_lcma.training.reports.kept_pairs import kept_pairs


class Split(NamedTuple):
    """What a factorization does at the end of a level.

    Attributes:
        order: the flow on the level's view.
        staying: how many of its entries stay, the first ones.
    """

    order: FlowBijector
    staying: int


def splits_of(
    factorization: Factorization,
    event_shape: Sequence[int],
    levels: int,
    patch: int | None = None,
) -> list[Split]:
    """Returns the splits of every level but the last."""
    shapes = level_shapes(event_shape, levels, factorization, patch)[:-1]
    views = [view_shape(shape, level, patch) for level, shape in enumerate(shapes)]
    return [
        Split(factorization.bijector(level, view), factorization.staying(level, view))
        for level, view in enumerate(views)
    ]


def pair_counts(splits: Sequence[FlowBijector]) -> list[list[list[int]]] | None:
    """Counts which two of the four pixels of a 2x2 block stay.

    Args:
        splits: the factorization's flow of every level.

    Returns:
        For every level and every channel of its tensor how many blocks keep each of `PAIRS`;
        None unless every split is a permutation that keeps two pixels of every block.
    """
    counts = []
    for split in splits:
        if not isinstance(split, Permutation | VariablePermutation):
            return None
        pairs = kept_pairs(
            split.route(np.arange(np.prod(split.event_shape)).reshape(split.event_shape))
        )
        if pairs is None:
            return None
        counts.append(pairs.tolist())
    return counts


def same_splits(one: Sequence[Split], other: Sequence[Split]) -> bool:
    """Says whether two lists of splits do the same, up to rounding, at every level.

    A split that holds variables can change in training: it is the same as no other.
    """
    return len(one) == len(other) and all(
        type(mine.order) is type(theirs.order)
        and mine.staying == theirs.staying
        and not mine.order.variables
        and _same(mine.order.get_config(), theirs.order.get_config())
        for mine, theirs in zip(one, other, strict=True)
    )


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        np.shape(one[name]) == np.shape(other[name])
        and (
            np.allclose(one[name], other[name], rtol=0, atol=1e-9)
            if np.asarray(one[name]).dtype.kind in "iuf"
            else one[name] == other[name]
        )
        for name in one
    )
