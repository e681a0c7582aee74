"""Factorizations that look at no data."""

import numpy as np
import pytest

from tests.fields import level_indices, view
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    ComplementCheckerboard,
    Random,
    RandomChannels,
    RandomInBlock,
)


def test_checkerboard_counts_position_by_position_in_the_order_of_real_nvp():
    # Entries of the view: channel 0 at (0,0) (0,1) (1,0) (1,1), then channel 1.
    order = Checkerboard().order(0, (1, 1, 8))
    assert order.tolist() == [
        *(0, 4),  # both channels at (0,0)
        *(3, 7),  # at (1,1)
        *(1, 5),  # at (0,1)
        *(2, 6),  # at (1,0)
    ]


def test_channel_keeps_the_entries_as_they_are():
    assert Channel().order(0, (1, 1, 8)).tolist() == list(range(8))


def test_complement_keeps_what_the_checkerboard_factors_out():
    order = ComplementCheckerboard().order(0, (1, 1, 8))
    assert order.tolist() == [1, 5, 2, 6, 0, 4, 3, 7]


def test_random_keeps_any_half_of_all_dimensions_in_the_order_of_the_view():
    index = view(level_indices((8, 8, 2))[0])
    order = Random(1).bijector(0, index.shape).route(np.arange(index.size).reshape(index.shape))
    stay, others = np.split(order, 2, axis=-1)
    for half in (stay, others):
        assert np.all(np.diff(half.ravel()) > 0)
    # Blocks are not respected: the number that stay differs from one to the next.
    counts = np.bincount(stay.ravel() // 8, minlength=16)
    assert counts.sum() == 64
    assert len(set(counts)) > 2


def test_random_in_block_keeps_two_pixels_of_every_channel_of_every_block():
    order = RandomInBlock(1).order(0, (16, 16, 8)).reshape(16, 16, 4, 2)
    four = np.moveaxis(order, 2, -1) - 4 * np.arange(2)[:, None]
    assert np.all(np.sort(four) == np.arange(4))
    assert np.all(four[..., 0] < four[..., 1])
    assert np.all(four[..., 2] < four[..., 3])
    pairs = 4 * four[..., 0] + four[..., 1]
    shares = np.unique(pairs, return_counts=True)[1] / pairs.size
    assert len(shares) == 6
    assert shares.min() > 0.12  # of 1/6 each
    assert np.any(pairs[..., 0] != pairs[..., 1])


@pytest.mark.parametrize("kind", [Random, RandomChannels, RandomInBlock])
def test_levels_of_one_seed_are_drawn_apart(kind):
    shape = (4, 4, 8)
    first, second = (kind(0).bijector(level, shape).get_config()["index"] for level in (0, 1))
    assert np.any(first != second)


@pytest.mark.parametrize(
    "factorization", [Checkerboard(), ComplementCheckerboard(), Channel()], ids=repr
)
def test_order_is_the_same_at_every_level_and_position(factorization):
    for level in range(3):
        order = factorization.order(level, (4, 6, 12))
        assert np.array_equal(order, factorization.order(0, (1, 1, 12)))
        assert np.array_equal(np.sort(order), np.arange(12))
    view = np.arange(4 * 6 * 12).reshape(4, 6, 12)
    moved = factorization.bijector(0, view.shape).inverse(view[None])[0]
    assert np.array_equal(moved, view[..., order])
