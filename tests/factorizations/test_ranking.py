"""From scores to orders: granularity, pooling, centring, ties."""

import itertools

import numpy as np
import pytest

from tests.fields import view
from tests.registry import random_scores
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import Checkerboard, LikelihoodContribution
from tfp_lcma.factorizations.factorization import view_order
from tfp_lcma.multi_scale import MultiScale, level_shapes

SHAPE = (8, 8, 2)
VIEWS = [(4, 4, 8), (2, 2, 16)]
SCORES = random_scores(2, SHAPE, seed=4)


def blocks_of(factorization, level, scores=SCORES):
    """Scores of what arrives at a level, `[h, w, c, 4]`."""
    shapes = level_shapes(SHAPE, 3, factorization)
    flow = MultiScale([Identity(shape) for shape in shapes], factorization)
    arrived = view(flow.level_index[level])
    return scores[level].ravel()[arrived].reshape(*arrived.shape[:2], -1, 4)


def assert_order(factorization, level, sub_positions):
    """`sub_positions` are those of every channel, `[c, 4]`, or of every block's too."""
    expected = np.broadcast_to(view_order(sub_positions), VIEWS[level])
    np.testing.assert_array_equal(factorization.order(level, VIEWS[level]), expected)


@pytest.mark.parametrize("level", [0, 1])
def test_one_order_for_a_level_is_that_of_the_mean_scores(level):
    factorization = LikelihoodContribution(SCORES, granularity="level")
    blocks = blocks_of(factorization, level)
    best = np.argsort(-blocks.reshape(-1, 4).mean(axis=0))
    assert_order(factorization, level, np.tile(best, (blocks.shape[2], 1)))


@pytest.mark.parametrize("level", [0, 1])
def test_one_order_for_a_channel_is_that_of_its_mean_scores(level):
    factorization = LikelihoodContribution(SCORES, granularity="channel")
    blocks = blocks_of(factorization, level)
    means = blocks.mean(axis=(0, 1))
    best = np.argsort(-means, axis=-1)
    assert len(np.unique(best, axis=0)) > 1
    assert_order(factorization, level, best)


@pytest.mark.parametrize("level", [0, 1])
def test_pairs_keep_the_better_one_of_each_row_in_order_of_rank(level):
    factorization = LikelihoodContribution(SCORES, pooling="pair")
    blocks = blocks_of(factorization, level)
    expected = np.empty(blocks.shape, int)
    for place in np.ndindex(blocks.shape[:3]):
        rows = [sorted(row, key=lambda i: -blocks[place][i]) for row in ([0, 1], [2, 3])]
        halves = [sorted(half, key=lambda i: -blocks[place][i]) for half in zip(*rows, strict=True)]
        expected[place] = [*halves[0], *halves[1]]
    assert_order(factorization, level, expected)
    plain = LikelihoodContribution(SCORES).order(level, VIEWS[level])
    assert np.any(plain != factorization.order(level, VIEWS[level]))


def checkered(size):
    """Minus `size` where row + column is even, plus elsewhere; another size per channel."""
    rows, columns = np.indices(SHAPE[:2])
    return size * np.where((rows + columns) % 2, 1.0, -1.0)[..., None] * [1.0, 2.0]


@pytest.mark.parametrize("granularity", ["position", "channel", "level"])
def test_centring_takes_what_one_parity_has_more_away(granularity):
    def order(scores, centred):
        factorization = LikelihoodContribution(scores, granularity=granularity, centred=centred)
        return factorization.order(0, VIEWS[0])

    shifted = SCORES + checkered(100.0)
    np.testing.assert_array_equal(order(shifted, True), order(SCORES, True))
    assert np.any(order(shifted, False) != order(SCORES, False))
    kept = np.sort(order(shifted, False)[0, 0][:4])
    assert kept.tolist() == [1, 2, 5, 6]  # sub-positions (0,1), (1,0) of both channels


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("order", ["rank", "raster"])
@pytest.mark.parametrize("pooling", ["block", "pair"])
@pytest.mark.parametrize("granularity", ["position", "channel", "level"])
def test_ties_fall_to_the_checkerboard(granularity, pooling, order, centred):
    factorization = LikelihoodContribution(
        np.full((2, *SHAPE), 0.1),
        granularity=granularity,
        pooling=pooling,
        order=order,
        centred=centred,
    )
    for level in range(2):
        expected = Checkerboard().order(level, VIEWS[level])
        assert np.all(factorization.order(level, VIEWS[level]) == expected)


@pytest.mark.parametrize("offset", [0.1, 0.3, 1 / 3, 12.7])
def test_rounding_errors_of_centring_decide_no_tie(offset):
    for sign, constant in itertools.product([1, -1], [0.0, 1.1]):
        scores = np.broadcast_to(constant + sign * checkered(offset), (2, *SHAPE))
        order = LikelihoodContribution(scores, centred=True).order(0, VIEWS[0])
        assert np.all(order == Checkerboard().order(0, VIEWS[0]))


def scores_of_view(values, shape=(4, 4, 2)):
    """Scores, the same for all levels, whose first view holds `values` of its entries."""
    image = np.zeros(shape)
    for entry, value in enumerate(values):
        channel, place = divmod(entry, 4)
        image[place // 2 :: 2, place % 2 :: 2, channel] = value
    return image[None]


def test_channels_are_ranked_against_each_other_where_the_whole_view_is_pooled():
    scores = scores_of_view([1, 2, 3, 4, 50, 60, 70, 80])
    order = LikelihoodContribution(scores, pooling="view").order(0, (2, 2, 8))
    assert (order == [7, 6, 5, 4, 3, 2, 1, 0]).all()
    low = LikelihoodContribution(scores, "low", pooling="view", order="raster")
    assert (low.order(0, (2, 2, 8)) == [0, 1, 2, 3, 4, 5, 6, 7]).all()


def test_one_order_of_channels_holds_at_all_positions():
    scores = np.random.default_rng(0).normal(size=(1, 4, 4, 2))
    factorization = LikelihoodContribution(scores, pooling="view", granularity="channel")
    order = factorization.order(0, (2, 2, 8))
    assert (order == order[0, 0]).all()
    means = [scores[0, p // 2 :: 2, p % 2 :: 2, c].mean() for c in range(2) for p in range(4)]
    assert order[0, 0].tolist() == np.argsort(means)[::-1].tolist()


def test_equal_scores_of_a_pooled_view_give_glows_split():
    order = LikelihoodContribution(np.zeros((1, 4, 4, 2)), pooling="view").order(0, (2, 2, 8))
    assert (order == np.arange(8)).all()


@pytest.mark.parametrize("options", [{"granularity": "level"}, {"centred": True}])
def test_options_of_blocks_are_refused_where_the_view_is_pooled(options):
    with pytest.raises(ValueError, match='pooling="view" ranks channels against each other'):
        LikelihoodContribution(np.zeros((1, 4, 4, 2)), pooling="view", **options)
