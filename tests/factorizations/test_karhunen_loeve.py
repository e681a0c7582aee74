"""Principal components: which stay, at every level, and what is refused."""

import dataclasses

import numpy as np
import pytest

from tests.fields import block_covariances, halves, statistics, view
from tests.registry import rotation
from tfp_lcma.factorizations import KarhunenLoeve

MADE = statistics()


def covariance_within_channels(moved, channels):
    """The mean covariance over positions of each channel's four components, `[c, 4, 4]`."""
    flat = moved - moved.mean(axis=0)
    mean = np.einsum("nhwi,nhwj->ij", flat, flat) / np.prod(moved.shape[:3])
    return np.stack([mean[k::channels, k::channels] for k in range(channels)])


@pytest.mark.parametrize("across", [False, True])
def test_components_are_uncorrelated_and_those_of_most_variance_stay(across):
    factorization = KarhunenLoeve(MADE, across_channels=across)
    stay, others = halves(factorization, 0, view(MADE.activations[0].astype(np.float64)))
    covariances = covariance_within_channels(
        np.concatenate([stay, others], axis=-1), 1 if across else 2
    )
    for covariance in covariances:
        variances = np.diag(covariance)
        np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-8)
        assert np.all(np.diff(variances) < 0)


@pytest.mark.parametrize("across", [False, True])
def test_deeper_rotation_diagonalises_what_came_through_the_one_above(across):
    factorization = KarhunenLoeve(MADE, across_channels=across)
    # The next level's activations, each position's a block of the image of eight entries.
    came, _ = halves(factorization, 0, MADE.activations[1].astype(np.float64))
    moved = np.concatenate(halves(factorization, 1, view(came)), axis=-1)
    for covariance in covariance_within_channels(moved, 1 if across else 4):
        variances = np.diag(covariance)
        np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-8)
        assert np.all(np.diff(variances) < 0)


def test_one_rotation_a_channel_mixes_no_channels():
    mixes = KarhunenLoeve(MADE).rotations[0] != 0
    for slot, row in enumerate(mixes):
        assert set(np.flatnonzero(row) // 4) == {slot % 2}
    assert (KarhunenLoeve(MADE, across_channels=True).rotations[0] != 0).all()


@pytest.mark.parametrize("across", [False, True])
def test_least_gaussian_component_stays_though_its_variance_is_least(across):
    random = np.random.default_rng(0)
    sources = random.normal(size=(2000, 2, 2, 4)) * [4.0, 3.0, 2.0, 0.5]
    sources[..., 3] = 0.5 * random.choice([-1, 1], size=sources.shape[:3])
    axes = rotation(4)
    blocks = (sources @ axes).reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4)
    y = blocks.reshape(2000, 4, 4, 1)
    made = statistics((4, 4, 1), levels=2)
    made = dataclasses.replace(made, activations=(y,), block_covariance=(block_covariances(y),))
    by_variance, by_negentropy = (
        KarhunenLoeve(made, across_channels=across, keep=keep).rotations[0] @ axes.T
        for keep in ("variance", "negentropy")
    )
    assert np.abs(by_variance).argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert np.abs(by_negentropy[0]).argmax() == 3
    np.testing.assert_allclose(np.abs(by_negentropy).max(axis=1), 1, atol=0.01)


def test_per_channel_components_are_ordered_within_their_channel():
    scored = KarhunenLoeve(MADE, keep="negentropy").rotations[0]
    plain = KarhunenLoeve(MADE).rotations[0]
    for channel in (0, 1):
        assert {row.tobytes() for row in scored[channel::2]} == {
            row.tobytes() for row in plain[channel::2]
        }
    assert not np.array_equal(scored, plain)


def test_unknown_criterion_is_refused():
    with pytest.raises(ValueError, match="""keep must be "variance" or "negentropy"; got 'mean'"""):
        KarhunenLoeve(MADE, keep="mean")


@pytest.mark.parametrize(
    ("rotations", "shapes"),
    [
        ([], r"\[\]"),
        ([np.eye(6)], r"\(6, 6\)"),
        ([np.ones(4)], r"\(4,\)"),
        (statistics(levels=1), r"\[\]"),
    ],
    ids=["none", "six entries", "no matrix", "of one level"],
)
def test_what_holds_no_rotations_is_refused_with_its_shapes(rotations, shapes):
    with pytest.raises(
        ValueError, match=rf"statistics must be .*\[4c, 4c\]; got shapes .*{shapes}"
    ):
        KarhunenLoeve(rotations)


def test_matrix_that_is_no_rotation_is_refused_when_a_flow_is_built():
    with pytest.raises(ValueError, match="matrix must be orthogonal; Q Q"):
        KarhunenLoeve([2 * np.eye(4)]).bijector(0, (2, 2, 4))


def test_statistics_of_a_flow_with_a_split_are_refused():
    first, second = MADE.block_covariance
    split = dataclasses.replace(MADE, block_covariance=(first, second[..., :16, :16]))
    with pytest.raises(ValueError, match=r"factorization=None\): level 1 has 16 .*, expected 32"):
        KarhunenLoeve(split)


@pytest.mark.parametrize(("level", "shape"), [(0, (2, 2, 4)), (2, (1, 1, 32))])
def test_rotations_of_another_flow_are_refused_with_both_sizes(level, shape):
    message = rf"rotations of \[8, 16\] entries do not fit level {level} .*{shape[-1]}\)"
    with pytest.raises(ValueError, match=message):
        KarhunenLoeve(MADE).bijector(level, shape)
