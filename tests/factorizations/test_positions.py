"""Maps of where in its block each entry of a level came from."""

import numpy as np

from tests.registry import random_scores
from tfp_lcma.bijectors import Identity
from tfp_lcma.factorizations import Checkerboard, LikelihoodContribution, offset_maps
from tfp_lcma.multi_scale import MultiScale, level_shapes


def test_checkerboard_has_constant_offsets_at_the_second_level():
    maps = offset_maps(Checkerboard(), 1, (8, 8, 2))
    assert maps.shape == (4, 4, 8)
    assert maps.dtype == np.float32
    # Both channels at (0,0), both at (1,1); vertical, then horizontal.
    assert np.all(maps == [0.25, 0.25, 0.75, 0.75] * 2)


def test_at_the_first_level_every_pixel_is_its_own_block():
    assert np.all(offset_maps(Checkerboard(), 0, (4, 4, 2)) == 0.5)
    assert offset_maps(Checkerboard(), 0, (4, 4, 2)).shape == (4, 4, 4)


def test_offsets_of_a_choice_per_position_are_those_made_by_hand():
    scores = np.array(
        # Kept of each block, best first: 0 1 | 7 6 / 13 8 | 10 15
        [[[4, 3, 1, 2], [1, 2, 3, 4], [5, 1, 3, 1], [1, 6, 1, 2]]]
    )[..., None]
    maps = offset_maps(LikelihoodContribution(scores), 1, (4, 4, 1))
    first, second = [0, 7, 13, 10], [1, 6, 8, 15]
    vertical = [[index // 4 % 2 for index in entry] for entry in (first, second)]
    horizontal = [[index % 2 for index in entry] for entry in (first, second)]
    assert vertical == [[0, 1, 1, 0], [0, 1, 0, 1]]
    assert horizontal == [[0, 1, 1, 0], [1, 0, 0, 1]]
    expected = np.array([*vertical, *horizontal]).T.reshape(2, 2, 4)
    assert np.array_equal(maps, 0.25 + 0.5 * expected)


def test_offsets_of_the_third_level_are_places_in_blocks_of_four_by_four():
    shape = (8, 8, 2)
    factorization = LikelihoodContribution(random_scores(2, shape))
    maps = offset_maps(factorization, 2, shape)
    assert set(np.unique(maps)) == {0.125, 0.375, 0.625, 0.875}
    shapes = level_shapes(shape, 3, factorization)
    flow = MultiScale([Identity(each) for each in shapes], factorization)
    for row, column, entry in np.ndindex(2, 2, 8):
        offset = 4 * maps[row, column, [entry, 8 + entry]] - 0.5
        pixel = np.unravel_index(flow.level_index[2][row, column, entry], shape)
        assert (4 * row + offset[0], 4 * column + offset[1]) == pixel[:2]
