"""Bits per dimension of every image, in one file beside the rows: medians and errors over images.

An array is there before the row that it belongs to: a kill between the two leaves an array that
the run, done again, writes anew, and never a row without its images.
"""

import dataclasses
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.runs.clustered import clustered_error
from tfp_lcma.training.runs.run_lock import folder_turn

IMAGES = "images.npz"
Kind = Literal["validation", "test"]


@dataclasses.dataclass(frozen=True)
class ImageBits:
    """An arm's bits per dimension, image by image.

    Attributes:
        bits: float32 `[images]` by seed.
        clusters: which cluster each image is of; None: every image is its own.
    """

    bits: Mapping[int, np.ndarray]
    clusters: np.ndarray | None = None

    @property
    def median(self) -> float | None:
        """The median over images of their means over seeds; None if nothing is known."""
        if not self.bits:
            return None
        return float(np.median(np.mean(list(self.bits.values()), axis=0, dtype=np.float64)))


@dataclasses.dataclass(frozen=True)
class ImageError:
    """How far a difference between two arms would be off for other images of the same kind.

    Attributes:
        error: the standard error over images or clusters, of means over seeds; None of a
            single one.
        count: of images, or of clusters where images come in clusters.
        clustered: whether they do.
    """

    error: float | None
    count: int
    clustered: bool


def image_error(values: ImageBits, reference: ImageBits) -> ImageError | None:
    """Returns the error over images of `values - reference`; None if they share no seed.

    Paired by image: differences are averaged over the shared seeds first.
    """
    seeds = sorted(values.bits.keys() & reference.bits.keys())
    if not seeds:
        return None
    pairs = [values.bits[s].astype(np.float64) - reference.bits[s] for s in seeds]
    difference, clusters = np.mean(pairs, axis=0), values.clusters
    count = len(difference) if clusters is None else len(np.unique(clusters))
    return ImageError(clustered_error(difference, clusters), count, clusters is not None)


class ImagesFile:
    """Arrays `validation/ARM/SEED` and `test/ARM/SEED`, and the clusters of both."""

    def __init__(self, path: str | os.PathLike):
        """Stands for the file at `path`, which need not exist yet."""
        self.path = Path(path)

    def add(
        self, kind: Kind, arm: str, seed: int, bits: np.ndarray, clusters: np.ndarray | None
    ) -> None:
        """Adds the bits of a run, or puts them in the place of those that are there.

        Args:
            kind: of images.
            arm: of the run.
            seed: of the run.
            bits: `[images]`.
            clusters: which cluster each image is of; None: every image is its own.
        """
        with folder_turn(self.path.parent):
            arrays = self._read(dict, {}) | {_name(kind, arm, seed): bits.astype(np.float32)}
            if clusters is not None:
                arrays[f"{kind}/clusters"] = np.asarray(clusters)
            with written_whole(self.path) as temporary, open(temporary, "wb") as file:
                np.savez_compressed(file, **arrays)

    def of(self, rows: Sequence[dict], kind: Kind) -> ImageBits:
        """Returns what is there of an arm's rows, which `check` has passed; older ones have none.

        Raises:
            ValueError: the file is damaged.
        """
        kept = [row for row in rows if "image_bits" in row]
        if not kept:
            return ImageBits({})

        def read(file):
            clusters = f"{kind}/clusters"
            bits = {row["seed"]: file[_key(row, kind)] for row in kept}
            return ImageBits(bits, file.get(clusters))

        return self._read(read, ImageBits({}))

    def check(self, rows: Sequence[dict], kind: Kind) -> None:
        """Raises a ValueError if a row says that its images are here, and they are not."""
        names = set(self._read(lambda file: file.files, ()))
        for row in rows:
            if "image_bits" in row and _key(row, kind) not in names:
                raise ValueError(
                    f"{self.path} must hold {_key(row, kind)}, of which there is a row: copy the "
                    "file whole from where the row is from, or delete the row and run the command "
                    "again."
                )

    def _read(self, what, none):
        """Returns what a function makes of the open file; `none` if there is no file."""
        if not self.path.exists():
            return none
        try:
            with np.load(self.path) as file:
                return what(file)
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise ValueError(f"{self.path} cannot be read: {error}") from error


def _key(row, kind):
    # A run that stands for another's has that one's images.
    arm = row.get("same_as", row["arm"]) if kind == "validation" else row["arm"]
    return _name(kind, arm, row["seed"])


def _name(kind, arm, seed):
    return f"{kind}/{arm}/{seed}"
