"""Data sets of tensorflow_datasets: tiny ones, written by tensorflow_datasets itself."""

import dataclasses
import io
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.training.data.sides import SIDES, noise, rows, sides
from tfp_lcma.training.data import decoded, load, prepared


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    file.seek(0)
    return file


def label_of(image):
    """The class that `prepare` gives to an image."""
    return int(image.sum()) % 10


def prepare(name, data_dir, images):
    """Prepares `images`, a dict of uint8 [n, H, W, C] by split, as if they were the data set."""
    builder = tfds.builder(name, data_dir=data_dir)
    extra = {}
    if name == "celeb_a":
        features = builder.info.features
        keys = ("landmarks", "attributes", "identity")
        extra = {key: dict.fromkeys(features[key], 0) for key in keys}
    elif "label" in builder.info.features:
        extra = {"label": None}  # every image's own, see `label_of`
    if name.startswith("cifar"):
        extra["id"] = "0"
    encode = png if name.startswith("downsampled") else lambda array: array

    def examples(array):
        for key, image in enumerate(array):
            if "label" in extra:
                extra["label"] = label_of(image)
            yield str(key), {"image": encode(image), **extra}

    builder._split_generators = lambda *args, **kwargs: {
        split: examples(array) for split, array in images.items()
    }
    builder.download_and_prepare()


@pytest.mark.parametrize(
    "source, name, shape",
    [
        ("fashion_mnist", "fashion_mnist", (28, 28, 1)),
        ("cifar10", "cifar10", (32, 32, 3)),
        ("imagenet32", "downsampled_imagenet/32x32", (32, 32, 3)),
    ],
)
def test_prepared_images_arrive_unchanged_and_once(source, name, shape, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "_HELD_OUT", 3)
    official_test = "validation" if source == "imagenet32" else "test"
    images = {"train": noise(11, *shape), official_test: noise(4, *shape)}
    prepare(name, tmp_path, images)
    dataset = load(source, data_dir=tmp_path)
    assert [len(side) for side in sides(dataset)] == [8, 3, 4]
    train, validation, test = (rows(side.images) for side in sides(dataset))
    assert train | validation == rows(images["train"])
    assert test == rows(images[official_test])
    few = load(source, data_dir=tmp_path, limit=2)
    for a, b in zip(sides(dataset), sides(few), strict=True):
        np.testing.assert_array_equal(a.images[:2], b.images)
    for side in sides(dataset) + sides(few):
        if source == "imagenet32":
            assert side.labels is None
        else:
            assert side.labels.tolist() == [label_of(image) for image in side.images]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A folder with a small MNIST; tests must not change it."""
    folder = tmp_path_factory.mktemp("mnist")
    prepare("mnist", folder, {"train": noise(9, 28, 28, 1), "test": noise(4, 28, 28, 1)})
    return folder


def test_mnist_can_be_had_surrounded_with_black(mnist, monkeypatch):
    monkeypatch.setattr(prepared, "_HELD_OUT", 3)
    plain, padded = (load(name, data_dir=mnist) for name in ("mnist", "mnist32"))
    assert padded.event_shape == (32, 32, 1)
    for bare, side in zip(sides(plain), sides(padded), strict=True):
        np.testing.assert_array_equal(side.images[:, 2:-2, 2:-2], bare.images)
        assert side.images.sum() == bare.images.sum()
        np.testing.assert_array_equal(side.labels, bare.labels)
    clothes = dataclasses.replace(prepared.PREPARED["mnist32"], builder="fashion_mnist")
    assert prepared.PREPARED["fashion_mnist32"] == clothes


def test_celeba_is_cropped_around_the_face_and_keeps_its_official_sides(tmp_path):
    face = np.zeros((218, 178, 3), np.uint8)
    face[40:188, 15:163] = 200
    images = {side: np.stack([face] * n) for side, n in zip(SIDES, (3, 2, 1), strict=True)}
    prepare("celeb_a", tmp_path, images)
    dataset = load("celeba", data_dir=tmp_path)
    assert [len(side) for side in sides(dataset)] == [3, 2, 1]
    assert dataset.event_shape == (64, 64, 3) and dataset.train.labels is None
    # JPEG blurs the edge of the square; one row of the surroundings would show as gray.
    middle = dataset.train.images[:, 2:-2, 2:-2].astype(int)
    assert np.abs(middle - 200).max() <= 3
    assert dataset.train.images.min() > 150


@pytest.fixture
def on_disk(mnist, tmp_path, monkeypatch):
    """A prepared data set of which every side counts as large."""
    monkeypatch.setattr(prepared, "_HELD_OUT", 3)
    monkeypatch.setattr(prepared, "_IN_MEMORY_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shutil.copytree(mnist, tmp_path / "data")


def test_large_sides_are_decoded_once_and_mapped_read_only(on_disk, monkeypatch):
    first = load("mnist", data_dir=on_disk)
    assert isinstance(first.train.images, np.memmap) and not first.train.images.flags.writeable
    assert len(list((on_disk / "mnist" / "decoded").iterdir())) == 3

    def decode_again(*args):
        raise AssertionError("decoded a second time")

    monkeypatch.setattr(prepared, "_batches", decode_again)
    second = load("mnist", data_dir=on_disk)
    for a, b in zip(sides(first), sides(second), strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        assert b.labels.tolist() == [label_of(image) for image in b.images]


def test_decoding_that_fails_leaves_no_file_to_trust(on_disk, monkeypatch):
    batches = prepared._batches

    def fail_in_the_middle(*args):
        yield next(batches(*args))[:2]
        raise OSError("disk gone")

    monkeypatch.setattr(prepared, "_batches", fail_in_the_middle)
    with pytest.raises(OSError, match="disk gone"):
        load("mnist", data_dir=on_disk)
    assert not list((on_disk / "mnist" / "decoded").iterdir())


def test_fewer_images_than_promised_are_refused(on_disk, monkeypatch):
    batches = prepared._batches
    monkeypatch.setattr(prepared, "_batches", lambda *args: [next(batches(*args))[:2]])
    with pytest.raises(ValueError, match="expected 6 images"):
        load("mnist", data_dir=on_disk)


def test_read_only_data_is_decoded_into_the_cache_of_the_user(on_disk, tmp_path, monkeypatch):
    # Permissions do not stop root, under which tests often run; hence a stand-in.
    writable = decoded._writable
    monkeypatch.setattr(
        decoded, "_writable", lambda folder: on_disk not in folder.parents and writable(folder)
    )
    images = load("mnist", data_dir=on_disk).train.images
    assert isinstance(images, np.memmap)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 3
    assert not (on_disk / "mnist" / "decoded").exists()


@pytest.mark.parametrize("source", sorted(prepared.PREPARED))
def test_data_that_is_not_prepared_says_how_to_prepare_it(source, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load(source, data_dir=tmp_path)
    message = str(error.value)
    assert "download_and_prepare()" in message and str(tmp_path) in message
    assert prepared.PREPARED[source].builder in message
    assert ("manual_dir" in message) == source.startswith("imagenet")
