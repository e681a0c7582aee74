"""Where the records of TFRecord files are, and the classes in them: one pass, kept for the next."""

import hashlib
import json
import mmap
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tfp_lcma.files import written_whole
from tfp_lcma.training.data.cache import cache_folder

# As tensorflow_datasets names its files, and as the converters of ImageNet do.
_SHARD = re.compile(r"(.*?)[-.]?tfrecords?(-\d{5}-of-\d{5})?|(.*?)-\d{5}-of-\d{5}")
# In either's files: the encoded image, and its class.
IMAGE_KEYS, LABEL_KEYS = ("image/encoded", "image"), ("image/class/label", "label")
_GZIP = b"\x1f\x8b"
# A record: its length, that one's checksum, the content, its checksum.
_BEFORE, _AFTER = 12, 4
_PARSED, _NO_LABEL = 1024, -1
# Another number where the same files are indexed otherwise.
_VERSION = 1


class Index(NamedTuple):
    """Records in their order.

    Attributes:
        places: int64 `[n, 3]`: number of the file, where the content starts, its length.
        labels: int64 `[n]`; None if a record has no class.
        image_key: under which the first record has its image.
    """

    places: np.ndarray
    labels: np.ndarray | None
    image_key: str


def record_files(folder: Path) -> dict[str, str]:
    """Returns the TFRecord files in a folder, sorted, and what each is called without its number.

    Args:
        folder: whose files end in `.tfrecord`, `.tfrecord-00000-of-00010` or `-00000-of-00010`.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found = {name: _SHARD.fullmatch(name) for name in names}
    return {name: match[1] or match[3] or "" for name, match in found.items() if match}


def holds_records(folder: Path | str) -> bool:
    """Whether a place is a folder of this machine with TFRecord files in it."""
    return isinstance(folder, Path) and folder.is_dir() and bool(record_files(folder))


def read_index(files: Sequence[Path]) -> Index:
    """Finds the records of files; what was found before of the same files is not sought again.

    What takes longer than two seconds shows how far it is.

    Raises:
        ValueError: A file is compressed or truncated, or its records hold no encoded images.
    """
    known = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    digest = hashlib.sha256(json.dumps([_VERSION, known]).encode()).hexdigest()[:24]
    slot = cache_folder() / "records" / f"{digest}.npz"
    if slot.exists():
        with np.load(slot) as kept:
            return Index(kept["places"], kept.get("labels"), str(kept["image_key"]))
    found = _search(files)
    arrays: dict[str, Any] = {"places": found.places, "image_key": np.array(found.image_key)}
    if found.labels is not None:
        arrays["labels"] = found.labels
    with written_whole(slot) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)
    return found


def _search(files: Sequence[Path]) -> Index:
    import tensorflow as tf

    features = {
        key: tf.io.FixedLenFeature([], tf.int64, default_value=_NO_LABEL) for key in LABEL_KEYS
    }
    places: list[tuple[int, int, int]] = []
    labels: list[np.ndarray] = []
    contents: list[bytes] = []
    image_key = ""

    def parse():
        found = tf.io.parse_example(contents, features)
        labels.append(np.maximum(*(found[key].numpy() for key in LABEL_KEYS)))
        contents.clear()

    progress = tqdm(files, "Looking for records", delay=2, disable=None, leave=False)
    for number, file in enumerate(progress):
        for start, content in _records(file):
            image_key = image_key or _image_key(file, content)
            places.append((number, start, len(content)))
            contents.append(content)
            if len(contents) == _PARSED:
                parse()
    if contents:
        parse()
    classes = np.concatenate([[], *labels]).astype(np.int64)
    return Index(
        np.array(places, np.int64).reshape(-1, 3),
        None if (classes == _NO_LABEL).any() else classes,
        image_key,
    )


def _records(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yields where the content of every record starts, and the content."""
    size = file.stat().st_size
    if not size:
        return
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:2] == _GZIP:
            raise ValueError(
                f"{str(file)!r} must be a TFRecord file without compression; got GZIP."
            )
        position = 0
        while position < size:
            start = position + _BEFORE
            length = struct.unpack_from("<Q", data, position)[0] if start <= size else size
            position = start + length + _AFTER
            if position > size:
                raise ValueError(
                    f"{str(file)!r} must be a TFRecord file; it is truncated, or none: a record "
                    f"ends at byte {position:,} of {size:,}."
                )
            yield start, data[start : start + length]


def _image_key(file: Path, content: bytes) -> str:
    import tensorflow as tf

    try:
        names = tf.train.Example.FromString(content).features.feature
    except ValueError as error:
        raise ValueError(f"{str(file)!r} must hold tf.train.Example; {error}.") from error
    for key in IMAGE_KEYS:
        if key in names:
            return key
    raise ValueError(
        f"{str(file)!r} must hold an encoded image under {' or '.join(map(repr, IMAGE_KEYS))}; "
        f"got {', '.join(map(repr, sorted(names)))}."
    )
