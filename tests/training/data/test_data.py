"""Data sets: right sides, right values, and errors that say what to do."""

import functools
import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tfp_lcma.training.data import SOURCES, Dataset, Split, decoded, load_dataset, prepared

from tfp_lcma.files import written_whole

SIDES = ("train", "validation", "test")


def sides(dataset):
    return [getattr(dataset, side) for side in SIDES]


@functools.cache
def photos(size):
    return load_dataset(f"photos{size}")


def rows(images):
    return {image.tobytes() for image in images}


# --- what a data set is ---


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 4, 4, 1)), np.zeros((2, 4, 4), np.uint8), np.zeros((0, 4, 4, 1), np.uint8)],
)
def test_split_refuses_what_are_no_images(images):
    with pytest.raises(ValueError, match="images must be uint8"):
        Split(images)


@pytest.mark.parametrize("name", ["clusters", "labels"])
@pytest.mark.parametrize("numbers", [np.arange(3), np.array([0.0, 1.0])])
def test_split_refuses_clusters_and_labels_that_do_not_fit_the_images(name, numbers):
    with pytest.raises(ValueError, match=rf"{name} must be integers \[2\]"):
        Split(np.zeros((2, 4, 4, 1), np.uint8), **{name: numbers})


def test_dataset_refuses_sides_of_different_shapes():
    small, large = (Split(np.zeros((2, n, n, 1), np.uint8)) for n in (4, 8))
    with pytest.raises(ValueError, match="one shape"):
        Dataset("mixed", small, small, large)


# --- digits and photos ---


def test_digits_hold_every_image_once_with_17_intensities():
    from sklearn.datasets import load_digits

    dataset = load_dataset("digits")
    assert [len(side) for side in sides(dataset)] == [1297, 200, 300]
    assert dataset.bins == 17 and dataset.event_shape == (8, 8, 1)
    together = np.concatenate([side.images for side in sides(dataset)])
    assert (together.min(), together.max()) == (0, 16)
    # Sorted rows compare multisets: the few digits that occur twice count twice.
    original = load_digits().images.astype(np.uint8)
    assert sorted(map(bytes, together[..., 0])) == sorted(map(bytes, original))


def test_digits_keep_the_label_of_their_image():
    from sklearn.neighbors import KNeighborsClassifier

    train, validation, test = sides(load_dataset("digits"))
    nearest = KNeighborsClassifier(1).fit(train.images.reshape(len(train), -1), train.labels)
    for side in (validation, test):
        assert nearest.score(side.images.reshape(len(side), -1), side.labels) > 0.95


def test_split_does_not_depend_on_the_seed_of_a_run():
    one, other = (load_dataset("digits", seed=seed) for seed in (0, 1))
    for a, b in zip(sides(one), sides(other), strict=True):
        np.testing.assert_array_equal(a.images, b.images)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_no_part_of_a_photo_is_on_two_sides(size):
    dataset = photos(size)
    assert [len(side) for side in sides(dataset)] == [20_000, 1_000, 2_000]
    assert dataset.event_shape == (size, size, 3) and dataset.bins == 256
    shown = [set(side.clusters.tolist()) for side in sides(dataset)]
    assert shown[0] == set(range(10))
    assert all(len(numbers) >= 8 for numbers in shown)
    assert all(side.labels is None for side in sides(dataset))
    train, validation, test = (rows(side.images) for side in sides(dataset))
    assert not train & validation and not train & test and not validation & test


@pytest.mark.parametrize(("name", "columns"), [("train", (0, 320)), ("validation", (320, 480))])
def test_photos_are_crops_of_their_band_of_their_photograph(name, columns):
    from sklearn.datasets import load_sample_image

    band = load_sample_image("flower.jpg")[:426, slice(*columns)].astype(float)
    halves = band.reshape(213, 2, -1, 2, 3).mean(axis=(1, 3))
    reduced = np.rint(halves).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(reduced, (32, 32), axis=(0, 1))
    corners = rows(windows[..., 0, 0].reshape(-1, 3))
    side = getattr(photos(32), name)
    crops = side.images[side.clusters == 7][:12]
    found = sum(
        (windows == crop.transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()
        for crop in crops
        if crop[0, 0].tobytes() in corners
    )
    # A third of all crops come from the half-size photograph.
    assert 1 <= found < 12


def test_photos_are_not_empty_borders():
    images = photos(32).train.images[:1000]
    assert np.mean(images.max(axis=(1, 2, 3)) < 32) < 0.05


def test_photos_without_the_shipped_file_do_not_try_to_download(monkeypatch, tmp_path):
    import skimage.data

    monkeypatch.setattr(skimage.data, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(FileNotFoundError, match="pip install"):
        load_dataset("photos32", limit=1)


def test_limit_keeps_the_first_crops_whatever_the_seed_of_a_run():
    whole, few = photos(32), load_dataset("photos32", limit=7, seed=1)
    for a, b in zip(sides(whole), sides(few), strict=True):
        np.testing.assert_array_equal(a.images[:7], b.images)
        np.testing.assert_array_equal(a.clusters[:7], b.clusters)


# --- prepared data sets: tiny ones, written by tensorflow_datasets itself ---


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


def noise(n, *shape):
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)


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
    dataset = load_dataset(source, data_dir=tmp_path)
    assert [len(side) for side in sides(dataset)] == [8, 3, 4]
    train, validation, test = (rows(side.images) for side in sides(dataset))
    assert train | validation == rows(images["train"])
    assert test == rows(images[official_test])
    few = load_dataset(source, data_dir=tmp_path, limit=2)
    for a, b in zip(sides(dataset), sides(few), strict=True):
        np.testing.assert_array_equal(a.images[:2], b.images)
    for side in sides(dataset) + sides(few):
        if source == "imagenet32":
            assert side.labels is None
        else:
            assert side.labels.tolist() == [label_of(image) for image in side.images]


def test_mnist_can_be_had_surrounded_with_black(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "_HELD_OUT", 1)
    prepare("mnist", tmp_path, {"train": noise(3, 28, 28, 1), "test": noise(2, 28, 28, 1)})
    plain, padded = (load_dataset(name, data_dir=tmp_path) for name in ("mnist", "mnist32"))
    assert padded.event_shape == (32, 32, 1)
    for bare, side in zip(sides(plain), sides(padded), strict=True):
        np.testing.assert_array_equal(side.images[:, 2:-2, 2:-2], bare.images)
        assert side.images.sum() == bare.images.sum()
        np.testing.assert_array_equal(side.labels, bare.labels)


def test_celeba_is_cropped_around_the_face_and_keeps_its_official_sides(tmp_path):
    face = np.zeros((218, 178, 3), np.uint8)
    face[40:188, 15:163] = 200
    images = {side: np.stack([face] * n) for side, n in zip(SIDES, (3, 2, 1), strict=True)}
    prepare("celeb_a", tmp_path, images)
    dataset = load_dataset("celeba", data_dir=tmp_path)
    assert [len(side) for side in sides(dataset)] == [3, 2, 1]
    assert dataset.event_shape == (64, 64, 3) and dataset.train.labels is None
    # JPEG blurs the edge of the square; one row of the surroundings would show as gray.
    middle = dataset.train.images[:, 2:-2, 2:-2].astype(int)
    assert np.abs(middle - 200).max() <= 3
    assert dataset.train.images.min() > 150


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """A prepared data set of which every side counts as large."""
    monkeypatch.setattr(prepared, "_HELD_OUT", 3)
    monkeypatch.setattr(prepared, "_IN_MEMORY_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data_dir = tmp_path / "data"
    prepare("mnist", data_dir, {"train": noise(9, 28, 28, 1), "test": noise(4, 28, 28, 1)})
    return data_dir


def test_large_sides_are_decoded_once_and_mapped_read_only(on_disk, monkeypatch):
    first = load_dataset("mnist", data_dir=on_disk)
    assert isinstance(first.train.images, np.memmap) and not first.train.images.flags.writeable
    assert len(list((on_disk / "mnist" / "decoded").iterdir())) == 3

    def decode_again(*args):
        raise AssertionError("decoded a second time")

    monkeypatch.setattr(prepared, "_batches", decode_again)
    second = load_dataset("mnist", data_dir=on_disk)
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
        load_dataset("mnist", data_dir=on_disk)
    assert not list((on_disk / "mnist" / "decoded").iterdir())


def test_fewer_images_than_promised_are_refused(on_disk, monkeypatch):
    batches = prepared._batches
    monkeypatch.setattr(prepared, "_batches", lambda *args: [next(batches(*args))[:2]])
    with pytest.raises(ValueError, match="expected 6 images"):
        load_dataset("mnist", data_dir=on_disk)


def test_read_only_data_is_decoded_into_the_cache_of_the_user(on_disk, tmp_path, monkeypatch):
    # Permissions do not stop root, under which tests often run; hence a stand-in.
    writable = decoded._writable
    monkeypatch.setattr(
        decoded, "_writable", lambda folder: on_disk not in folder.parents and writable(folder)
    )
    images = load_dataset("mnist", data_dir=on_disk).train.images
    assert isinstance(images, np.memmap)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 3
    assert not (on_disk / "mnist" / "decoded").exists()


@pytest.mark.parametrize("source", sorted(prepared.PREPARED))
def test_data_that_is_not_prepared_says_how_to_prepare_it(source, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_dataset(source, data_dir=tmp_path)
    message = str(error.value)
    assert "download_and_prepare()" in message and str(tmp_path) in message
    assert prepared.PREPARED[source].builder in message
    assert ("manual_dir" in message) == source.startswith("imagenet")


# --- the user's own images ---


def write_images(folder, n, size=(10, 6)):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGB", size, (i, 0, 0)).save(folder / f"{i}.png")


def test_folder_uses_every_image_on_exactly_one_side(tmp_path):
    write_images(tmp_path, 20)
    write_images(tmp_path / "deeper" / "still", 5)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._0.png").write_text("left by a file manager")
    dataset = load_dataset("folder", images=tmp_path, image_size=4)
    assert [len(side) for side in sides(dataset)] == [21, 2, 2]
    values = np.concatenate([side.images[:, 0, 0, 0] for side in sides(dataset)])
    assert sorted(values) == sorted([*range(20), *range(5)])


def test_folder_split_is_one_for_all_machines_and_another_for_another_seed(tmp_path):
    write_images(tmp_path / "a", 12)
    write_images(tmp_path / "b", 12)

    def train(name, seed):
        dataset = load_dataset("folder", images=tmp_path / name, image_size=2, seed=seed)
        return dataset.train.images

    np.testing.assert_array_equal(train("a", 0), train("b", 0))
    assert not np.array_equal(train("a", 0), train("a", 1))


def test_folder_of_three_has_one_image_on_each_side(tmp_path):
    write_images(tmp_path, 3)
    dataset = load_dataset("folder", images=tmp_path, image_size=2)
    assert [len(side) for side in sides(dataset)] == [1, 1, 1]


def test_folder_fits_the_short_side_and_keeps_the_middle(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    color = (10, 200, 30)
    wide[:, 20:40] = color
    for name, array in {"0": wide, "1": wide.transpose(1, 0, 2), "2": wide[:, 20:40]}.items():
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    dataset = load_dataset("folder", images=tmp_path, image_size=10)
    for side in sides(dataset):
        # The filter reaches a little beyond the crop.
        np.testing.assert_allclose(side.images[0].astype(int), np.full((10, 10, 3), color), atol=25)
        assert (side.images[0, 2:-2, 2:-2] == color).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "bmp", "gif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_folder_reads_the_usual_formats_as_rgb(suffix, mode, tmp_path):
    for i in range(3):
        Image.new(mode, (8, 8), 128 if mode == "L" else (128,) * 3).save(tmp_path / f"{i}.{suffix}")
    images = load_dataset("folder", images=tmp_path, image_size=8).train.images
    assert images.shape == (1, 8, 8, 3)
    assert np.abs(images.astype(int) - 128).max() <= 2


def test_folder_turns_photographs_upright(tmp_path):
    lying = np.zeros((8, 8, 3), np.uint8)
    lying[:, :4] = 255
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn clockwise to see it upright
    for i in range(3):
        Image.fromarray(lying).save(tmp_path / f"{i}.png", exif=exif)
    image = load_dataset("folder", images=tmp_path, image_size=8).train.images[0]
    assert (image[:4] == 255).all() and (image[4:] == 0).all()


@pytest.mark.parametrize("content", [b"no image at all", b"\x89PNG\r\n\x1a\n", "cut"])
def test_an_unreadable_image_is_named(content, tmp_path):
    write_images(tmp_path, 9, size=(64, 64))
    if content == "cut":
        Image.fromarray(noise(64, 64, 3)).save(tmp_path / "broken.png")
        content = (tmp_path / "broken.png").read_bytes()[:3000]
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read image .*broken\.png"):
        load_dataset("folder", images=tmp_path, image_size=4)


@pytest.mark.parametrize("n", [0, 2])
def test_folder_of_fewer_than_three_images_is_refused(n, tmp_path):
    write_images(tmp_path, n)
    with pytest.raises(ValueError, match=f"at least 3 files.* found {n}"):
        load_dataset("folder", images=tmp_path, image_size=4)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"images must be a folder.*nowhere"):
        load_dataset("folder", images=tmp_path / "nowhere", image_size=4)


# --- arguments ---


@pytest.mark.parametrize(
    "source, arguments, message",
    [
        ("cifar100", {}, f"one of {', '.join(SOURCES)}; got 'cifar100'"),
        ("folder", {"image_size": 8}, "needs images"),
        ("folder", {"images": "."}, "needs image_size"),
        ("folder", {"images": ".", "image_size": 0}, "image_size must be a positive integer"),
        ("digits", {"limit": 0}, "limit must be a positive integer"),
        ("digits", {"limit": 1.5}, "limit must be a positive integer"),
        ("digits", {"images": "."}, "images is for source 'folder' only"),
        ("digits", {"image_size": 16}, "image_size of 'digits' is 8"),
        ("imagenet64", {"image_size": 32}, "image_size of 'imagenet64' is 64"),
    ],
)
def test_wrong_arguments_are_named(source, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_dataset(source, **arguments)


# --- whole files ---


def test_writing_keeps_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "new folder" / "file"
    with written_whole(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
