"""LCMA: the dimensions with the most log-det stay."""

import dataclasses
import functools

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats

from tests.fields import statistics, view
from tests.registry import random_scores
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    LikelihoodContribution,
    LikelihoodGain,
)
from tfp_lcma.multi_scale import MultiScale, level_shapes

quickly = hypothesis.settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def scores_of_images(draw):
    """Scores `[levels, h, w, c]` with many ties, for as many splits as there are levels."""
    levels = draw(st.integers(1, 3))
    height, width = (2**levels * draw(st.integers(1, 2)) for _ in range(2))
    shape = (levels, height, width, draw(st.integers(1, 3)))
    values = st.one_of(st.integers(-2, 2).map(float), st.floats(-1e6, 1e6))
    return draw(hypothesis.extra.numpy.arrays(np.float64, shape, elements=values))


def view_shapes(scores):
    shapes = level_shapes(scores.shape[1:], len(scores) + 1, Channel())[:-1]
    return [(h // 2, w // 2, 4 * c) for h, w, c in shapes]


def orders(scores, **kwargs):
    factorization = LikelihoodContribution(scores, **kwargs)
    return [factorization.order(level, shape) for level, shape in enumerate(view_shapes(scores))]


def per_channel(order):
    """[h, w, 4c] -> [h, w, c, 4]: the four entries of each channel, as they are ordered."""
    h, w, entries = order.shape
    return order.reshape(h, w, 4, entries // 4).swapaxes(-1, -2)


def multi_scale(factorization, shape, levels):
    shapes = level_shapes(shape, levels, factorization)
    return MultiScale([Identity(shape) for shape in shapes], factorization)


@quickly
@hypothesis.given(scores_of_images(), st.sampled_from(["high", "low"]), st.booleans())
def test_order_is_a_permutation_within_each_channel_of_each_block(scores, keep, raster):
    for order in orders(scores, keep=keep, order="raster" if raster else "rank"):
        for channel, four in enumerate(np.moveaxis(per_channel(order), 2, 0)):
            expected = np.arange(4) + 4 * channel
            assert np.array_equal(np.sort(four, axis=-1), np.broadcast_to(expected, four.shape))


@quickly
@hypothesis.given(scores_of_images())
def test_two_highest_of_four_stay_at_every_level_highest_first(scores):
    pixels = np.arange(scores[0].size).reshape(scores.shape[1:])
    for level, order in enumerate(orders(scores)):
        entries = np.take_along_axis(view(pixels), order, axis=-1)
        ranked = per_channel(scores[level].ravel()[entries])
        assert np.all(np.diff(ranked, axis=-1) <= 0)
        pixels = entries[..., : entries.shape[-1] // 2]


@quickly
@hypothesis.given(scores_of_images())
def test_raster_order_keeps_the_same_pairs_in_the_order_of_the_image(scores):
    ranked = orders(scores[:1])[0]
    raster = per_channel(orders(scores[:1], order="raster")[0])
    for half in (slice(0, 2), slice(2, 4)):
        assert np.array_equal(raster[..., half], np.sort(per_channel(ranked)[..., half], axis=-1))


@quickly
@hypothesis.given(scores_of_images(), st.booleans())
def test_keeping_low_exchanges_the_halves_of_keeping_high_ties_included(scores, raster):
    order = "raster" if raster else "rank"
    high = orders(scores[:1], order=order)[0]
    low = orders(scores[:1], keep="low", order=order)[0]
    assert np.array_equal(low, np.roll(high, high.shape[-1] // 2, axis=-1))


@quickly
@hypothesis.given(scores_of_images(), st.floats(-10, 10))
def test_constant_scores_reproduce_the_checkerboard_at_every_level(scores, constant):
    shapes = view_shapes(scores)
    for level, order in enumerate(orders(np.full_like(scores, constant))):
        assert np.array_equal(
            order, np.broadcast_to(Checkerboard().order(level, shapes[level]), shapes[level])
        )


@quickly
@hypothesis.given(scores_of_images())
def test_half_of_what_stayed_is_factored_out_at_every_level(scores):
    levels, *shape = scores.shape
    exit_map = multi_scale(LikelihoodContribution(scores), shape, levels + 1).exit_map
    size = scores[0].size
    expected = [size // 2 ** (level + 1) for level in range(levels)]
    assert np.bincount(exit_map.ravel()).tolist() == [*expected, expected[-1]]


def test_deeper_levels_rank_only_what_stayed():
    gone = 99.0  # would win every comparison, were it still there
    scores = np.array(
        [
            # Kept of each block, best first: 0 1 | 7 6 / 13 8 | a tie: 10 15
            [[4, 3, 1, 2], [1, 2, 3, 4], [5, 1, 1, 1], [1, 6, 1, 1]],
            # First-ranked 0 7 13 10 get 1 4 3 2, second-ranked 1 6 8 15 get 5 5 5 9.
            [[1, 5, gone, gone], [gone, gone, 5, 4], [5, gone, 2, gone], [gone, 3, gone, 9]],
        ]
    )[..., None]
    flow = multi_scale(LikelihoodContribution(scores), (4, 4, 1), 3)
    assert flow.level_index[1][..., 0].tolist() == [[0, 7], [13, 10]]
    assert flow.level_index[1][..., 1].tolist() == [[1, 6], [8, 15]]
    # Of 0 7 13 10, 7 and 13 stay. Of 1 6 8 15, 15; then the tie falls to (0,0), which is 1.
    assert flow.level_index[2].ravel().tolist() == [7, 15, 13, 1]
    order = LikelihoodContribution(scores).order(1, (1, 1, 8))
    assert order.ravel().tolist() == [1, 7, 2, 4, 3, 5, 0, 6]
    assert flow.exit_map[..., 0].tolist() == [
        [1, 2, 0, 0],
        [0, 0, 1, 2],
        [1, 0, 1, 0],
        [0, 2, 0, 2],
    ]


def test_scores_may_be_missing_where_no_dimension_arrives_but_nowhere_else():
    scores = random_scores(2, (4, 4, 1))
    reached = multi_scale(LikelihoodContribution(scores), (4, 4, 1), 3).exit_map > 0
    scores[1][~reached] = np.nan
    LikelihoodContribution(scores).order(1, (1, 1, 8))
    scores[1][reached] = np.nan
    with pytest.raises(ValueError, match=r"no finite score .* reaches level 1.*factorization=None"):
        LikelihoodContribution(scores).order(1, (1, 1, 8))


def test_scores_are_the_log_dets_of_the_statistics():
    made = statistics()
    plain = LikelihoodContribution(made)
    assert plain == LikelihoodContribution(made.log_det)
    assert np.array_equal(plain.scores, made.log_det)


def test_scores_of_a_level_are_its_own_log_dets():
    made = statistics()
    scores = LikelihoodContribution(made, scores="level").scores
    assert np.array_equal(scores[0], made.log_det[0])
    assert np.allclose(scores.sum(axis=0), made.log_det[-1])


def test_scale_invariant_score_is_the_log_density_under_the_best_affine_gaussian():
    made = statistics(count=500)
    scores = LikelihoodContribution(made, scores="scale_invariant").scores
    y = made.activations[0].reshape(500, 128).astype(np.float64)
    normal = scipy.stats.norm(y.mean(axis=0), y.std(axis=0))
    expected = made.log_det[0].ravel() + normal.logpdf(y).mean(axis=0)
    assert np.allclose(scores[0].ravel(), expected, atol=1e-5)


def test_gain_is_what_the_log_density_still_grows_by():
    made = statistics()
    gain = LikelihoodGain(made).scores
    exit_now = LikelihoodContribution(made, scores="scale_invariant").scores
    assert np.allclose(gain + exit_now, made.log_density)
    assert not np.allclose(gain, gain[:1])


@pytest.mark.parametrize(
    "kind",
    [LikelihoodGain, functools.partial(LikelihoodContribution, scores="scale_invariant")],
    ids=["LikelihoodGain", "scale_invariant"],
)
def test_rescaling_every_activation_changes_no_scale_invariant_score(kind):
    made = statistics()
    scale = np.exp(np.random.default_rng(7).normal(size=made.log_det.shape))
    rescaled = dataclasses.replace(
        made, log_det=made.log_det + np.log(scale), variance=made.variance * scale**2
    )
    assert np.allclose(kind(rescaled).scores, kind(made).scores)
    for level, shape in enumerate([(4, 4, 8), (2, 2, 16)]):
        assert np.array_equal(kind(rescaled).order(level, shape), kind(made).order(level, shape))
    plain = LikelihoodContribution(made).order(0, (4, 4, 8))
    assert not np.array_equal(LikelihoodContribution(rescaled).order(0, (4, 4, 8)), plain)


@pytest.mark.parametrize("kind", [LikelihoodGain, LikelihoodContribution])
def test_scores_of_several_statistics_are_averaged(kind):
    several = [statistics(seed=seed) for seed in range(3)]
    mean = np.mean([kind(one).scores for one in several], axis=0)
    assert np.allclose(kind(several).scores, mean)
    assert not np.allclose(mean, kind(several[0]).scores)


def test_scores_changed_afterwards_do_not_change_the_factorization():
    scores = random_scores(1, (4, 4, 1))
    factorization = LikelihoodContribution(scores)
    before = factorization.order(0, (2, 2, 4))
    scores *= -1
    assert np.array_equal(factorization.order(0, (2, 2, 4)), before)
    with pytest.raises(ValueError, match=r"read-only"):
        factorization.get_config()["statistics"][:] = 0


@pytest.mark.parametrize("shape", [(4, 4, 1), (4,), (1, 2, 4, 4, 1)])
def test_scores_of_the_wrong_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"statistics must be .*; got shape \("):
        LikelihoodContribution(np.zeros(shape))


@pytest.mark.parametrize("statistics", [[], [1.0, 2.0], [[np.zeros(3)]]])
def test_statistics_that_hold_no_scores_are_refused(statistics):
    with pytest.raises(ValueError, match=r"statistics must be .*; got shape \("):
        LikelihoodGain(statistics)


def test_several_statistics_of_different_shapes_are_refused_with_both():
    with pytest.raises(ValueError, match=r"be of one shape; got .*\(1, 4, 4, 1\), \(1, 8, 8, 1"):
        LikelihoodContribution([np.zeros((1, 4, 4, 1)), np.zeros((1, 8, 8, 1))])


@pytest.mark.parametrize("kind", [LikelihoodContribution, LikelihoodGain])
@pytest.mark.parametrize(
    ("argument", "choices"),
    [
        ("keep", '"high" or "low"'),
        ("granularity", '"position" or "level" or "channel"'),
        ("pooling", '"block" or "pair" or "view"'),
        ("order", '"rank" or "raster"'),
    ],
)
def test_arguments_outside_their_choices_are_refused_by_name(kind, argument, choices):
    with pytest.raises(ValueError, match=f"{argument} must be {choices}; got 'middle'"):
        kind(random_scores(1, (4, 4, 1)), **{argument: "middle"})


def test_unknown_scores_are_refused_even_where_they_are_given():
    message = """scores must be "cumulative" or "level" or "scale_invariant"; got 'all'"""
    with pytest.raises(ValueError, match=message):
        LikelihoodContribution(random_scores(1, (4, 4, 1)), scores="all")


@pytest.mark.parametrize("level", [0, 1])
def test_scores_of_another_flow_are_refused_with_both_shapes(level):
    factorization = LikelihoodContribution(random_scores(1, (8, 8, 1)))
    with pytest.raises(
        ValueError, match=rf"image \(8, 8, 1\) do not fit level {level} .*\(2, 2, 4\)"
    ):
        factorization.order(level, (2, 2, 4))
