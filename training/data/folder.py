"""The user's own images: any folder, any size, any of the usual formats."""

import hashlib
import os
from pathlib import Path

import numpy as np
from tfp_lcma.training.data.pixels import PixelSettings, read_pixels
from tfp_lcma.training.data.split import Dataset, Split

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def load_folder(
    images: str | os.PathLike, image_size: int, *, seed: int = 0, limit: int | None = None
) -> Dataset:
    """Returns the images below a folder as RGB squares: 80% train, 10% validation, 10% test.

    The shorter side is resized to `image_size` and the middle of the longer side is kept. The
    order in which files go to the three sides is that of a hash of their relative paths, so it
    does not depend on the machine. Files that show the same scene may end on different sides.

    Args:
        images: folder, searched recursively for files ending in `SUFFIXES`; hidden files are
            passed over. Of an animation, the first frame is taken.
        image_size: side of the square in pixels.
        seed: part of the hash: another number is another split.
        limit: keeps, and decodes, at most this many images on each side.

    Returns:
        The data set, uint8 [n, image_size, image_size, 3] in memory, 256 intensities.

    Raises:
        ValueError: the folder is missing or holds fewer than 3 images, or a file is unreadable.
    """
    folder = Path(images).expanduser()
    if not folder.is_dir():
        raise ValueError(f"images must be a folder; {str(folder)!r} is none")
    names = sorted(
        (path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_image(path)),
        key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest(),
    )
    if len(names) < 3:
        raise ValueError(
            f"images must hold at least 3 files ({', '.join(SUFFIXES)}), one for each of train, "
            f"validation and test; found {len(names)} below {str(folder)!r}"
        )
    held_out = max(1, len(names) // 10)
    sides = names[2 * held_out :], names[:held_out], names[held_out : 2 * held_out]
    settings = PixelSettings(image_size, image_size, 3)
    return Dataset("folder", *(_read(folder, side[:limit], settings) for side in sides))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _read(folder: Path, names: list[str], settings: PixelSettings) -> Split:
    return Split(np.stack([read_pixels(folder / name, settings) for name in names]))
