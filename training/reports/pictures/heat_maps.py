"""One image beside a map of its pixels."""

import os

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.pictures.canvas import check_shape, enlarge, to_bytes, to_rgb

_SIDE = 128
# Pixels: what lies between the parts, the bar of colours, and what is written beside it.
_GAP, _BAR, _TEXT = 8, 12, 64


def save_heat_map(
    path: str | os.PathLike, image: np.ndarray, values: np.ndarray, *, bins: int = 256
) -> None:
    """Writes an image and, to its right, a map, bright where values are high, and its scale.

    The colours reach from the map's own 1st to its 99th percentile. Drawn without Matplotlib, of
    which thousands of files would take an hour.

    Args:
        path: PNG file to write.
        image: integers 0..bins-1, [H, W, C], gray or RGB.
        values: finite, nats per pixel, [H, W].
        bins: number of intensities.

    Raises:
        ValueError: a shape is not as described.
    """
    image = check_shape("image", image, "H W C")
    if values.shape != image.shape[:2]:
        raise ValueError(
            f"values must have shape {list(image.shape[:2])}; got {list(values.shape)}"
        )
    low, high = np.percentile(values, [1, 99])
    colours = _magma((values - low) / (high - low or 1))
    pair = [enlarge(part, _SIDE) for part in (to_rgb(to_bytes(image, bins)), colours)]
    scale = _scale(pair[0].shape[0], low, high)
    with written_whole(path) as temporary:
        Image.fromarray(np.concatenate([*pair, scale], axis=1)).save(temporary, "PNG")


def _magma(shares: np.ndarray) -> np.ndarray:
    return matplotlib.colormaps["magma"](np.clip(shares, 0, 1), bytes=True)[..., :3]


def _scale(height: int, low: float, high: float) -> np.ndarray:
    """Returns a bar from the lowest colour to the highest, on white, with numbers and unit."""
    picture = np.full((height, _GAP + _BAR + _TEXT, 3), 255, np.uint8)
    picture[:, _GAP : _GAP + _BAR] = _magma(np.linspace(1, 0, height))[:, None]
    drawn = Image.fromarray(picture)
    pen, font, left = ImageDraw.Draw(drawn), ImageFont.load_default(10), _GAP + _BAR + 5
    for text, y, anchor in (
        (f"{high:.3g}", 1, "lt"),
        ("nats", height / 2 - 1, "ls"),
        ("per pixel", height / 2 + 1, "lt"),
        (f"{low:.3g}", height - 2, "ls"),
    ):
        pen.text((left, y), text, fill="black", font=font, anchor=anchor)
    return np.asarray(drawn)
