"""The statistics' file: whole, or a clear error."""

import dataclasses

import numpy as np
import pytest

from tests import fields
from tfp_lcma.factorizations import (
    ExitPrice,
    KarhunenLoeve,
    LikelihoodContribution,
    LikelihoodGain,
    LogDetStatistics,
)

ARRAYS = ("log_det", "mean", "variance", "log_density")


@pytest.fixture
def statistics():
    random = np.random.default_rng(0)
    log_det = random.normal(size=(3, 4, 4, 1))
    log_det[2, 0] = np.nan
    return LogDetStatistics(
        log_det=log_det,
        mean=random.normal(size=(3, 4, 4, 1)),
        variance=random.random((3, 4, 4, 1)),
        level_index=tuple(
            random.permutation(16).reshape(s) for s in [(4, 4, 1), (2, 2, 4), (4, 4)]
        ),
        block_covariance=(random.random((2, 2, 4, 4)), random.random((1, 1, 16, 16))),
        activations=(random.random((3, 4, 4, 1)), random.random((3, 2, 2, 4))),
        log_density=random.normal(size=(4, 4, 1)),
        count=2048,
    )


def test_statistics_are_printed_as_one_line(statistics):
    assert repr(statistics) == "LogDetStatistics(2048 images of (4, 4, 1), 3 levels)"


def test_statistics_come_back_from_their_file(statistics, tmp_path):
    path = tmp_path / "a" / "statistics.npz"
    statistics.save(path)
    copy = LogDetStatistics.load(str(path))
    for name in ARRAYS:
        got, expected = getattr(copy, name), getattr(statistics, name)
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected, equal_nan=True)
    for name in ("level_index", "block_covariance", "activations"):
        for got, expected in zip(getattr(copy, name), getattr(statistics, name), strict=True):
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)
    assert copy.count == 2048
    assert isinstance(copy.count, int)


def test_statistics_of_one_level_come_back_from_their_file(tmp_path):
    fields.statistics(levels=1).save(tmp_path / "statistics.npz")
    copy = LogDetStatistics.load(tmp_path / "statistics.npz")
    assert copy.block_covariance == copy.activations == ()
    assert len(copy.level_index) == 1


def test_statistics_in_another_file_system_come_back(statistics):
    statistics.save("ram://statistics/a.npz")
    assert np.array_equal(
        LogDetStatistics.load("ram://statistics/a.npz").log_density, statistics.log_density
    )
    with pytest.raises(FileNotFoundError, match=r"ram://statistics/b.npz"):
        LogDetStatistics.load("ram://statistics/b.npz")


def test_factorizations_of_statistics_from_a_file_are_those_of_the_statistics(tmp_path):
    made = fields.statistics()
    made.save(tmp_path / "statistics.npz")
    copy = LogDetStatistics.load(tmp_path / "statistics.npz")
    for kind in (LikelihoodContribution, LikelihoodGain, ExitPrice, KarhunenLoeve):
        assert kind(copy) == kind(made)


def test_covariance_is_that_of_the_dimensions_asked_for():
    made = fields.statistics()
    index = fields.view(made.level_index[0])[:, :, ::-1]  # any order within a block
    got = made.covariance_of(0, index)
    y = made.activations[0].reshape(64, -1).astype(np.float64)
    for row, column, channel in np.ndindex(4, 4, 2):
        four = index[row, column].reshape(2, 4)[channel]
        expected = np.cov(y[:, four], rowvar=False, bias=True)
        np.testing.assert_allclose(got[row, column, channel], expected, atol=1e-9)


def of_few(shape=(4, 4, 1), levels=2, **others):
    return fields.statistics(shape, levels, **others)


def test_an_average_weighs_by_images_what_varies_within_each_flow():
    one, other = of_few(seed=1, count=40), of_few(seed=2, count=120)
    average = LogDetStatistics.average([one, other])
    assert average.count == 160
    for name in ARRAYS:
        expected = 0.25 * getattr(one, name) + 0.75 * getattr(other, name)
        np.testing.assert_allclose(getattr(average, name), expected)
    for level, covariance in enumerate(average.block_covariance):
        expected = 0.25 * one.block_covariance[level] + 0.75 * other.block_covariance[level]
        np.testing.assert_allclose(covariance, expected)


def test_that_flows_shift_a_dimension_differently_is_no_variance_of_their_average():
    one = of_few()
    shifted = tuple(a + np.float32(5) for a in one.activations)
    other = dataclasses.replace(one, mean=one.mean + 5, activations=shifted)
    average = LogDetStatistics.average([one, other])
    np.testing.assert_allclose(average.mean, one.mean + 2.5)
    np.testing.assert_allclose(average.variance, one.variance)
    for level, activations in enumerate(average.activations):
        assert activations.dtype == np.float32
        assert len(activations) == 2 * len(one.activations[level])
        np.testing.assert_allclose(
            fields.block_covariances(activations), average.block_covariance[level], atol=1e-5
        )


def test_an_average_of_one_is_the_same_and_an_unknown_number_stays_unknown(statistics):
    average = LogDetStatistics.average([statistics])
    for name in ARRAYS:
        assert np.array_equal(getattr(average, name), getattr(statistics, name), equal_nan=True)
    assert average.count == statistics.count
    assert LogDetStatistics.average([of_few(levels=1)]).activations == ()


@pytest.mark.parametrize(
    "others",
    [
        {"shape": (4, 2, 1)},
        {"levels": 1},
        {"patch": 2},
        {"level_index": tuple(index[::-1] for index in fields.level_indices((4, 4, 1), 2))},
    ],
    ids=["another image", "fewer levels", "patches", "another order"],
)
def test_statistics_of_flows_that_differ_in_shape_have_no_average(others):
    drawn = {key: others.pop(key) for key in ("shape", "levels") if key in others}
    other = dataclasses.replace(of_few(**drawn), **others)
    with pytest.raises(ValueError, match=r"several must be statistics of flows of one shape"):
        LogDetStatistics.average([of_few(), other])
    with pytest.raises(ValueError, match=r"several must hold at least one .* got none"):
        LogDetStatistics.average([])


@pytest.mark.parametrize(
    "index",
    [
        np.roll(fields.view(fields.level_indices()[0]), 1, axis=0),
        fields.view(fields.level_indices((4, 4, 2))[0]),
        fields.view(fields.level_indices((16, 8, 2))[0]),
    ],
    ids=["another block", "fewer blocks", "more blocks"],
)
def test_covariance_of_dimensions_that_share_no_block_is_refused(index):
    with pytest.raises(ValueError, match=r"no covariance .* reaches level 0: .*factorization=None"):
        fields.statistics().covariance_of(0, index)


def test_file_is_written_under_the_very_name_asked_for(statistics, tmp_path):
    statistics.save(tmp_path / "statistics")
    assert [path.name for path in tmp_path.iterdir()] == ["statistics"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        LogDetStatistics.load(tmp_path / "nowhere.npz")


def test_truncated_file_is_named_wherever_it_breaks_off(statistics, tmp_path):
    path = tmp_path / "statistics.npz"
    statistics.save(path)
    whole = path.read_bytes()
    for length in [0, 1, 10, *range(50, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"statistics\.npz is not a readable statistics file"):
            LogDetStatistics.load(path)


def test_damaged_file_is_either_named_or_read_as_it_was(statistics, tmp_path):
    path = tmp_path / "statistics.npz"
    statistics.save(path)
    whole = path.read_bytes()
    named = 0
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            copy = LogDetStatistics.load(path)
        except ValueError as error:
            assert "statistics.npz is not a readable statistics file" in str(error)
            named += 1
            continue
        for name in ARRAYS:
            assert np.array_equal(getattr(copy, name), getattr(statistics, name), equal_nan=True)
        assert copy.count == statistics.count
    assert named > 100


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("not numbers at all"),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
        lambda path: np.savez(path.open("wb"), log_det=np.zeros((1, 4, 4, 1))),
        lambda path: np.savez(path.open("wb"), log_det=np.array([{"a": 1}], dtype=object)),
        lambda path: path.mkdir(),
    ],
    ids=["text", "one array", "fields missing", "pickled objects", "folder"],
)
def test_file_of_another_kind_is_named(write, tmp_path):
    path = tmp_path / "other.npz"
    write(path)
    with pytest.raises(ValueError, match=r"other\.npz is not a readable statistics file"):
        LogDetStatistics.load(path)


def test_failed_save_leaves_the_old_file_and_nothing_beside_it(statistics, tmp_path, monkeypatch):
    path = tmp_path / "statistics.npz"
    statistics.save(path)
    before = path.read_bytes()

    def full_disk(file, **fields):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match=r"No space left"):
        statistics.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
