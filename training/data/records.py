"""Images in TFRecord files: larger than memory, addressed by index, decoded when they are used.

```none
NAME-train.tfrecord-00000-of-00010    as tensorflow_datasets writes them: `image`, `label`
train-00000-of-01024                  as for ImageNet: `image/encoded`, `image/class/label`
```
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from tfp_lcma.training.data.decoded import read_or_decode
from tfp_lcma.training.data.files import read_files
from tfp_lcma.training.data.folder import SIDES
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels
from tfp_lcma.training.data.sources import TFDS
from tfp_lcma.training.data.split import Dataset, Split
from tfp_lcma.training.data.tfrecords import Index, holds_records, read_index, record_files

_IN_MEMORY_BYTES = 200_000_000
_CHUNK = 1024


class Records:
    """Encoded images that look like an array uint8 `[n, height, width, 3]`.

    Indexing reads and decodes what is asked for, as `read_pixels` does, and nothing is kept: give
    the rows that are wanted together in one call.

    Attributes:
        settings: what is made of an image.
        shape: `(n, height, width, 3)`.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self, files: Sequence[Path], places: np.ndarray, image_key: str, settings: PixelSettings
    ):
        """Points at records.

        Args:
            files: TFRecord files.
            places: as in an `Index`.
            image_key: under which a record has its image.
            settings: what is made of an image.
        """
        self._files, self._places, self._key = files, places, image_key
        self.settings = settings
        self.shape = (len(places), settings.height, settings.width, settings.channels)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Returns images, decoded in parallel.

        Raises:
            UnreadableImageError: Naming the file and the row of one that is no image.
        """
        chosen = np.arange(len(self))[rows]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        contents = (self.content(row) for row in chosen)
        for row, image, pixels in zip(
            chosen, images, read_files(contents, self.settings), strict=True
        ):
            if isinstance(pixels, UnreadableImageError):
                raise self._named(row, pixels)
            image[...] = pixels
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Returns all images."""
        return self[:].astype(dtype or np.uint8, copy=False)

    def content(self, row: int) -> bytes:
        """Returns an image as it is encoded."""
        from tensorflow.core.example.example_pb2 import Example

        number, start, length = map(int, self._places[row])
        opened = os.open(self._files[number], os.O_RDONLY)
        try:
            record = os.pread(opened, length, start)
        finally:
            os.close(opened)
        feature = Example.FromString(record).features.feature[self._key]
        return feature.bytes_list.value[0] if feature.bytes_list.value else b""

    def pixels(self, row: int, content: bytes) -> np.ndarray:
        """Returns the pixels of an image whose content was read before.

        Raises:
            UnreadableImageError: Naming the file and the row.
        """
        try:
            return read_pixels(content, self.settings)
        except UnreadableImageError as error:
            raise self._named(row, error) from error

    def take(self, rows: np.ndarray) -> "Records":
        """Returns some of the images, still encoded."""
        return Records(self._files, self._places[rows], self._key, self.settings)

    def _named(self, row: int, error: UnreadableImageError) -> UnreadableImageError:
        number, start, _ = self._places[row]
        which = f"the image of the record at byte {start} of {str(self._files[number])!r}"
        return UnreadableImageError(which, error.reason)


def load_records(
    folder: Path, image_size: int | None, *, name: str | None = None, seed: int = 0,
    limit: int | None = None,
) -> Dataset:  # fmt: skip
    """Returns the images in a folder's TFRecord files as squares in colour.

    The side that a file belongs to stands in its name, between other letters: train, validation
    (or val, valid) or test; files that say nothing are train. A side that is not there is a tenth
    of train. Images of train are decoded when they are used, those of the other sides once, into a
    memory-mapped file.

    Args:
        folder: It holds the files, not compressed, and no others of such names.
        image_size: Side of the square in pixels; see `PixelSettings` for how an image is made it.
        name: Of the data set; None: the folder's.
        seed: Of which images are held out: another number is another tenth.
        limit: Keeps at most this many images on each side.

    Raises:
        ValueError: If there is no size, or the files hold no such images.
    """
    if image_size is None:
        raise ValueError(f"image_size must be given for the folder {str(folder)!r}; got None.")
    names = record_files(folder)
    files, sides = [folder / file for file in names], [_side(stem) for stem in names.values()]
    index = read_index(files)
    rows = _rows(index, sides, seed)
    if not all(map(len, rows.values())):
        raise ValueError(
            f"{str(folder)!r} must hold at least 3 images, one for each of train, validation and "
            f"test; found {len(index.places)}."
        )
    settings = PixelSettings(image_size, image_size, 3)
    whole = Records(files, index.places, index.image_key, settings)
    splits = []
    for side, chosen in rows.items():
        images = whole.take(chosen[:limit])
        labels = None if index.labels is None else index.labels[chosen[:limit]]
        # Records look like an array to whoever takes rows.
        pixels = cast(np.ndarray, images) if side == "train" else _decoded(folder, images)
        splits.append(Split(pixels, labels=labels))
    return Dataset(name or folder.resolve().name, *splits)


def load_tfds(
    name: str, image_size: int | None, *, data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0, limit: int | None = None,
) -> Dataset:  # fmt: skip
    """Returns the images of a data set that tensorflow_datasets has prepared in TFRecord files.

    Args:
        name: `tfds:NAME` or `tfds:NAME/CONFIG`; of several versions, the highest.
        image_size: as for `load_records`.
        data_dir: the folder that was given to tensorflow_datasets; None: its default.
        seed: as for `load_records`.
        limit: as for `load_records`.

    Raises:
        FileNotFoundError: If it is not prepared there.
        ValueError: If it holds no images.
    """
    own = name.removeprefix(TFDS)
    top = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    versions = [info.parent for info in (top / own).glob("*/dataset_info.json")]
    if not versions or not own:
        raise FileNotFoundError(
            f"data set {name!r} is not prepared: no version of it in {top / own}. If it lies "
            "elsewhere, let data_dir (--data-dir) name the folder above it."
        )
    folder = max(versions, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])
    if not holds_records(folder):
        raise ValueError(f"{str(folder)!r} must hold TFRecord files; prepare it in that format.")
    return load_records(folder, image_size, name=own.replace("/", "-"), seed=seed, limit=limit)


def _side(stem: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in stem.lower()).split()
    return next((side for side, called in SIDES.items() if set(called) & set(words)), "train")


def _rows(index: Index, sides: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    """Returns the rows of every side, in the order of the files."""
    side_of_row = np.array(sides)[index.places[:, 0]]
    rows = {side: np.flatnonzero(side_of_row == side) for side in SIDES}
    train, held_out = rows["train"], max(1, len(rows["train"]) // 10)
    lacking = [side for side, own in rows.items() if side != "train" and not len(own)]
    # The stream of RandomState is frozen; those of newer generators may change with NumPy.
    order = np.random.RandomState(seed).permutation(train)
    for number, side in enumerate(lacking):
        rows[side] = np.sort(order[number * held_out : (number + 1) * held_out])
    rows["train"] = np.sort(order[len(lacking) * held_out :])
    return rows


def _decoded(folder: Path, records: Records) -> np.ndarray:
    """Returns images decoded once: in memory if they are small, else in a memory-mapped file."""

    def batches():
        for start in range(0, len(records), _CHUNK):
            yield records[start : start + _CHUNK]

    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in records._files]
    asked = json.dumps([files, records.shape, records._places[:, :2].tolist()])
    return read_or_decode(
        batches,
        records.shape,
        data=folder,
        file=f"records-{hashlib.sha256(asked.encode()).hexdigest()[:24]}.npy",
        in_memory=np.prod(records.shape, dtype=np.int64) <= _IN_MEMORY_BYTES,
    )
