"""Image files below a folder, and many of them to pixels."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tfp_lcma.files import located
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels

ImageFile = str | os.PathLike[str] | bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif")
# Images of kinds that are not read; a folder that holds some is told so.
UNREAD_SUFFIXES = (
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".svg", ".ico", ".tga"),
    *(".ppm", ".pgm", ".exr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)


class Found(NamedTuple):
    """What lies below a folder, relative to it, with / between folders, sorted.

    Attributes:
        images: Files that end in one of `SUFFIXES`.
        passed_over: Files that end in one of `UNREAD_SUFFIXES`, links to folders, and why.
        closed: Folders that cannot be searched, and why.
    """

    images: list[str]
    passed_over: dict[str, str]
    closed: dict[str, str]


def find_images(folder: str | os.PathLike[str]) -> Found:
    """Searches a folder and its subfolders, but for hidden ones and links to folders.

    The order is that of the names in their composed form (NFC), the same on every machine.

    Args:
        folder: A local one, or text like `gs://bucket/folder`.

    Raises:
        OSError: If the folder itself cannot be read.
        ValueError: If TensorFlow knows no such file system.
    """
    found, top = Found([], {}, {}), located(folder, "folder")

    def relative(place: str, name: str = "") -> str:
        return f"{place}/{name}".removeprefix(str(top)).strip("/")

    def note(error: OSError) -> None:
        if not relative(error.filename):
            raise error
        found.closed[relative(error.filename)] = error.strerror or str(error)

    walk = os.walk(top, onerror=note) if isinstance(top, Path) else _walk(top)
    for place, folders, files in walk:
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found.passed_over.update((relative(place, name), "a link to a folder") for name in links)
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                found.images.append(relative(place, name))
            elif suffix in UNREAD_SUFFIXES:
                found.passed_over[relative(place, name)] = "of a kind that is not read"
    passed_over = dict(sorted(found.passed_over.items(), key=lambda item: _order(item[0])))
    return Found(sorted(found.images, key=_order), passed_over, found.closed)


def _order(name: str) -> tuple[bytes, str]:
    return composed(name), name


def _walk(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields what `os.walk` does, of a folder in another file system."""
    import tensorflow as tf

    try:
        for place, folders, files in tf.io.gfile.walk(folder):
            # Object stores mark folders by a slash.
            folders[:] = [name.rstrip("/") for name in folders]
            yield place, folders, files
    except tf.errors.OpError as error:
        raise OSError(f"{folder} cannot be searched: {error.message}") from error


def composed(name: str) -> bytes:
    """Returns a file's name as bytes that are the same however a file system writes accents."""
    # Names that are not UTF-8 reach Python with surrogates.
    return unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")


def read_files(
    files: Iterable[ImageFile], settings: PixelSettings
) -> Iterator[np.ndarray | UnreadableImageError]:
    """Yields the pixels of every file, or what is wrong with it, in their order."""

    def read(file):
        try:
            return read_pixels(file, settings)
        except UnreadableImageError as error:
            return error

    # Pillow decodes and resizes without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(read, files)


def read_all(
    files: Sequence[ImageFile], settings: PixelSettings
) -> tuple[np.ndarray, list[UnreadableImageError]]:
    """Returns all files as one array, and what is wrong with those that cannot be read.

    On a terminal, what takes longer than two seconds shows how far it is.

    Args:
        files: At least one.
        settings: What is made of a file.

    Returns:
        uint8 `[n, height, width, channels]`, with zeros for a file that cannot be read, and the
        faults.
    """
    shape = (len(files), settings.height, settings.width, settings.channels)
    images, faults = np.zeros(shape, np.uint8), []
    pixels = read_files(files, settings)
    progress = tqdm(pixels, "Reading images", len(files), delay=2, disable=None, leave=False)
    for row, result in enumerate(progress):
        if isinstance(result, UnreadableImageError):
            faults.append(result)
        else:
            images[row] = result
    return images, faults
