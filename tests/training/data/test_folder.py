"""Folders of images: every image on one side, the same one on every machine."""

import itertools
import os
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training.data.image_folder import write_images
from tests.training.data.sides import sides
from tfp_lcma.files import copy_out
from tfp_lcma.training.data import folder, load


def values(dataset):
    """The number of each image, side by side."""
    return [side.images[:, 0, 0, 0].tolist() for side in sides(dataset)]


def test_every_image_is_on_exactly_one_side(tmp_path):
    write_images(tmp_path, 20)
    write_images(tmp_path / "deeper" / "still", 5, first=20)
    (tmp_path / "._0.png").write_text("left by a file manager")
    dataset = load(tmp_path, image_size=4)
    assert [len(side) for side in sides(dataset)] == [21, 2, 2]
    assert sorted(itertools.chain(*values(dataset))) == list(range(25))
    assert dataset.event_shape == (4, 4, 3) and dataset.name == tmp_path.name


def test_the_split_is_one_for_all_machines_and_another_for_another_seed(tmp_path):
    write_images(tmp_path / "a", 12)
    write_images(tmp_path / "b", 12)
    first, second = (values(load(tmp_path / name, image_size=2)) for name in "ab")
    # By the hash of "0/NUMBER.png", whatever wrote the folder.
    assert first == second == [[1, 7, 8, 11, 0, 3, 10, 5, 9, 4], [6], [2]]
    assert values(load(tmp_path / "a", image_size=2, seed=1)) != first


def test_the_split_is_one_for_composed_and_decomposed_accents(tmp_path):
    names = ("été", "café", "über", "señor", "naïve", "Ångström", "crème", "façade", "piñata")
    splits = []
    for form in ("NFC", "NFD"):
        folder = tmp_path / form
        folder.mkdir()
        for number, name in enumerate(names):
            path = folder / f"{unicodedata.normalize(form, name)}.png"
            Image.new("RGB", (4, 4), (number, 200, 0)).save(path)
        splits.append(values(load(folder, image_size=2)))
    assert splits[0] == splits[1]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1) | st.binary(min_size=1).map(os.fsdecode)


@given(st.sets(NAMES.map(lambda name: name.replace("/", "")), min_size=3), st.integers(0))
@settings(max_examples=100, deadline=None)
def test_the_split_of_any_names_is_one_for_both_forms(names, seed):
    def split(form):
        written = {unicodedata.normalize(form, name): name for name in names}
        order = sorted(sorted(written), key=lambda name: folder._hash(name, seed))
        sides = folder._filled(folder._groups(order))
        return {side: {written[name] for name in of_side} for side, of_side in sides.items()}

    names = {unicodedata.normalize("NFC", name) for name in names}
    assume(len(names) > 2)
    assert split("NFC") == split("NFD")


def test_a_name_that_is_not_utf_8_is_read(tmp_path):
    write_images(tmp_path, 2)
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
        Image.new("RGB", (4, 4), (9, 200, 0)).save(file, "PNG")
    assert sorted(itertools.chain(*values(load(tmp_path, image_size=2)))) == [0, 1, 9]


def test_three_images_are_one_on_each_side(tmp_path):
    write_images(tmp_path, 3)
    assert [len(side) for side in sides(load(tmp_path, image_size=2))] == [1, 1, 1]


def test_limit_keeps_the_first_of_each_side(tmp_path):
    write_images(tmp_path, 40)
    whole, few = (values(load(tmp_path, image_size=2, limit=limit)) for limit in (None, 3))
    assert few == [side[:3] for side in whole]


@pytest.mark.filterwarnings("ignore:left out")
def test_a_folder_in_another_file_system_is_read_alike(tmp_path):
    write_images(tmp_path / "images" / "deep", 20)
    write_images(tmp_path / "images" / ".hidden", 1, first=99)
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    copy_out(tmp_path / "images", "ram://folder/images")
    here, there = (
        load(folder, image_size=2, on_unreadable="skip")
        for folder in (tmp_path / "images", "ram://folder/images")
    )
    assert values(here) == values(there) and there.name == here.name == "images"
    assert here.files.unreadable == there.files.unreadable
    # Where a file has no time, its contents are looked at.
    (changed, *_) = here.files.read
    Image.new("RGB", (6, 4), (222, 200, 0)).save(tmp_path / "new.png")
    copy_out(tmp_path / "new.png", f"ram://folder/images/{changed}")
    assert 222 in values(load("ram://folder/images", image_size=2, on_unreadable="skip"))[0]


# --- folders that are already split ---


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_folder_that_is_already_split_stays_so(name, tmp_path):
    for number, side in enumerate(("train", name, "test")):
        write_images(tmp_path / side / "deeper", 12, first=20 * number)
    expected = [set(range(first, first + 12)) for first in (0, 20, 40)]
    assert [set(side) for side in values(load(tmp_path, image_size=2))] == expected


@pytest.mark.parametrize(("given", "taken"), [("val", 2), ("test", 1)])
def test_a_side_that_is_missing_is_a_tenth_of_train(given, taken, tmp_path):
    write_images(tmp_path / "train", 20)
    write_images(tmp_path / given, 5, first=100)
    split = values(load(tmp_path, image_size=2))
    assert len(split[0]) == 18 and len(split[taken]) == 2
    assert set(split[0]) | set(split[taken]) == set(range(20))
    assert set(split[3 - taken]) == set(range(100, 105))


def test_a_folder_of_trains_alone_is_no_side(tmp_path):
    write_images(tmp_path / "train", 10)
    write_images(tmp_path / "ship", 10, first=10)
    assert sorted(itertools.chain(*values(load(tmp_path, image_size=2)))) == list(range(20))


# --- classes ---


@pytest.mark.parametrize("split", [False, True])
def test_subfolders_are_classes_where_labels_are_asked_for(split, tmp_path):
    for side in ("train", "val", "test") if split else (".",):
        write_images(tmp_path / side / "dog", 10, first=100)
        write_images(tmp_path / side / "cat" / "big", 10)
    dataset = load(tmp_path, image_size=2, labels=True)
    assert dataset.class_names == ("cat", "dog") and dataset.classes == 2
    for side in sides(dataset):
        np.testing.assert_array_equal(side.labels, side.images[:, 0, 0, 0] >= 100)
    assert load(tmp_path, image_size=2).train.labels is None


def test_a_class_that_no_kept_image_shows_still_counts(tmp_path):
    write_images(tmp_path / "many", 30)
    write_images(tmp_path / "one", 1)
    assert load(tmp_path, image_size=2, labels=True, limit=1).classes == 2


def test_an_image_outside_a_class_is_named(tmp_path):
    write_images(tmp_path / "cat", 5)
    write_images(tmp_path, 1, first=77)
    with pytest.raises(ValueError, match=r"labels.*\n  77\.png"):
        load(tmp_path, image_size=2, labels=True)


def test_images_beside_the_sides_of_a_split_folder_are_named(tmp_path):
    for side in ("Train", "VAL"):
        write_images(tmp_path / side, 10)
    write_images(tmp_path / "others", 1, first=66)
    with pytest.warns(UserWarning, match=r"others/66\.png: outside of train, validation"):
        dataset = load(tmp_path, image_size=2)
    assert [len(side) for side in sides(dataset)] == [9, 10, 1]


# --- what is wrong with a folder ---


def test_all_unreadable_images_are_named_at_once(tmp_path):
    write_images(tmp_path, 9)
    (tmp_path / "broken.png").write_bytes(b"no image at all")
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="2 of 11 images") as error:
        load(tmp_path, image_size=4)
    assert "broken.png" in str(error.value) and "empty.jpg" in str(error.value)


def test_skipped_images_might_as_well_not_be_there(tmp_path):
    write_images(tmp_path, 20)
    lost = [side[0] for side in values(load(tmp_path, image_size=2))]
    for number in lost:
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"\(3\):\n  .*\.png: it is empty"):
        skipped = load(tmp_path, image_size=2, on_unreadable="skip")
    assert set(skipped.files.unreadable) == {f"{number}.png" for number in lost}
    for number in lost:
        (tmp_path / f"{number}.png").unlink()
    assert values(skipped) == values(load(tmp_path, image_size=2))
    assert len(skipped.files.read) == 17 and set(skipped.files.read.values()) == {
        "train",
        "validation",
        "test",
    }


def test_a_limit_is_filled_where_files_are_skipped(tmp_path):
    write_images(tmp_path, 30)
    first = values(load(tmp_path, image_size=2))[0][0]
    (tmp_path / f"{first}.png").write_bytes(b"")
    with pytest.warns(UserWarning):
        few = load(tmp_path, image_size=2, limit=2, on_unreadable="skip")
    assert [len(side) for side in sides(few)] == [2, 2, 2]


def test_a_side_without_a_readable_image_is_named(tmp_path):
    write_images(tmp_path / "train", 10)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image for validation(.|\n)*val/0\.png"):
        load(tmp_path, image_size=2, on_unreadable="skip")


def test_unreadable_files_are_stopped_for_or_skipped_nothing_else(tmp_path):
    write_images(tmp_path, 3)
    with pytest.raises(ValueError, match="on_unreadable must be one of skip, stop; got 'skp'"):
        load(tmp_path, image_size=2, on_unreadable="skp")


def test_a_folder_that_cannot_be_searched_is_named(tmp_path, monkeypatch):
    write_images(tmp_path / "open", 5)
    write_images(tmp_path / "closed", 5)
    scan = os.scandir

    def closed(path):
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ValueError, match="closed: Permission denied"):
        load(tmp_path, image_size=2)


def test_of_many_unreadable_images_the_first_are_named_and_the_others_counted(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="60 of 60 images") as error:
        load(tmp_path, image_size=4)
    assert str(error.value).count(".png") == 50 and "10 more" in str(error.value)


def test_images_of_other_kinds_are_named(tmp_path):
    write_images(tmp_path, 3)
    (tmp_path / "IMG_1.HEIC").write_bytes(b"")
    (tmp_path / "scan.tiff").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"\(2; .*read\):\n  IMG_1\.HEIC: .*\n  scan\.tiff: of a"):
        load(tmp_path, image_size=4)


def test_a_folder_of_other_kinds_alone_is_no_empty_one(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"")
    with pytest.warns(UserWarning, match="HEIC"), pytest.raises(ValueError, match="found 0"):
        load(tmp_path, image_size=4)


@pytest.mark.parametrize("n", [0, 2])
def test_fewer_than_three_images_are_refused(n, tmp_path):
    write_images(tmp_path, n)
    with pytest.raises(ValueError, match=f"at least 3 images.* found {n}"):
        load(tmp_path, image_size=4)


def test_a_folder_needs_an_image_size(tmp_path):
    with pytest.raises(ValueError, match="image_size must be given"):
        load(tmp_path)
