"""One by one, what costs least is factored out: by brute force over a Gaussian's entropies."""

import numpy as np
import pytest

from tests.fields import LEVELS, SHAPE, random_covariance, statistics
from tfp_lcma.factorizations import GreedyExitPrice
from tfp_lcma.factorizations.greedy_exit_price import elimination


def information(covariance, one, others):
    """I(x_one; x_others) of a Gaussian, in nats."""

    def entropy(which):
        return 0.5 * np.linalg.slogdet(covariance[np.ix_(which, which)])[1]

    return entropy([one]) + entropy(others) - entropy([one, *others])


@pytest.mark.parametrize("positions", [1, 3])
def test_at_every_turn_that_goes_which_the_others_know_least_about(positions):
    covariances = np.stack([random_covariance(6, seed) for seed in range(positions)])
    order = elimination(covariances)
    left = list(range(6))
    for gone in order[:0:-1]:
        shared = [
            np.mean([information(c, i, [j for j in left if j != i]) for c in covariances])
            for i in left
        ]
        assert gone == left[int(np.argmin(shared))]
        left.remove(gone)
    assert left == [order[0]]


def test_scales_of_dimensions_decide_nothing_and_of_equals_the_last_goes():
    covariance, scale = random_covariance(5, 0), np.array([1e-3, 1.0, 50.0, 2.0, 0.1])
    scaled = covariance * scale * scale[:, None]
    assert np.array_equal(elimination(scaled), elimination(covariance))
    assert elimination(np.eye(4)).tolist() == [0, 1, 2, 3]
    # A dimension that is always dark, and two that are one.
    singular = np.zeros((3, 3))
    singular[:2, :2] = 1.0
    assert sorted(elimination(singular)) == [0, 1, 2]


def test_every_position_or_the_whole_level_has_an_order_and_deeper_ones_see_what_stayed():
    field = statistics()
    for granularity in ("position", "level"):
        factorization = GreedyExitPrice(field, granularity, retained=0.25)
        for level, shape in enumerate([(4, 4, 8), (2, 2, 8)]):
            order = factorization.order(level, shape)
            assert np.array_equal(np.sort(order), np.broadcast_to(np.arange(8), shape))
            assert (granularity == "level") == bool(np.all(order == order[0, 0]))
    covariance = field.block_covariance[0]
    order = GreedyExitPrice(field).order(0, (4, 4, 8))
    assert np.array_equal(order[2, 1], elimination(covariance[2, 1]))
    assert len(field.block_covariance) == LEVELS - 1


def test_orders_of_another_flow_or_share_are_refused():
    factorization = GreedyExitPrice(statistics(), retained=0.25)
    with pytest.raises(ValueError, match=r"do not fit level 1 with a view of shape \(2, 2, 16\)"):
        factorization.order(1, (2, 2, 16))
    with pytest.raises(ValueError, match="granularity must be"):
        GreedyExitPrice(statistics(), "channel")
    with pytest.raises(ValueError, match=r"an order of shape \[h, w, entries\]"):
        GreedyExitPrice([np.arange(4)])
    assert SHAPE == (8, 8, 2)
