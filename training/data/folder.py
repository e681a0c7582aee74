"""The user's own images: any folder, any size, any of the usual formats."""

import hashlib
import warnings
from pathlib import Path

import numpy as np

from tfp_lcma.training.data.files import SUFFIXES, composed, find_images, read_all
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.data.split import Dataset, Split

# What the three sides of a folder that is already split are called.
_SIDES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
# Files that an error or a warning names.
_MOST_NAMED = 50


def load_folder(
    folder: Path,
    image_size: int | None,
    *,
    labels: bool = False,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Returns the images below a folder as squares in colour: 80% train, 10% validation, 10% test.

    The order in which files go to the three sides is that of a hash of their relative paths, so
    it does not depend on the machine. Files that show the same scene may end on different sides.
    A folder that is already split, into `train` and one or both of `val` and `test`, stays so; a
    side that it lacks is a tenth of `train`.

    Args:
        folder: Searched with its subfolders for files ending in `SUFFIXES`; what is hidden is
            left out, and images of other kinds are named in a warning.
        image_size: Side of the square in pixels; see `PixelSettings` for how a file is made it.
        labels: Whether the subfolders (of each side, where the folder is split) are classes,
            numbered in the order of their names.
        seed: Part of the hash: another number is another split.
        limit: Keeps, and reads, at most this many images on each side.

    Returns:
        The data set, uint8 `[n, image_size, image_size, 3]` in memory, 256 intensities.

    Raises:
        ValueError: If `image_size` is None, there are fewer than 3 images or one outside a class,
            or some are unreadable; all of these are named.
    """
    if image_size is None:
        raise ValueError(f"image_size must be given for the folder {str(folder)!r}; got None.")
    found = find_images(folder)
    if found.passed_over:
        warnings.warn(
            f"passed over below {str(folder)!r}, since only {', '.join(SUFFIXES)} are read "
            f"({len(found.passed_over)}): {_named(found.passed_over, ', ')}.",
            stacklevel=2,
        )
    sides = _sides(sorted(found.images, key=lambda name: _hash(name, seed)))
    if not all(sides.values()):
        raise ValueError(
            f"the folder must hold at least 3 images ({', '.join(SUFFIXES)}), one for each of "
            f"train, validation and test; found {len(found.images)} below {str(folder)!r}."
        )
    classes = _classes(sides) if labels else None
    kept = {side: list(names.items())[:limit] for side, names in sides.items()}
    images = _read(folder, [name for names in kept.values() for name, _ in names], image_size)
    splits = []
    for names in kept.values():
        own, images = images[: len(names)], images[len(names) :]
        numbers = classes and np.array([classes.index(_class(inner)) for _, inner in names])
        splits.append(Split(own, labels=numbers))
    return Dataset(folder.resolve().name, *splits, class_names=classes and tuple(classes))


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/".encode() + composed(name)).digest()


def _sides(names: list[str]) -> dict[str, dict[str, str]]:
    """Returns the files of each side, in their order, and each one's path within its side."""
    own: dict[str, dict[str, str]] = {side: {} for side in _SIDES}
    for name in names:
        first, _, inner = name.partition("/")
        for side, folders in _SIDES.items():
            if inner and first in folders:
                own[side][name] = inner
    if not (own["train"] and (own["validation"] or own["test"])):
        own = {"train": {name: name for name in names}, "validation": {}, "test": {}}
    tenth = max(1, len(own["train"]) // 10)
    for side in ("validation", "test"):
        if not own[side]:
            held_out = list(own["train"])[:tenth]
            own[side] = {name: own["train"].pop(name) for name in held_out}
    return own


def _class(inner: str) -> str:
    return composed(inner.partition("/")[0]).decode("utf-8", "surrogateescape")


def _classes(sides: dict[str, dict[str, str]]) -> list[str]:
    """Returns the names of all classes, sorted."""
    loose = [name for side in sides.values() for name, inner in side.items() if "/" not in inner]
    if loose:
        raise ValueError(
            "with labels, every image must lie in the folder of its class; these do not: "
            f"{_named(loose, ', ')}."
        )
    return sorted({_class(inner) for side in sides.values() for inner in side.values()})


def _read(folder: Path, names: list[str], size: int) -> np.ndarray:
    """Returns all files as uint8 [n, size, size, 3]."""
    images, faults = read_all([folder / name for name in names], PixelSettings(size, size, 3))
    if faults:
        raise ValueError(
            f"{len(faults)} of {len(names)} images cannot be read; mend them or take them away:\n  "
            + _named([str(fault) for fault in faults], "\n  ")
        )
    return images


def _named(names: list[str], separator: str) -> str:
    rest = len(names) - _MOST_NAMED
    more = f"{separator}and {rest} more" if rest > 0 else ""
    return separator.join(names[:_MOST_NAMED]) + more
