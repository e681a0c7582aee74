"""Images decoded once: in memory if they are small, else in a memory-mapped .npy file."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.data.cache import cache_folder


def read_or_decode(
    batches: Callable[[], Iterable[np.ndarray]],
    shape: tuple[int, ...],
    *,
    data: Path,
    file: str,
    in_memory: bool,
) -> np.ndarray:
    """Returns all batches as one array.

    Args:
        batches: Yields uint8 arrays [b, ...], together [n, ...]; not called if a file of an
            earlier call is there.
        shape: (n, ...).
        data: Folder of the encoded data. The file goes into the folder `decoded` beside it, or
            into the user's cache folder where that is read-only.
        file: Name of the file; it must tell apart all that can be decoded from `data`.
        in_memory: Neither reads nor writes a file.

    Returns:
        uint8 array of that shape; read-only memory map unless `in_memory`.

    Raises:
        ValueError: If the batches do not fill the shape.
    """
    if in_memory:
        images = np.empty(shape, np.uint8)
        _fill(images, batches())
        return images
    folders = [data.parent / "decoded", _user_folder(data)]
    for folder in folders:
        if (folder / file).exists():
            images = np.load(folder / file, mmap_mode="r")
            if images.shape == shape and images.dtype == np.uint8:
                return images
    path = next(folder for folder in folders if _writable(folder)) / file
    with written_whole(path) as temporary:
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        _fill(images, batches())
        images.flush()
    return np.load(path, mmap_mode="r")


def _fill(images: np.ndarray, batches: Iterable[np.ndarray]) -> None:
    filled = 0
    for batch in batches:
        if batch.shape[1:] != images.shape[1:] or filled + len(batch) > len(images):
            break
        images[filled : filled + len(batch)] = batch
        filled += len(batch)
    else:
        if filled == len(images):
            return
    raise ValueError(
        f"expected {len(images)} images of shape {images.shape[1:]}; "
        "the prepared data holds other ones. Prepare it again."
    )


def _user_folder(data: Path) -> Path:
    # Two copies of one data set must not share a file.
    place = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return cache_folder() / "decoded" / place


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
