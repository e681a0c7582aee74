"""The statistics' file: whole, or a clear error."""

import numpy as np
import pytest

from tfp_lcma.factorizations import LogDetStatistics

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
        block_covariance=(random.random((2, 2, 1, 4, 4)), random.random((1, 1, 2, 4, 4))),
        log_density=random.normal(size=(4, 4, 1)),
        count=2048,
    )


def test_statistics_come_back_from_their_file(statistics, tmp_path):
    path = tmp_path / "a" / "statistics.npz"
    statistics.save(path)
    copy = LogDetStatistics.load(str(path))
    for name in ARRAYS:
        got, expected = getattr(copy, name), getattr(statistics, name)
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected, equal_nan=True)
    assert len(copy.block_covariance) == 2
    for got, expected in zip(copy.block_covariance, statistics.block_covariance, strict=True):
        assert np.array_equal(got, expected)
    assert copy.count == 2048
    assert isinstance(copy.count, int)


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
