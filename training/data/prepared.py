"""Data sets that `tensorflow_datasets` has prepared on this machine."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tfp_lcma.training.data.decoded import read_or_decode
from tfp_lcma.training.data.sources import Request
from tfp_lcma.training.data.split import Dataset, Split

_IN_MEMORY_BYTES = 200_000_000
_HELD_OUT = 5_000
# Where tensorflow_datasets puts its data, unless TFDS_DATA_DIR says otherwise.
_DEFAULT = "~/tensorflow_datasets"


def _crop_face(image):
    """The customary CelebA crop: 148x148 around the face, reduced to 64x64."""
    import tensorflow as tf

    resized = tf.image.resize(image[40:188, 15:163], (64, 64), method="area")
    return tf.cast(tf.round(resized), tf.uint8)


def _pad_to_32(image):
    """Surrounds a 28x28 image with black, two pixels wide."""
    import tensorflow as tf

    return tf.pad(image, ((2, 2), (2, 2), (0, 0)))


@dataclasses.dataclass(frozen=True)
class _Recipe:
    builder: str
    shape: tuple[int, int, int]
    test: str = "test"
    validation: str | None = None  # None: the last images of train are held out
    transform: Callable | None = None
    manual: str = ""


def _imagenet(size: int) -> _Recipe:
    """Downsampled ImageNet, whose `validation` images are what everyone reports as test."""
    archives = f"train_{size}x{size}.tar and valid_{size}x{size}.tar"
    manual = (
        f"If image-net.org no longer serves {archives}, put your copies into a folder MANUAL and "
        "call instead .download_and_prepare(download_config="
        "tfds.download.DownloadConfig(manual_dir='MANUAL'))."
    )
    return _Recipe(
        f"downsampled_imagenet/{size}x{size}", (size, size, 3), "validation", manual=manual
    )


PREPARED = {
    "mnist": _Recipe("mnist", (28, 28, 1)),
    "mnist32": _Recipe("mnist", (32, 32, 1), transform=_pad_to_32),
    "fashion_mnist": _Recipe("fashion_mnist", (28, 28, 1)),
    "fashion_mnist32": _Recipe("fashion_mnist", (32, 32, 1), transform=_pad_to_32),
    "cifar10": _Recipe("cifar10", (32, 32, 3)),
    "imagenet32": _imagenet(32),
    "imagenet64": _imagenet(64),
    "celeba": _Recipe("celeb_a", (64, 64, 3), validation="validation", transform=_crop_face),
}


def load_prepared(request: Request) -> Dataset:
    """Returns a data set that was prepared by `tensorflow_datasets` beforehand.

    Test images are those of the official test split. The last 5,000 training images are held out
    for validation, except for CelebA, which has a validation split. A side of more than 200 MB is
    decoded once into a file beside the data and memory-mapped; CelebA is cropped to
    [40:188, 15:163] and reduced to 64x64 by area averaging.

    Args:
        request: Its `name` is a key of `PREPARED`, its `data_dir` the folder that was given to
            `tensorflow_datasets`; None stands for its default.

    Returns:
        The data set, 256 intensities; `labels` holds the class where the data set has classes.

    Raises:
        FileNotFoundError: If the data set is not prepared in `data_dir`.
        ValueError: If the prepared images are not what this data set should hold.
    """
    name, _, data_dir, limit = request
    recipe = PREPARED[name]
    folder = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
    place = Path(folder or os.environ.get("TFDS_DATA_DIR") or _DEFAULT).expanduser()
    # Looked for before TensorFlow is imported, which takes its time.
    if not any((place / recipe.builder).glob("*/dataset_info.json")):
        raise FileNotFoundError(_how_to_prepare(name, recipe, place, folder))
    import tensorflow_datasets as tfds

    builder = tfds.builder(recipe.builder, data_dir=folder)
    if not builder.is_prepared():
        raise FileNotFoundError(_how_to_prepare(name, recipe, place, folder))
    count = {split: info.num_examples for split, info in builder.info.splits.items()}
    if recipe.validation is None:
        held_out = count["train"] - _HELD_OUT
        ranges = [("train", 0, held_out), ("train", held_out, count["train"])]
    else:
        ranges = [("train", 0, count["train"]), (recipe.validation, 0, count[recipe.validation])]
    ranges.append((recipe.test, 0, count[recipe.test]))
    if limit is not None:
        ranges = [(split, start, min(stop, start + limit)) for split, start, stop in ranges]
    sides = (
        Split(_read_images(builder, recipe, *r), labels=_read_labels(builder, *r)) for r in ranges
    )
    return Dataset(name, *sides)


def _read_images(builder, recipe: _Recipe, split: str, start: int, stop: int) -> np.ndarray:
    """Returns uint8 [stop - start, H, W, C], in memory or memory-mapped."""
    shape = (stop - start, *recipe.shape)
    batches = functools.partial(_batches, builder, recipe, f"{split}[{start}:{stop}]")
    size = "x".join(map(str, recipe.shape))
    return read_or_decode(
        batches,
        shape,
        data=Path(builder.data_dir),
        file=f"{builder.name}-{builder.version}-{split}-{start}-{stop}-{size}.npy",
        in_memory=np.prod(shape, dtype=np.int64) <= _IN_MEMORY_BYTES,
    )


def _read_labels(builder, split: str, start: int, stop: int) -> np.ndarray | None:
    """Returns int64 [stop - start] in the order of the images; None if there are no classes."""
    if "label" not in builder.info.features:
        return None
    import tensorflow_datasets as tfds

    # Without the images a pass is so short that labels are never kept in a file.
    examples = builder.as_dataset(
        split=f"{split}[{start}:{stop}]",
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding({"label": True}),
    )
    batches = examples.batch(4096).as_numpy_iterator()
    return np.concatenate([batch["label"] for batch in batches])


def _batches(builder, recipe: _Recipe, split: str) -> Iterator[np.ndarray]:
    """Yields decoded batches uint8 [b, H, W, C] in the order of the files."""
    import tensorflow as tf

    transform = recipe.transform or (lambda image: image)
    images = builder.as_dataset(split=split, shuffle_files=False).map(
        lambda example: transform(example["image"]),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    yield from images.batch(256).prefetch(2).as_numpy_iterator()


def _how_to_prepare(name: str, recipe: _Recipe, place: Path, folder: str | None) -> str:
    argument = "" if folder is None else f", data_dir={folder!r}"
    code = f"tfds.builder({recipe.builder!r}{argument}).download_and_prepare()"
    return (
        f"data set {name!r} is not prepared: no version of it in {place / recipe.builder}. If it "
        "lies elsewhere, let data_dir (--data-dir) name the folder above it. Otherwise prepare it "
        "once, with an internet connection:\n"
        f'  python -c "import tensorflow_datasets as tfds; {code}"\n{recipe.manual}'
    ).strip()
