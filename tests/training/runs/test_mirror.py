"""A run's folder in another file system is as the local one at every look."""

import os

import pytest

from tfp_lcma.files import copy_in
from tfp_lcma.training.runs import mirror as mirror_module
from tfp_lcma.training.runs.mirror import Mirror, local_folder


def contents(place, tmp_path):
    copy = tmp_path / place.rpartition("/")[2]
    copy_in(place, copy)
    files = (path for path in copy.rglob("*") if path.is_file() and path.name != "owner.txt")
    return {path.relative_to(copy).as_posix(): path.read_text() for path in files}


def test_a_local_folder_is_worked_in_itself(tmp_path):
    with local_folder(tmp_path / "run") as (folder, mirror):
        assert folder == tmp_path / "run" and mirror is None


def test_what_is_written_changed_and_removed_is_so_there(tmp_path):
    with local_folder("ram://mirror/run") as (folder, mirror):
        assert folder.name == "run"
        (folder / "deep").mkdir()
        (folder / "deep" / "old").write_text("old")
        (folder / "changed").write_text("before")
        (folder / ".lock").write_text("a lock is of one machine")
        mirror.push()
        assert contents("ram://mirror/run", tmp_path) == {"deep/old": "old", "changed": "before"}
        (folder / "deep" / "old").unlink()
        (folder / "changed").write_text("after")
    assert not folder.exists()
    tmp_path = tmp_path / "again"
    assert contents("ram://mirror/run", tmp_path) == {"changed": "after"}


def test_a_run_goes_on_from_what_is_there_even_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), local_folder("ram://error/run") as (folder, _):
        (folder / "checkpoint").write_text("7")
        raise RuntimeError
    with local_folder("ram://error/run") as (folder, _):
        assert (folder / "checkpoint").read_text() == "7"


def test_what_was_written_last_is_copied_last(tmp_path, monkeypatch):
    mirror = Mirror(tmp_path / "run", "ram://order/run")
    for time, name in enumerate(("b", "c", "a")):
        path = tmp_path / "run" / name
        path.write_text(name)
        os.utime(path, ns=(time, time))
    copied = []
    monkeypatch.setattr(mirror_module, "copy_out", lambda path, place: copied.append(path.name))
    mirror.push()
    assert copied == ["b", "c", "a"]


def test_of_two_processes_the_earlier_one_stops(tmp_path):
    first = Mirror(tmp_path / "first", "ram://two/run")
    second = Mirror(tmp_path / "second", "ram://two/run")
    (tmp_path / "first" / "late").write_text("too late")
    with pytest.raises(ValueError, match=r"--run-dir ram://two/run was taken over"):
        first.push()
    second.push()
    assert contents("ram://two/run", tmp_path) == {}
