"""What was read once is not read again, and what has changed is."""

import contextlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.data.image_folder import write_images
from tfp_lcma.training.data import cache
from tfp_lcma.training.data.cache import cache_folder, read_folder
from tfp_lcma.training.data.pixels import PixelSettings, read_pixels

TINY = PixelSettings(2, 2, 3)


@pytest.fixture(autouse=True)
def decoded(tmp_path, monkeypatch):
    """An empty cache; the files that are decoded, in any order."""
    names = []

    def read(path, settings):
        names.append(path.name)
        return read_pixels(path, settings)

    monkeypatch.setattr(cache, "read_pixels", read)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return names


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images", 5)
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    return tmp_path / "images"


NAMES = ["3.png", "broken.png", "0.png", "1.png", "4.png", "2.png"]


def read(folder, names=NAMES, settings=TINY, request=""):
    images, faults = read_folder(folder, names, settings, request)
    return images[:, 0, 0, 0].tolist(), faults


def age():
    """Waits until no file is of this moment."""
    time.sleep(0.1)


def test_rows_are_those_of_the_readable_files_in_their_order(folder):
    values, faults = read(folder)
    assert values == [3, 0, 1, 4, 2]
    assert list(faults) == ["broken.png"] and faults["broken.png"].startswith("it is no PNG")


def test_a_second_call_opens_no_file(folder, decoded, monkeypatch):
    age()
    first = read(folder)
    decoded.clear()
    monkeypatch.setattr(cache, "_contents", lambda path: pytest.fail(f"{path} was opened"))
    assert read(folder) == first and not decoded


def test_of_a_changed_folder_only_what_is_new_is_decoded(folder, decoded):
    age()
    read(folder)
    decoded.clear()
    write_images(folder, 1, first=7)
    (folder / "3.png").unlink()
    assert read(folder, ["7.png", *NAMES[2:]])[0] == [7, 0, 1, 4, 2]
    assert decoded == ["7.png"]


def test_new_contents_under_an_old_size_and_time_are_seen(folder):
    before = os.stat(folder / "3.png")
    age()
    assert read(folder)[0][0] == 3
    size = before.st_size
    shutil.copyfile(folder / "4.png", folder / "3.png")
    os.utime(folder / "3.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(folder / "3.png").st_size == size
    assert read(folder)[0][0] == 4


def test_a_file_that_changes_at_once_is_seen(folder):
    assert read(folder)[0][0] == 3
    shutil.copyfile(folder / "4.png", folder / "3.png")
    assert read(folder)[0][0] == 4


def test_a_new_time_of_old_contents_decodes_nothing(folder, decoded):
    first = read(folder)
    decoded.clear()
    for name in NAMES:
        os.utime(folder / name)
    assert read(folder) == first and decoded == ["broken.png"]


def test_other_settings_are_kept_apart(folder):
    read(folder)
    grey = PixelSettings(2, 2, 1)
    assert read_folder(folder, NAMES, grey)[0].shape == (5, 2, 2, 1)
    assert read(folder)[0] == [3, 0, 1, 4, 2]


def test_a_request_for_a_few_does_not_push_out_all(folder, decoded):
    age()
    read(folder)
    read(folder, NAMES[:1], request="limit 1")
    decoded.clear()
    read(folder)
    assert not decoded


def test_equal_files_have_a_row_each(folder):
    shutil.copyfile(folder / "4.png", folder / "3.png")
    assert read(folder)[0] == read(folder)[0] == [4, 0, 1, 4, 2]


def test_only_the_latest_pixels_are_kept(folder):
    for names in (NAMES, NAMES[:3], NAMES[2:]):
        read(folder, names)
    assert len(list((cache_folder() / "images").iterdir())) == 2


@pytest.mark.parametrize("kind", ["*.json", "*.pixels"])
def test_a_damaged_cache_is_no_cache(kind, folder):
    first = read(folder)
    (kept,) = (cache_folder() / "images").glob(kind)
    kept.write_bytes(b"")
    assert read(folder) == first


def test_a_fault_of_the_machine_is_forgotten(folder, monkeypatch):
    age()
    monkeypatch.setattr(Image, "open", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    assert len(read(folder)[1]) == 6
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    assert len(read(folder)[1]) == 1


def test_a_missing_file_is_a_fault(folder):
    values, faults = read(folder, ["nowhere.png", "0.png"])
    assert values == [0] and faults == {"nowhere.png": "No such file or directory"}


def test_images_are_mapped_not_loaded(folder):
    images, _ = read_folder(folder, NAMES, TINY)
    base = images
    while not isinstance(base, np.memmap):
        base = base.base
    assert Path(base.filename).is_relative_to(cache_folder())
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_where_nothing_can_be_kept_images_are_in_memory(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "0.png"))
    with pytest.warns(UserWarning, match=r"not kept.*0\.png"):
        assert read(folder)[0] == [3, 0, 1, 4, 2]


def test_a_full_disk_is_no_error(folder, monkeypatch):
    full = contextlib.nullcontext("/dev/full")
    monkeypatch.setattr(cache, "temporary_sibling", lambda path: full)
    with pytest.warns(UserWarning, match="not kept.*No space left"):
        assert read(folder)[0] == [3, 0, 1, 4, 2]
