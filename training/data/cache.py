"""Prepared images, kept in the user's cache: what was read once is not read again."""

import functools
import hashlib
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from tqdm import tqdm

from tfp_lcma.files import read_bytes, temporary_sibling, within, written_whole
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels

# Another number where `read_pixels` makes other pixels of the same file.
_VERSION = 1
# Nanoseconds within which a file may change twice under one time.
_TICK = 50_000_000
# The state of a file that must be looked into.
_UNKNOWN = (-1, -1, -1)


def cache_folder() -> Path:
    """Returns where prepared data are kept; it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfp_lcma"


class _File(NamedTuple):
    """What is known of a file: its size and times, the digest of its contents, what is wrong."""

    size: int
    modified: int
    changed: int
    digest: str
    fault: str | None


class _Kept(NamedTuple):
    """What was read: every file, and the pixels of the readable ones, in their order."""

    files: dict[str, _File]
    images: np.ndarray

    def rows(self) -> dict[str, int]:
        """Returns the row of every content that could be read."""
        readable = (file.digest for file in self.files.values() if file.fault is None)
        return {digest: row for row, digest in enumerate(readable) if digest}

    def result(self) -> tuple[np.ndarray, dict[str, str]]:
        """Returns the pixels, and the faults by the names of the files."""
        faults = {name: file.fault for name, file in self.files.items() if file.fault is not None}
        return self.images, faults


def read_folder(
    folder: Path | str, names: Sequence[str], settings: PixelSettings, request: str = ""
) -> tuple[np.ndarray, dict[str, str]]:
    """Returns the pixels of files, and what is wrong with those that cannot be read.

    They are kept below `cache_folder()` and memory-mapped, so that a folder may be larger than
    memory. A file is known by the digest of its contents, and its contents by size and times: a
    second call reads none, and of a folder that has changed only what is new. Where nothing can
    be kept, images are in memory.

    What takes longer than two seconds shows how far it is.

    Args:
        folder: Of the files; text like `gs://bucket/folder` if it is in another file system.
        names: Relative to it, in the order of the result.
        settings: What is made of a file.
        request: Tells apart calls for the same folder and settings whose results are kept side
            by side.

    Returns:
        uint8 `[n, height, width, channels]`, rows for readable files only; and the fault of each
        other one.
    """
    place = str(folder.resolve()) if isinstance(folder, Path) else folder
    asked = [place, settings.to_config(), request, _VERSION, PIL.__version__]
    slot = cache_folder() / "images" / f"{_digest(asked)}.json"
    kept = _load(slot, settings)
    if list(kept.files) == list(names) and all(
        _UNKNOWN != _state(within(folder, name)) == file[:3] for name, file in kept.files.items()
    ):
        return kept.result()
    files: dict[str, _File] = {}
    read = functools.partial(_read, folder, names, settings, kept, files)
    try:
        return _keep(slot, settings, files, read()).result()
    except OSError as error:
        warnings.warn(f"images are not kept for the next time: {error}", stacklevel=2)
        images = np.array(list(read()), np.uint8)
        return _Kept(files, images.reshape(-1, *_shape(settings))).result()


def _read(
    folder: Path | str,
    names: Sequence[str],
    settings: PixelSettings,
    kept: _Kept,
    files: dict[str, _File],
) -> Iterator[np.ndarray]:
    """Yields the pixels of every readable file, and writes down what is known of each."""
    rows, start = kept.rows(), time.time_ns()

    def read(name: str) -> tuple[_File, np.ndarray | None]:
        path = within(folder, name)
        state = _state(path)
        known = kept.files.get(name)
        if known is not None and known[:3] == state != _UNKNOWN:
            digest = known.digest
        else:
            digest = _contents(path)
        fault, pixels, lasting = None, None, True
        if digest in rows:
            pixels = kept.images[rows[digest]]
        else:
            try:
                pixels = _pixels(path, settings)
            except UnreadableImageError as error:
                fault, cause = error.reason, error.__cause__
                # The machine's fault, not the file's.
                lasting = not (isinstance(cause, MemoryError) or getattr(cause, "errno", None))
        # A file of this moment may still change within its time.
        if not lasting or max(state[1:]) > start - _TICK:
            state = _UNKNOWN
        return _File(*state, digest, fault), pixels

    # Pillow decodes and resizes without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(read, names)
        # In a file, a line now and then.
        every = 0.1 if sys.stderr.isatty() else 30
        progress = tqdm(results, "Reading images", len(names), mininterval=every, delay=2)
        for name, (file, pixels) in zip(names, progress, strict=True):
            files[name] = file
            if pixels is not None:
                yield pixels


def _keep(
    slot: Path, settings: PixelSettings, files: dict[str, _File], images: Iterable[np.ndarray]
) -> _Kept:
    """Writes what is read into the cache.

    Raises:
        OSError: If it cannot be written.
    """
    with temporary_sibling(slot) as temporary:
        with open(temporary, "wb") as file:
            for pixels in images:
                file.write(pixels.tobytes())
        # Another process may hold the pixels that were there.
        array = slot.with_name(f"{slot.stem}-{_digest([f.digest for f in files.values()])}.pixels")
        os.replace(temporary, array)
    with written_whole(slot) as description:
        description.write_text(json.dumps({"pixels": array.name, "files": files}))
    for earlier in slot.parent.glob(f"{slot.stem}-*.pixels"):
        if earlier != array:
            earlier.unlink(missing_ok=True)
    return _load(slot, settings)


def _load(slot: Path, settings: PixelSettings) -> _Kept:
    """Returns what an earlier call left; nothing if there is none, or it is damaged."""
    try:
        kept = json.loads(slot.read_text())
        files = {name: _File(*values) for name, values in kept["files"].items()}
        count = sum(file.fault is None for file in files.values())
        pixels = np.empty(0, np.uint8)
        if count:
            size = count * math.prod(_shape(settings))
            pixels = np.memmap(slot.with_name(kept["pixels"]), np.uint8, "r", shape=size)
        return _Kept(files, pixels.reshape(-1, *_shape(settings)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return _Kept({}, np.empty((0, *_shape(settings)), np.uint8))


def _state(path: Path | str) -> tuple[int, int, int]:
    """Returns a file's size and times."""
    if isinstance(path, Path):
        try:
            found = path.stat()
        except OSError:
            return _UNKNOWN
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns
    import tensorflow as tf

    try:
        found = tf.io.gfile.stat(path)
    except tf.errors.OpError:
        return _UNKNOWN
    times = (found.mtime_nsec, found.mtime_nsec)
    return (found.length, *times) if found.mtime_nsec else _UNKNOWN


def _contents(path: Path | str) -> str:
    """Returns the digest of a file's contents; none if it has none that can be read."""
    try:
        if not isinstance(path, Path):
            return hashlib.sha256(read_bytes(path)).hexdigest()
        # Opening a pipe would wait for its other end.
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return ""


def _pixels(path: Path | str, settings: PixelSettings) -> np.ndarray:
    if isinstance(path, Path):
        return read_pixels(path, settings)
    try:
        contents = read_bytes(path)
    except OSError as error:
        raise UnreadableImageError(f"image {path!r}", str(error)) from error
    return read_pixels(contents, settings)


def _shape(settings: PixelSettings) -> tuple[int, int, int]:
    return settings.height, settings.width, settings.channels


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
