"""The user's own images: any folder, any size, any of the usual formats."""

import hashlib
import warnings
from collections.abc import Container, Set
from pathlib import Path

import numpy as np

from tfp_lcma.registry import check_name
from tfp_lcma.training.data.cache import read_folder
from tfp_lcma.training.data.file_report import FileReport, UnreadableFilesError, named
from tfp_lcma.training.data.files import SUFFIXES, Found, composed, find_images
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.data.split import Dataset, Split

# By side, the files of each and their paths within it.
Groups = dict[str, dict[str, str]]
# What the three sides of a folder that is already split are called, in any case.
SIDES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
# What may be done about files that cannot be read.
ON_UNREADABLE = ("stop", "skip")


def load_folder(
    folder: Path | str,
    image_size: int | None,
    *,
    labels: bool = False,
    seed: int = 0,
    limit: int | None = None,
    on_unreadable: str = "stop",
) -> Dataset:
    """Returns the images below a folder as squares in colour: 80% train, 10% validation, 10% test.

    The order in which files go to the three sides is that of a hash of their relative paths, so
    it does not depend on the machine; files that are skipped might as well not be there. Files
    that show the same scene may end on different sides. A folder that is already split, into
    `train` and one or both of `val` and `test`, stays so; a side that it lacks is a tenth of
    `train`.

    What is made of the files is kept in the user's cache and memory-mapped: see
    `tfp_lcma.training.data.cache`.

    Args:
        folder: A local one, or text like `gs://bucket/folder`; searched with its subfolders for
            files ending in `SUFFIXES`; what is hidden is left out; images of other kinds and links
            to folders are named in a warning.
        image_size: Side of the square in pixels; see `PixelSettings` for how a file is made it.
        labels: Whether the subfolders (of each side, where the folder is split) are classes,
            numbered in the order of their names.
        seed: Part of the hash: another number is another split.
        limit: Keeps, and reads, at most this many images on each side.
        on_unreadable: What to do about files that cannot be read, after all have been tried:
            "stop" with an error that names them all, or "skip" them, named in a warning.

    Returns:
        The data set, uint8 `[n, image_size, image_size, 3]`, 256 intensities, and what became of
        every file as its `files`.

    Raises:
        UnreadableFilesError: If some cannot be read and are not to be skipped; a ValueError.
        ValueError: If `image_size` is None, there are fewer than 3 images, a side has none that
            can be read, or an image lies outside a class.
    """
    if image_size is None:
        raise ValueError(f"image_size must be given for the folder {str(folder)!r}; got None.")
    check_name("on_unreadable", on_unreadable, ON_UNREADABLE)
    found = find_images(folder)
    groups = _groups(sorted(found.images, key=lambda name: _hash(name, seed)))
    passed_over = _passed_over(folder, found, set().union(*groups.values()))
    classes = _classes(groups) if labels else None
    settings, skips = PixelSettings(image_size, image_size, 3), on_unreadable == "skip"
    sides, images, faults = _read(folder, groups, settings, limit, f"seed {seed}", skips)
    report = FileReport(
        folder,
        read={name: side for side, names in sides.items() for name in _without(faults, names)},
        unreadable=found.closed | faults,
        passed_over=passed_over,
    )
    if report.unreadable and not skips:
        raise UnreadableFilesError(report)
    if report.unreadable:
        warnings.warn(
            f"left out below {str(folder)!r}, since they cannot be read "
            f"({len(report.unreadable)}):\n{named(report.unreadable)}",
            stacklevel=2,
        )
    splits = []
    for side in sides.values():
        own, images = images[: len(side)], images[len(side) :]
        numbers = classes and np.array([classes.index(_class(inner)) for inner in side.values()])
        splits.append(Split(own, labels=numbers))
    class_names = classes and tuple(classes)
    # The whole path, for "." has a name too.
    name = folder.resolve().name if isinstance(folder, Path) else folder.rpartition("/")[2]
    return Dataset(name, *splits, class_names=class_names, files=report)


def _read(
    folder: Path | str, groups: Groups, settings: PixelSettings, limit, request: str, skips: bool
) -> tuple[Groups, np.ndarray, dict[str, str]]:
    """Returns the three sides, their pixels one side after the other, and what is unreadable.

    Where unreadable files are skipped, the sides are those of the others.
    """
    faults: dict[str, str] = {}
    while True:
        left = {side: _without(faults, names) for side, names in groups.items()}
        _check_enough(folder, groups, left, faults)
        sides = {side: dict([*names.items()][:limit]) for side, names in _filled(left).items()}
        names = [name for side in sides.values() for name in side]
        which = f"{request}, limit {limit}, without {len(faults)}"
        images, unreadable = read_folder(folder, names, settings, which)
        faults |= unreadable
        if not unreadable or not skips:
            return sides, images, faults


def _passed_over(folder: Path | str, found: Found, in_groups: Set[str]) -> dict[str, str]:
    """Returns why files are not even tried, and says so."""
    outside = (name for name in found.images if name not in in_groups)
    reasons = found.passed_over | dict.fromkeys(outside, "outside of train, validation and test")
    if reasons:
        warnings.warn(
            f"passed over below {str(folder)!r} ({len(reasons)}; {', '.join(SUFFIXES)} are read):\n"
            f"{named(reasons)}",
            stacklevel=3,
        )
    return reasons


def _check_enough(folder, groups, left, faults) -> None:
    """Raises a ValueError unless every side can have a readable image."""
    why = f" These cannot be read:\n{named(faults)}" if faults else ""
    for side, names in groups.items():
        if names and not left[side]:
            raise ValueError(f"no image for {side} below {str(folder)!r} is left.{why}")
    if not all(_filled(left).values()):
        raise ValueError(
            f"the folder must hold at least 3 images ({', '.join(SUFFIXES)}), one for each of "
            f"train, validation and test; found {sum(map(len, left.values()))} below "
            f"{str(folder)!r}.{why}"
        )


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/".encode() + composed(name)).digest()


def _groups(names: list[str]) -> Groups:
    """Returns the files of each given side, and each one's path within it; else all as train."""
    own: Groups = {side: {} for side in SIDES}
    for name in names:
        first, _, inner = name.partition("/")
        for side, folders in SIDES.items():
            if inner and first.lower() in folders:
                own[side][name] = inner
    if own["train"] and (own["validation"] or own["test"]):
        return own
    return {"train": {name: name for name in names}, "validation": {}, "test": {}}


def _filled(groups: Groups) -> Groups:
    """Returns the three sides: one that is not given is a tenth of train."""
    sides = {side: dict(names) for side, names in groups.items()}
    tenth = max(1, len(sides["train"]) // 10)
    for side in ("validation", "test"):
        if not sides[side]:
            held_out = list(sides["train"])[:tenth]
            sides[side] = {name: sides["train"].pop(name) for name in held_out}
    return sides


def _without(faults: Container[str], names: dict[str, str]) -> dict[str, str]:
    return {name: inner for name, inner in names.items() if name not in faults}


def _class(inner: str) -> str:
    return composed(inner.partition("/")[0]).decode("utf-8", "surrogateescape")


def _classes(sides: Groups) -> list[str]:
    """Returns the names of all classes, sorted."""
    loose = [name for side in sides.values() for name, inner in side.items() if "/" not in inner]
    if loose:
        raise ValueError(
            "with labels, every image must lie in the folder of its class; these do not:\n"
            + named(loose)
        )
    return sorted({_class(inner) for side in sides.values() for inner in side.values()})
