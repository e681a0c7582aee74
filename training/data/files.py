"""Image files below a folder, and many of them to pixels."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
# Images of kinds that are not read; a folder that holds some is told so.
UNREAD_SUFFIXES = (
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".svg"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf"),
)


class Found(NamedTuple):
    """The image files below a folder, relative to it, with / between folders, sorted.

    Attributes:
        images: Files that end in one of `SUFFIXES`.
        passed_over: Files that end in one of `UNREAD_SUFFIXES`.
    """

    images: list[str]
    passed_over: list[str]


def find_images(folder: str | os.PathLike[str]) -> Found:
    """Searches a folder and its subfolders; what is hidden, or linked to as a folder, is left out.

    The order is that of the names in their composed form (NFC), the same on every machine.
    """
    found = Found([], [])
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith(".") or suffix not in SUFFIXES + UNREAD_SUFFIXES:
                continue
            relative = Path(place, name).relative_to(folder).as_posix()
            (found.images if suffix in SUFFIXES else found.passed_over).append(relative)
    for names in found:
        names.sort(key=composed)
    return found


def composed(name: str) -> bytes:
    """Returns a file's name as bytes that are the same however a file system writes accents."""
    # Names that are not UTF-8 reach Python with surrogates.
    return unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")


def read_files(
    files: Iterable[str | os.PathLike[str] | bytes], settings: PixelSettings
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
