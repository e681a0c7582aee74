"""The rotation of least exit price: against brute force, and what it makes of neighbours."""

import numpy as np
import pytest

from tests.fields import random_covariance, statistics
from tfp_lcma.factorizations import KarhunenLoeve, RotatedExitPrice
from tfp_lcma.factorizations.rotated_exit_price import (
    conditional_covariances,
    least_shared,
    shared_information,
)

MADE = statistics()


def subspace(size, half, seed):
    """Orthonormal columns of a random subspace, and of its complement."""
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return axes[:, :half], axes[:, half:]


@pytest.mark.parametrize("seed", range(5))
def test_price_is_the_information_shared_with_what_stays_and_with_the_neighbours(seed):
    joint = random_covariance(12, seed)  # four entries of a block, eight of its neighbours
    covariance = joint[:4, :4]
    remainder = covariance - joint[:4, 4:] @ np.linalg.solve(joint[4:, 4:], joint[4:, :4])
    leaving, staying = subspace(4, 2, seed)
    whole = np.block(
        [[np.concatenate([leaving, staying], 1), np.zeros((4, 8))], [np.zeros((8, 4)), np.eye(8)]]
    )
    rotated = whole.T @ joint @ whole

    def entropy(part):
        return 0.5 * np.linalg.slogdet(rotated[np.ix_(part, part)])[1]

    expected = entropy(range(2)) + entropy(range(2, 12)) - entropy(range(12))
    assert shared_information(leaving, covariance, remainder) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("size", "seed"), [(4, 0), (4, 1), (4, 2), (8, 3)])
def test_no_other_subspace_is_cheaper(size, seed):
    covariance = random_covariance(size, seed)
    prediction = random_covariance(size, seed + 10)
    remainder = np.linalg.inv(np.linalg.inv(covariance) + prediction)
    rows = least_shared(covariance, remainder)
    np.testing.assert_allclose(rows @ rows.T, np.eye(size), atol=1e-9)
    half = size // 2
    price = shared_information(rows[half:].T, covariance, remainder)
    others = [
        shared_information(subspace(size, half, [seed, k])[0], covariance, remainder)
        for k in range(500)
    ]
    assert price < min(others)
    # Nor is one close by.
    for k in range(50):
        step = 1e-2 * np.random.default_rng(k).normal(size=(size, half))
        near = np.linalg.qr(rows[half:].T + step)[0]
        assert shared_information(near, covariance, remainder) >= price - 1e-9


def test_components_of_either_half_are_uncorrelated_those_of_most_variance_first():
    covariance, remainder = random_covariance(8, 0), np.eye(8) * 0.01
    moved = least_shared(covariance, remainder) @ covariance @ least_shared(covariance, remainder).T
    for half in (moved[:4, :4], moved[4:, 4:]):
        np.testing.assert_allclose(half, np.diag(np.diag(half)), atol=1e-9)
        assert np.all(np.diff(np.diag(half)) < 0)


def test_what_the_neighbours_predict_stays_though_its_variance_is_small():
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0].T
    covariance = axes.T @ np.diag([4.0, 3.0, 2.0, 1.0]) @ axes
    # Of the third and the fourth component the neighbours leave hardly anything unknown.
    remainder = axes.T @ np.diag([3.9, 2.9, 0.1, 0.05]) @ axes
    rows = least_shared(covariance, remainder)
    np.testing.assert_allclose(np.abs(rows @ axes.T), np.eye(4)[[2, 3, 0, 1]], atol=1e-4)


def test_neighbours_are_the_eight_blocks_around_and_borders_count_as_mean():
    views = np.random.default_rng(0).normal(size=(400, 3, 3, 2)).cumsum(axis=1).cumsum(axis=2) + 5
    covariance, remainder = conditional_covariances(views)
    centred = views - views.mean(axis=0)
    blocks, neighbours = [], []
    for image in centred:
        for y in range(3):
            for x in range(3):
                blocks.append(image[y, x])
                around = [
                    image[y + dy, x + dx] if 0 <= y + dy < 3 and 0 <= x + dx < 3 else np.zeros(2)
                    for dy in (-1, 0, 1)
                    for dx in (-1, 0, 1)
                    if (dy, dx) != (0, 0)
                ]
                neighbours.append(np.concatenate(around))
    blocks, neighbours = np.stack(blocks), np.stack(neighbours)
    weights = np.linalg.lstsq(neighbours, blocks, rcond=None)[0]
    unexplained = blocks - neighbours @ weights
    np.testing.assert_allclose(covariance, blocks.T @ blocks / len(blocks), rtol=1e-4)
    np.testing.assert_allclose(remainder, unexplained.T @ unexplained / len(blocks), rtol=0.02)


def test_without_neighbours_any_principal_axes_are_free():
    covariance = random_covariance(4, 0)
    leaving = least_shared(covariance, covariance)[2:].T
    assert shared_information(leaving, covariance, covariance) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("across", [False, True])
def test_rotation_of_every_level_is_orthogonal_and_differs_from_the_principal_axes(across):
    ours = RotatedExitPrice(MADE, across_channels=across).rotations
    theirs = KarhunenLoeve(MADE, across_channels=across).rotations
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine @ mine.T, np.eye(len(mine)), atol=1e-9)
        assert np.abs(mine - other).max() > 0.1


def test_one_rotation_a_channel_mixes_no_channels():
    mixes = np.abs(RotatedExitPrice(MADE).rotations[0]) > 1e-9
    for slot, row in enumerate(mixes):
        assert set(np.flatnonzero(row) // 4) == {slot % 2}
