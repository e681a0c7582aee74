"""The emoji: near-duplicates on one side, transparency on grey, archives that are missing."""

import io
import itertools
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.training.data.sides import sides
from tfp_lcma.training.data import load
from tfp_lcma.training.data.emoji import ARCHIVE, PACKAGE, group_of

FLAGS = [
    "1f1e6-1f1e8",
    "1f3f4-e0067_e0062_e007f",
    "1f1fa-1f1f8",
    "1f3f4-200d-2620-fe0f",
    "1f3f3-fe0f-200d-1f308",
]
TONES = [f"1f44b-1f3f{digit}" for digit in "bcdef"]
CLOCKS = [f"{code:x}" for code in range(0x1F550, 0x1F568)]
OTHERS = [f"{code:x}" for code in range(0x1F400, 0x1F431)]


def picture(number):
    """As those of the package: a disc on transparent pixels that hide other colours."""
    row, column = np.indices((64, 64)) - 32
    pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    inside = row**2 + column**2 < 30**2
    pixels[inside] = (number, 0, 255 - number, 255)
    pixels[~inside, 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True)
    return file.getvalue()


def pack(folder, files):
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emoji")
    names = ["1f44b", *TONES, *CLOCKS, *FLAGS, *OTHERS]
    files = {f"assets/{name}.webp": picture(number) for number, name in enumerate(names)}
    pack(folder, {"package.json": b"{}", "README.md": b"", **files})
    return folder


def test_every_picture_is_on_one_side_and_its_cluster_too(folder):
    dataset = load("emoji", data_dir=folder)
    assert dataset.event_shape == (32, 32, 3)
    numbers = [side.images[:, 16, 16, 0].tolist() for side in sides(dataset)]
    assert sorted(itertools.chain(*numbers)) == list(range(6 + 24 + 5 + 49))
    clusters = [set(side.clusters) for side in sides(dataset)]
    assert not (clusters[0] & clusters[1] or clusters[0] & clusters[2] or clusters[1] & clusters[2])
    assert len(set.union(*clusters)) == 1 + 1 + 1 + 49
    assert all(len(side) >= 8 for side in sides(dataset))


def test_pictures_lie_on_grey(folder):
    for size in (32, 64):
        dataset = load("emoji", data_dir=folder, image_size=size)
        assert dataset.event_shape == (size, size, 3)
        for side in sides(dataset):
            assert (side.images[:, 0, 0] == 128).all()
            assert side.background == side.first(2).background == 128


def test_limit_keeps_the_first_of_each_side(folder):
    whole, few = load("emoji", data_dir=folder), load("emoji", data_dir=folder, limit=4)
    for all_of_it, first in zip(sides(whole), sides(few), strict=True):
        np.testing.assert_array_equal(all_of_it.images[:4], first.images)
        np.testing.assert_array_equal(all_of_it.clusters[:4], first.clusters)


@pytest.mark.parametrize(
    ("alike", "different"),
    [
        (["1f44b", *TONES], "1f44c"),
        (CLOCKS, "23f0"),
        (FLAGS, "1f3c1"),
        (["1f468-200d-1f680", "1f469-1f3fd-200d-1f680", "1f9d1-200d-1f680"], "1f468-200d-1f692"),
        (["1f3c3", "1f3c3-1f3fb-200d-2640-fe0f", "1f3c3-200d-2642-fe0f"], "1f3c4"),
        (["1f468", "1f469-200d-1f9b0", "1f9d1-1f3ff", "1f471-1f3fd-200d-2640-fe0f"], "1f476"),
        (["0023-fe0f-20e3", "0031-fe0f-20e3"], "1f51f"),
        (["2764-fe0f", "1f499", "1f5a4"], "2764-fe0f-200d-1f525"),
        (["1f46b", "1f468-1f3fb-200d-1f91d-200d-1f468-1f3fc"], "1f491"),
        (["1f491", "1f469-200d-2764-fe0f-200d-1f468"], "1f48f"),
        (["1f48f", "1f469-200d-2764-fe0f-200d-1f48b-200d-1f468"], "1f46a"),
        (["1f46a", "1f468-200d-1f469-200d-1f467", "1f468-200d-1f466"], "1f466"),
    ],
)
def test_near_duplicates_are_one_group_and_other_pictures_are_not(alike, different):
    (group,) = {group_of(name) for name in alike}
    assert group_of(different) != group


@pytest.mark.parametrize("name", ["1f3fb", "2640-fe0f", "1f9b0"])
def test_a_mark_on_its_own_is_a_picture(name):
    assert group_of(name) not in ("", group_of("2642-fe0f"))


def test_a_missing_archive_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"npm pack {PACKAGE}") as error:
        load("emoji", data_dir=tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_a_damaged_archive_is_named(kept, folder, tmp_path):
    (tmp_path / ARCHIVE).write_bytes((folder / ARCHIVE).read_bytes()[:kept])
    with pytest.raises(ValueError, match=ARCHIVE):
        load("emoji", data_dir=tmp_path)


def test_damaged_pictures_are_refused(tmp_path):
    files = {f"assets/1f40{digit}.webp": picture(0) for digit in "01234"}
    pack(tmp_path, files | {"assets/1f405.webp": b"no picture"})
    with pytest.raises(ValueError, match="damaged: 1"):
        load("emoji", data_dir=tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    pack(tmp_path, {"index.js": b""})
    with pytest.raises(ValueError, match="must hold pictures"):
        load("emoji", data_dir=tmp_path)
