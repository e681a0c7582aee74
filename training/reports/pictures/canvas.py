"""What all pictures share: checked arrays, visible pixels, whole files."""

import io
import os

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tfp_lcma.files import written_whole

# A power of two, so that a width in pixels survives the way through inches.
DPI = 128


def check_shape(name: str, array: np.ndarray, layout: str) -> np.ndarray:
    """Returns the array if it has the axes of the layout, as in "n H W C", none of them empty.

    An axis called C must have 1 or 3 entries, gray or RGB.
    """
    array = np.asarray(array)
    axes = layout.split()
    expected = f"{name} must have shape [{', '.join(axes)}]"
    if array.ndim != len(axes) or 0 in array.shape:
        raise ValueError(f"{expected}, none of them 0; got {list(array.shape)}")
    if "C" in axes and array.shape[axes.index("C")] not in (1, 3):
        raise ValueError(f"{expected} with C 1 (gray) or 3 (RGB); got {list(array.shape)}")
    return array


def check_intensities(name: str, images: np.ndarray, bins: int) -> None:
    """Raises unless the images hold integers 0..bins-1."""
    if not 2 <= bins <= 256:
        raise ValueError(f"bins must be in 2..256; got {bins}")
    if not np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"{name} must hold integers; got {images.dtype}")
    if images.min() < 0 or images.max() >= bins:
        raise ValueError(f"{name} must lie in 0..{bins - 1}; got {images.min()}..{images.max()}")


def to_bytes(images: np.ndarray, bins: int) -> np.ndarray:
    """Stretches intensities 0..bins-1 to uint8 0..255."""
    return np.rint(images * (255 / (bins - 1))).astype(np.uint8)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Repeats the one channel of a gray image [..., 1]; RGB passes as it is."""
    return np.broadcast_to(image, (*image.shape[:-1], 3))


def enlarge(images: np.ndarray, side: int = 64) -> np.ndarray:
    """Repeats pixels of [..., H, W, C] by a whole number until the longer side has `side`."""
    factor = max(1, -(-side // max(images.shape[-3:-1])))
    return images.repeat(factor, axis=-3).repeat(factor, axis=-2)


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure, sizes in inches, that moves what is put into it close together."""
    return Figure(figsize=(width, height), dpi=DPI, layout="compressed")


def save_figure(path: str | os.PathLike, figure: Figure, *, trim: bool = True) -> None:
    """Writes a PNG file, without the empty margins if `trim`."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, bbox_inches="tight" if trim else None)


def to_pixels(figure: Figure) -> np.ndarray:
    """Returns a figure as `save_figure` writes it, uint8 [height, width, 3]."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight")
        return np.asarray(Image.open(file).convert("RGB"))


def save_pixels(path: str | os.PathLike, image: np.ndarray, title: str | None = None) -> None:
    """Writes uint8 [H, W, C] pixel by pixel, below a title if there is one."""
    height, width = image.shape[:2]
    strip = 28 if title else 0
    canvas_width = max(width, 8 * len(title) + 16) if title else width
    figure = Figure(figsize=(canvas_width / DPI, (height + strip) / DPI), dpi=DPI)
    figure.figimage(to_rgb(image), (canvas_width - width) // 2, 0, origin="upper")
    if title:
        middle = 1 - strip / 2 / (height + strip)
        figure.text(0.5, middle, title, ha="center", va="center", fontsize=7.5)
    save_figure(path, figure, trim=False)
