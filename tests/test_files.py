"""Files and folders are written whole or not at all."""

import pytest

from tfp_lcma.files import written_whole


def test_file_appears_when_the_block_succeeds(tmp_path):
    path = tmp_path / "deep" / "down" / "file.txt"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent  # else the rename would copy
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_old_file_stands_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), written_whole(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_appears_whole(tmp_path):
    path = tmp_path / "folder"
    with written_whole(str(path)) as temporary:
        temporary.mkdir()
        (temporary / "inside").write_text("new")
    assert (path / "inside").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_no_half_written_folder(tmp_path):
    with pytest.raises(RuntimeError), written_whole(tmp_path / "folder") as temporary:
        (temporary / "inside").mkdir(parents=True)
        (temporary / "inside" / "half").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_failure_before_anything_is_written_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), written_whole(tmp_path / "file.txt"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "file.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_full_folder_is_not_overwritten(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(OSError), written_whole(path) as temporary:
        temporary.mkdir()
    assert (path / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file.txt"
    with written_whole(path) as first, written_whole(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
