"""Images side by side."""

import math
import os

import numpy as np

from tfp_lcma.training.reports.pictures.canvas import (
    check_intensities,
    check_shape,
    enlarge,
    new_figure,
    save_figure,
    save_pixels,
    to_bytes,
    to_rgb,
)


def tile(images: np.ndarray, columns: int | None = None, padding: int = 1) -> np.ndarray:
    """Lays images out in rows, white between them and in empty places.

    Args:
        images: uint8 [n, H, W, C].
        columns: images in a row; None for a grid about as wide as high.
        padding: pixels between neighbours; none around the grid.

    Returns:
        uint8 [rows * (H + padding) - padding, columns * (W + padding) - padding, C].

    Raises:
        ValueError: a shape, a type or a number is not as described.
    """
    images = check_shape("images", images, "n H W C")
    if images.dtype != np.uint8:
        raise ValueError(f"images must be uint8; got {images.dtype}")
    n, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns must be at least 1; got {columns}")
    if padding < 0:
        raise ValueError(f"padding must be at least 0; got {padding}")
    rows = -(-n // columns)
    cells = np.full((rows * columns, height + padding, width + padding, channels), 255, np.uint8)
    cells[:n, :height, :width] = images
    grid = cells.reshape(rows, columns, height + padding, width + padding, channels)
    grid = grid.swapaxes(1, 2).reshape(rows * (height + padding), -1, channels)
    return grid[: grid.shape[0] - padding, : grid.shape[1] - padding]


def save_image_grid(
    path: str | os.PathLike,
    images: np.ndarray,
    *,
    columns: int | None = None,
    bins: int = 256,
    title: str | None = None,
) -> None:
    """Writes images as a grid; small ones are enlarged to 64 pixels, every pixel a square.

    Args:
        path: PNG file to write.
        images: integers 0..bins-1, [n, H, W, C], gray or RGB.
        columns: images in a row; None for a grid about as wide as high.
        bins: number of intensities; bins-1 is shown white.
        title: one line above the grid.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    save_pixels(path, draw_image_grid(images, columns=columns, bins=bins), title)


def draw_image_grid(
    images: np.ndarray, *, columns: int | None = None, bins: int = 256
) -> np.ndarray:
    """Returns the pixels of `save_image_grid`, uint8 [height, width, C]."""
    images = check_shape("images", images, "n H W C")
    check_intensities("images", images, bins)
    return tile(enlarge(to_bytes(images, bins)), columns, padding=2)


def save_image_pairs(
    path: str | os.PathLike,
    images: np.ndarray,
    others: np.ndarray,
    *,
    columns: int | None = None,
    bins: int = 256,
    title: str | None = None,
) -> None:
    """Writes a grid of pairs, of each the second image below the first.

    Args:
        path: PNG file to write.
        images: integers 0..bins-1, [n, H, W, C], gray or RGB.
        others: the same shape and scale.
        columns: pairs in a row; None for a grid about as many wide as high.
        bins: number of intensities.
        title: one line above the grid.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    images = check_shape("images", images, "n H W C")
    others = check_shape("others", others, "n H W C")
    if others.shape != images.shape:
        raise ValueError(
            f"others must have the shape of images, {list(images.shape)}; got {list(others.shape)}"
        )
    for name, each in (("images", images), ("others", others)):
        check_intensities(name, each, bins)
    above, below = (enlarge(to_bytes(each, bins)) for each in (images, others))
    pairs = [tile(np.stack(pair), columns=1, padding=2) for pair in zip(above, below, strict=True)]
    save_pixels(path, tile(np.stack(pairs), columns, padding=10), title)


def save_interpolations(
    path: str | os.PathLike, images: np.ndarray, *, bins: int = 256, title: str | None = None
) -> None:
    """Writes one interpolation a row, from the left end to the right end.

    Args:
        path: PNG file to write.
        images: integers 0..bins-1, [rows, steps, H, W, C], gray or RGB.
        bins: number of intensities.
        title: one line above the rows.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    images = check_shape("images", images, "rows steps H W C")
    flat = images.reshape(-1, *images.shape[2:])
    save_image_grid(path, flat, columns=images.shape[1], bins=bins, title=title)


def save_reconstructions(
    path: str | os.PathLike, originals: np.ndarray, reconstructions: np.ndarray, bins: int = 256
) -> None:
    """Writes three rows: originals, reconstructions, their absolute difference.

    The differences are brightened, by the same factor for all images, until the largest is white;
    the title says how large it is.

    Args:
        path: PNG file to write.
        originals: integers 0..bins-1, [n, H, W, C], gray or RGB.
        reconstructions: the same shape and scale, integers or floats.
        bins: number of intensities.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    originals = check_shape("originals", originals, "n H W C")
    check_intensities("originals", originals, bins)
    reconstructions = np.asarray(reconstructions)
    if reconstructions.shape != originals.shape:
        raise ValueError(
            f"reconstructions must have the shape of originals, {list(originals.shape)}; "
            f"got {list(reconstructions.shape)}"
        )
    if not np.isfinite(reconstructions).all():
        raise ValueError("reconstructions must be finite; got NaN or infinity")
    difference = np.abs(reconstructions.astype(np.float64) - originals)
    largest = difference.max()
    rows = {
        "original": to_bytes(originals, bins),
        "reconstruction": to_bytes(reconstructions.clip(0, bins - 1), bins),
        "difference": np.rint(difference * (255 / largest if largest else 0)).astype(np.uint8),
    }
    n, height, width = originals.shape[:3]
    figure = new_figure(max(1.0 * n, 4.5), 3 * max(1.0 * n, 4.0) / n * height / width + 0.4)
    for axes, (label, images) in zip(figure.subplots(3, 1), rows.items(), strict=True):
        axes.imshow(to_rgb(tile(enlarge(images), n, padding=2)), interpolation="nearest")
        axes.set_ylabel(label)
        axes.set(xticks=[], yticks=[], frame_on=False)
    scale = f", shown {(bins - 1) / largest:.3g} times as bright" if largest else ""
    figure.suptitle(
        f"largest difference {largest:.3g} (intensities 0 to {bins - 1}){scale}", fontsize=9
    )
    save_figure(path, figure)
