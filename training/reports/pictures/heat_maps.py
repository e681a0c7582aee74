"""One image beside a map of its pixels."""

import os

import matplotlib
import numpy as np
from PIL import Image

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.pictures.canvas import check_shape, enlarge, to_bytes, to_rgb

_SIDE = 128


def save_heat_map(
    path: str | os.PathLike, image: np.ndarray, values: np.ndarray, *, bins: int = 256
) -> None:
    """Writes an image and, to its right, a map: bright where values are high.

    The colours reach from the map's own 1st to its 99th percentile.

    Args:
        path: PNG file to write.
        image: integers 0..bins-1, [H, W, C], gray or RGB.
        values: finite [H, W].
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
    shares = np.clip((values - low) / (high - low or 1), 0, 1)
    colours = matplotlib.colormaps["magma"](shares, bytes=True)[..., :3]
    pair = [enlarge(part, _SIDE) for part in (to_rgb(to_bytes(image, bins)), colours)]
    with written_whole(path) as temporary:
        Image.fromarray(np.concatenate(pair, axis=1)).save(temporary, "PNG")
