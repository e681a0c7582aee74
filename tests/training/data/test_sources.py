"""Data sets by name or path, and errors that name what is wrong."""

import subprocess
import sys

import numpy as np
import pytest

from tests.training.data.sides import noise
from tfp_lcma.training.data import find, load, names
from tfp_lcma.training.data.sources import Request


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_wins_over_a_folder_of_that_name(here):
    (here / "digits").mkdir()
    assert find("digits") == "digits"
    assert find("./digits").is_dir()
    assert find(here / "digits") == here / "digits"


@pytest.mark.parametrize("given", ["images", "./images", "images.npz"])
def test_folders_and_files_of_arrays_are_found(given, here):
    (here / "images").mkdir()
    np.savez("images.npz", images=noise(3, 2, 2, 1))
    assert find(given).exists()


@pytest.mark.parametrize("given", ["cifar", "./digits", "nowhere.npz", "setup.py"])
def test_what_is_neither_is_refused_with_all_names(given, here):
    (here / "setup.py").touch()
    with pytest.raises(ValueError, match="data must be a folder") as error:
        find(given)
    assert all(name in str(error.value) for name in (*names(), repr(given)))


def test_the_nearest_name_comes_first():
    with pytest.raises(ValueError, match=r"one of fashion_mnist, .* got 'fashion-mnist'"):
        find("fashion-mnist")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("digits", {"limit": 0}, "limit must be a whole number"),
        ("digits", {"limit": 1.5}, "limit must be a whole number"),
        ("digits", {"limit": True}, "limit must be a whole number"),
        (".", {"image_size": 0}, "image_size must be a whole number"),
        ("digits", {"image_size": 16}, "image_size of digits must be 8; got 16"),
        ("imagenet64", {"image_size": 32}, "image_size of imagenet64 must be 64"),
        (
            "emoji",
            {"data_dir": "gs://bucket/emoji"},
            "data_dir must be of this machine; got",
        ),
        ("emoji", {"image_size": 16}, "image_size of emoji must be 32 or 64"),
        ("photos16", {"labels": True, "limit": 1}, "labels must be left out: photos16"),
    ],
)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(name, **arguments)


@pytest.mark.parametrize("bright", [False, True])
def test_images_that_were_scaled_before_they_were_saved_are_warned_of(bright, here, recwarn):
    np.savez("images.npz", images=noise(30, 4, 4, 1) // (1 if bright else 128))
    load("images.npz")
    assert [str(w.message)[:40] for w in recwarn] == (
        [] if bright else ["24 of 24 images in 'images.npz' look sca"]
    )


def test_a_loader_is_asked_for_size_folder_and_limit(monkeypatch):
    asked = []
    monkeypatch.setattr("pkgutil.resolve_name", lambda name: asked.append)
    load("emoji", data_dir="there", limit=3)
    load("emoji", image_size=64)
    assert asked == [Request("emoji", 32, "there", 3), Request("emoji", 64)]


def test_data_sets_are_known_without_numpy():
    code = (
        "import sys\n"
        "from tfp_lcma.training.data import find, names\n"
        "assert find('digits') in names() and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
