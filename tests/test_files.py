"""Files and folders are written whole or not at all."""

import pathlib

import pytest
import tensorflow as tf

from tfp_lcma.files import copy_in, copy_out, located, names_in, read_bytes, within, written_whole


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


# --- other file systems ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("runs/digits", pathlib.Path("runs/digits")),
        (pathlib.Path("runs"), pathlib.Path("runs")),
        ("file:///tmp/runs", pathlib.Path("/tmp/runs")),
        ("ram://bucket/runs/", "ram://bucket/runs"),
    ],
)
def test_paths_are_local_or_in_a_file_system_of_tensorflow(given, expected):
    assert located(given, "directory") == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pathlib.Path("gs://bucket/x"), "directory must be text like gs://bucket/folder .*'gs:/bu"),
        ("gs:/bucket/x", "directory must be text like gs://bucket/folder"),
        ("nowhere://bucket/x", r"directory must be a local path or begin with .*ram://.*'nowhere:"),
    ],
)
def test_paths_in_no_file_system_are_refused_by_name(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        located(given, "directory")
    with pytest.raises(ValueError, match="path must be"), written_whole(given):
        pass
    assert not list(tmp_path.iterdir())


def test_files_and_folders_are_written_to_another_file_system_and_read_from_it(tmp_path):
    with written_whole("ram://files/deep/one.txt") as temporary:
        temporary.write_text("one")
        assert names_in("ram://files/deep") == []
    with written_whole("ram://files/deep/folder") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "two.txt").write_text("two")
    assert not temporary.exists()
    copy_in("ram://files/deep", tmp_path / "copy")
    assert (tmp_path / "copy" / "one.txt").read_text() == "one"
    assert (tmp_path / "copy" / "folder" / "inner" / "two.txt").read_text() == "two"
    assert read_bytes("ram://files/deep/one.txt") == b"one"
    assert read_bytes("ram://files/deep/folder/inner/two.txt") == b"two"
    assert names_in("ram://files/deep") == ["folder", "one.txt"]
    assert names_in(within("ram://files", "nothing")) == names_in(pathlib.Path("nothing")) == []
    with pytest.raises(FileNotFoundError, match=r"ram://files/none does not exist"):
        read_bytes("ram://files/none")


def test_a_file_in_another_file_system_is_replaced():
    for text in ("long text", "short"):
        with written_whole("ram://replaced/file.txt") as temporary:
            temporary.write_text(text)
    assert read_bytes("ram://replaced/file.txt") == b"short"
    assert names_in("ram://replaced") == ["file.txt"]


def test_a_failure_leaves_nothing_in_another_file_system():
    with pytest.raises(RuntimeError), written_whole("ram://failed/file.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert names_in("ram://failed") == []


def test_what_cannot_be_copied_is_an_error_of_the_operating_system(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("new")

    def copy(*_, **__):
        raise tf.errors.PermissionDeniedError(None, None, "bucket is not yours")

    monkeypatch.setattr(tf.io.gfile, "copy", copy)
    with pytest.raises(OSError, match=r"ram://b/file cannot be written: bucket is not yours"):
        copy_out(tmp_path / "file", "ram://b/file")
