"""Which files count as images, in an order that is the same everywhere."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.data.files import find_images, read_files
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError


def write(folder, *names):
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            Image.new("RGB", (4, 4), (number, 0, 0)).save(file, "PNG")


def test_images_are_found_in_all_subfolders_but_hidden_ones(tmp_path):
    write(tmp_path, "b.PNG", "deep/er/a.jpeg", ".hidden.png", ".git/c.png", "deep/.d/e.png")
    write(tmp_path, "notes.txt", "movie.mp4")
    assert find_images(tmp_path) == (["b.PNG", "deep/er/a.jpeg"], {}, {})


def test_images_of_other_kinds_are_told_apart_from_what_is_no_image(tmp_path):
    write(tmp_path, "a.png", "b.tiff", "IMG_1.HEIC", "notes.txt")
    images, passed_over, closed = find_images(tmp_path)
    assert (images, list(passed_over), closed) == (["a.png"], ["IMG_1.HEIC", "b.tiff"], {})


def test_links_to_folders_are_named_and_not_followed(tmp_path):
    write(tmp_path, "here/a.png", "elsewhere/b.png")
    (tmp_path / "here" / "all").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "here" / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    assert find_images(tmp_path / "here") == (
        ["a.png", "b.png"],
        {"all": "a link to a folder"},
        {},
    )


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_images(tmp_path / "nowhere")


def test_the_order_is_one_for_composed_and_decomposed_accents(tmp_path):
    names = ["été.png", "etz.png", "Zoë.png", "ete.png", "über.png"]
    found = []
    for form in ("NFC", "NFD"):
        write(tmp_path / form, *(unicodedata.normalize(form, name) for name in names))
        found.append([unicodedata.normalize("NFC", n) for n in find_images(tmp_path / form).images])
    assert found[0] == found[1] == sorted(names)


def test_files_of_any_name_are_read_in_their_order_and_faults_stay_in_place(tmp_path):
    names = [b"caf\xe9.png", "画像 1.png", "emoji \U0001f600.png", "new\nline.png", "-dash.png"]
    write(tmp_path, *names)
    (tmp_path / "broken.png").write_bytes(b"no image")
    names = [*map(os.fsdecode, names[:3]), "broken.png", *names[3:]]
    results = list(read_files((tmp_path / name for name in names), PixelSettings(1, 1, 3)))
    assert isinstance(results.pop(3), UnreadableImageError)
    np.testing.assert_array_equal([pixels[0, 0, 0] for pixels in results], range(5))
