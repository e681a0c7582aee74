"""Factorizations that look at no data."""

import numpy as np
import pytest

from tfp_lcma.factorizations import Channel, Checkerboard


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


@pytest.mark.parametrize("factorization", [Checkerboard(), Channel()], ids=repr)
def test_order_is_the_same_at_every_level_and_position(factorization):
    for level in range(3):
        order = factorization.order(level, (4, 6, 12))
        assert np.array_equal(order, factorization.order(0, (1, 1, 12)))
        assert np.array_equal(np.sort(order), np.arange(12))
    view = np.arange(4 * 6 * 12).reshape(4, 6, 12)
    moved = factorization.bijector(0, view.shape).inverse(view[None])[0]
    assert np.array_equal(moved, view[..., order])
