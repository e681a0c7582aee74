"""Which pixels stay, counted; and which splits are one and the same."""

import numpy as np
import pytest

from tfp_lcma import factorizations as family
from tfp_lcma.training.studies.compare.splits import pair_counts, same_splits, splits_of

SHAPE = (8, 8, 3)


def splits(factorization, levels=2, shape=SHAPE):
    return splits_of(factorization, shape, levels)


def counted(*arguments, **options):
    return pair_counts([split.order for split in splits(*arguments, **options)])


@pytest.mark.parametrize(
    ("factorization", "pair"),
    [(family.Checkerboard(), 2), (family.ComplementCheckerboard(), 3)],
)
def test_static_splits_keep_one_pair_everywhere(factorization, pair):
    (first, second) = counted(factorization, levels=3)
    assert first == [[16 * (i == pair) for i in range(6)]] * 3
    assert second == [[4 * (i == pair) for i in range(6)]] * 6


def test_pairs_of_scores_are_counted_block_by_block():
    scores = np.zeros((2, 4, 4, 1))
    for row, column in [(0, 0), (0, 1), (0, 2), (1, 2), (2, 0), (3, 0), (2, 3), (3, 3)]:
        scores[0, row, column] = 1
    # Top row, left column, left column, right column stay.
    chosen = family.LikelihoodContribution(scores)
    assert counted(chosen, shape=(4, 4, 1)) == [[[1, 2, 0, 0, 1, 0]]]


@pytest.mark.parametrize(
    "factorization",
    [family.Random(0), family.Haar(), family.Channel(), family.LearnedConvolution()],
)
def test_splits_that_do_not_keep_two_pixels_of_each_block_have_no_pairs(factorization):
    assert counted(factorization) is None


def test_a_split_is_the_same_as_another_that_does_the_same():
    constant = family.LikelihoodContribution(np.zeros((2, *SHAPE)))
    assert same_splits(splits(constant), splits(family.Checkerboard()))
    assert not same_splits(splits(constant), splits(family.ComplementCheckerboard()))
    assert not same_splits(splits(constant), splits(family.Haar()))
    assert same_splits(splits(family.Haar()), splits(family.Haar()))
    rotated = [split.order.get_config()["matrix"] for split in splits(family.Haar())]
    again = family.KarhunenLoeve([rotated[0] + 1e-12])
    assert same_splits(splits(family.Haar()), splits(again))


def test_a_split_of_another_share_is_another_though_its_order_is_the_same():
    half, quarter = family.Channel(), family.Channel(retained=0.25)
    assert same_splits(splits(half), splits(family.Channel(retained=0.5)))
    assert not same_splits(splits(half), splits(quarter))


def test_a_learned_split_is_the_same_as_no_other():
    learned = family.LearnedConvolution()
    assert not same_splits(splits(learned), splits(learned))
