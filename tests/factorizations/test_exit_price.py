"""The pair of least price is factored out, by brute force over a Gaussian field's entropies."""

import dataclasses

import numpy as np
import pytest

from tests.fields import LEVELS, SHAPE, level_indices, random_covariance, statistics, view
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import PAIRS, Checkerboard, ExitPrice, pair_prices
from tfp_lcma.multi_scale import MultiScale, level_shapes

VIEWS = [(4, 4, 8), (2, 2, 16)]
COVARIANCES = [random_covariance(128, seed) for seed in range(LEVELS)]
FIELD = statistics(covariances=COVARIANCES)


def entropy(covariance):
    """Of a Gaussian, in nats."""
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.atleast_2d(covariance))[1]


def price(covariance, pair):
    """The sum of a pair's entropies less its entropy given the pair that stays."""
    staying = [i for i in range(4) if i not in pair]
    ss, kk = covariance[np.ix_(pair, pair)], covariance[np.ix_(staying, staying)]
    sk = covariance[np.ix_(pair, staying)]
    given = ss - sk @ np.linalg.inv(kk) @ sk.T
    return (
        entropy(covariance[pair[0], pair[0]])
        + entropy(covariance[pair[1], pair[1]])
        - entropy(given)
    )


def arrived(factorization, level):
    """Which dimensions of the image stand in every block, `[h, w, c, 4]`."""
    shapes = level_shapes(SHAPE, LEVELS, factorization)
    flow = MultiScale([Identity(shape) for shape in shapes], factorization)
    index = view(flow.level_index[level])
    return index.reshape(*index.shape[:2], -1, 4)


def true_prices(dimensions, level):
    """`[h, w, c, 6]` from the covariance that the field has."""
    prices = np.empty((*dimensions.shape[:3], 6))
    for place in np.ndindex(dimensions.shape[:3]):
        four = dimensions[place]
        covariance = COVARIANCES[level][np.ix_(four, four)]
        prices[place] = [price(covariance, list(pair)) for pair in PAIRS]
    return prices


def factored_out(factorization, level):
    """The index in `PAIRS` of the pair of each block that is factored out, `[h, w, c]`."""
    h, w, entries = VIEWS[level]
    order = factorization.order(level, VIEWS[level]).reshape(h, w, 4, entries // 4)
    channels = 4 * np.arange(entries // 4)
    pairs = np.moveaxis(order[:, :, 2:] - channels, 2, -1)
    return np.array([PAIRS.index(tuple(pair)) for pair in pairs.reshape(-1, 2)]).reshape(h, w, -1)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("granularity", ["position", "channel", "level"])
def test_pair_that_shares_least_with_the_others_is_factored_out(granularity, level):
    factorization = ExitPrice(FIELD, granularity)
    expected = true_prices(arrived(factorization, level), level)
    np.testing.assert_allclose(factorization.prices[level], expected, atol=1e-6)
    axes = {"position": (), "channel": (0, 1), "level": (0, 1, 2)}[granularity]
    best = expected.mean(axis=axes, keepdims=True).argmin(axis=-1)
    got = factored_out(factorization, level)
    np.testing.assert_array_equal(got, np.broadcast_to(best, got.shape))
    if granularity == "position":
        assert set(got.ravel()) == set(range(6))


def test_deeper_levels_price_the_dimensions_that_arrived():
    factorization = ExitPrice(FIELD)
    not_these = view(level_indices()[1])[..., :16].reshape(2, 2, 4, 4)
    assert np.any(arrived(factorization, 1) != not_these)
    wrong = true_prices(not_these, 1).argmin(axis=-1)
    right = true_prices(arrived(factorization, 1), 1).argmin(axis=-1)
    assert np.any(wrong != right)
    np.testing.assert_array_equal(factored_out(factorization, 1), right)
    # The first level's covariance tells something else.
    assert np.any(true_prices(arrived(factorization, 1), 0).argmin(axis=-1) != right)


def test_independent_dimensions_cost_nothing():
    np.testing.assert_allclose(pair_prices(np.diag([1.0, 4.0, 0.01, 1e6])), 0, atol=1e-12)


def test_rescaling_dimensions_changes_no_price():
    covariance = random_covariance(4, 3)
    scale = np.diag([1.0, 1e-3, 50.0, 1e4])
    prices = pair_prices(covariance)
    np.testing.assert_allclose(pair_prices(scale @ covariance @ scale), prices, rtol=1e-6)
    assert prices.min() > 0.01


def test_price_of_a_pair_that_shares_with_no_other_is_what_it_shares_within():
    covariance = np.eye(4)
    covariance[2, 3] = covariance[3, 2] = 0.6
    within = -0.5 * np.log(1 - 0.6**2)
    # Whichever pair it is, the bond of 2 and 3 is cut, except where both stay.
    expected = [0.0 if set(pair) == {0, 1} else within for pair in PAIRS]
    np.testing.assert_allclose(pair_prices(covariance), expected, atol=1e-6)


@pytest.mark.parametrize(
    "covariance",
    [np.ones((4, 4)), np.zeros((4, 4)), np.diag([0.0, 1.0, 0.0, 1.0]), np.full((4, 4), 1e-300)],
    ids=["equal", "constant", "half constant", "tiny"],
)
def test_singular_covariance_has_finite_prices(covariance):
    assert np.isfinite(pair_prices(covariance)).all()


def test_dimension_that_never_changes_costs_nothing():
    covariance = random_covariance(4, 5)
    covariance[1] = covariance[:, 1] = 0
    prices = dict(zip(PAIRS, pair_prices(covariance), strict=True))
    rest = random_covariance(4, 5)
    rest[1, [0, 2, 3]] = rest[[0, 2, 3], 1] = 0
    expected = dict(zip(PAIRS, pair_prices(rest), strict=True))
    assert prices == pytest.approx(expected)
    # Together with another, the bonds of that one alone are cut.
    assert 1 in min(prices, key=prices.get)


def test_equal_prices_fall_to_the_checkerboard():
    noise = 1e-12 * np.random.default_rng(0).normal(size=(4, 4, 2, 6))
    for granularity in ("position", "channel", "level"):
        order = ExitPrice([1.0 + noise], granularity).order(0, VIEWS[0])
        assert np.all(order == Checkerboard().order(0, VIEWS[0]))


# --- what is refused ---


def test_unknown_granularity_is_refused():
    message = """granularity must be "position" or "level" or "channel"; got 'block'"""
    with pytest.raises(ValueError, match=message):
        ExitPrice(FIELD, "block")


@pytest.mark.parametrize(
    ("prices", "shapes"),
    [
        ([], r"\[\]"),
        ([np.ones((4, 4, 2, 4))], r"\(4, 4, 2, 4\)"),
        (np.ones((2, 8, 8, 6)), r"\(8, 8, 6\), \(8, 8, 6\)"),
        (statistics(levels=1), r"\[\]"),
    ],
    ids=["none", "of four", "of scores", "of one level"],
)
def test_what_holds_no_prices_is_refused_with_its_shapes(prices, shapes):
    with pytest.raises(ValueError, match=rf"statistics must be .*\[h, w, c, 6\]; got .*{shapes}"):
        ExitPrice(prices)


def test_statistics_of_a_flow_with_a_split_are_refused():
    index = FIELD.level_index[1][..., :4]
    split = dataclasses.replace(FIELD, level_index=(FIELD.level_index[0], index, index))
    with pytest.raises(ValueError, match=r"reaches level 1: .*factorization=None"):
        ExitPrice(split)


@pytest.mark.parametrize(("level", "shape"), [(0, (2, 2, 4)), (2, (1, 1, 32))])
def test_prices_of_another_flow_are_refused_with_both_shapes(level, shape):
    message = rf"image \(8, 8, 2\) do not fit level {level} .*\({shape[0]}, {shape[1]}, "
    with pytest.raises(ValueError, match=message):
        ExitPrice(FIELD).order(level, shape)
