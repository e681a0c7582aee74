"""Where in an image something happens: exits, log-determinants, likelihoods."""

import os

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tfp_lcma.training.reports.pictures.canvas import (
    check_intensities,
    check_shape,
    enlarge,
    new_figure,
    save_figure,
    to_bytes,
    to_pixels,
    to_rgb,
)

_CHANNELS = {1: ("exit level",), 3: ("red channel", "green channel", "blue channel")}
# Images above their maps that stand side by side.
_COLUMNS = 4


def save_exit_map(
    path: str | os.PathLike,
    exit_map: np.ndarray,
    *,
    background: np.ndarray | None = None,
    levels: int,
) -> None:
    """Draws at which level of a multi-scale flow every dimension is factored out.

    One panel a channel; with a background it is shown, too, and once more under each of the maps.

    Args:
        path: PNG file to write.
        exit_map: integers 0..levels-1, [H, W, C] with C 1 or 3; 0 is factored out first.
        background: average image of the data, floats in 0..1, [H, W, 1 or 3].
        levels: number of levels.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    save_figure(path, _exit_figure(exit_map, background, levels))


def draw_exit_map(exit_map: np.ndarray, *, levels: int) -> np.ndarray:
    """Returns the picture of `save_exit_map`, without a background, as uint8 [height, width, 3]."""
    return to_pixels(_exit_figure(exit_map, None, levels))


def _exit_figure(exit_map: np.ndarray, background: np.ndarray | None, levels: int) -> Figure:
    exit_map = check_shape("exit_map", exit_map, "H W C")
    if levels < 1:
        raise ValueError(f"levels must be at least 1; got {levels}")
    if not np.issubdtype(exit_map.dtype, np.integer):
        raise ValueError(f"exit_map must hold integers; got {exit_map.dtype}")
    if exit_map.min() < 0 or exit_map.max() >= levels:
        raise ValueError(
            f"exit_map must lie in 0..{levels - 1}; got {exit_map.min()}..{exit_map.max()}"
        )
    if background is not None:
        background = _check_background(background, exit_map.shape[:2])
    channels = exit_map.shape[2]
    # Viridis orders the levels, for the colour-blind, too, and has no gray to mistake.
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 1, levels))
    style = {
        "cmap": ListedColormap(colors),
        "norm": BoundaryNorm(np.arange(levels + 1) - 0.5, levels),
        "interpolation": "nearest",
    }
    names = _CHANNELS[channels]
    layers: list[tuple[str, np.ndarray | None, int | None]]
    layers = [(name, None, c) for c, name in enumerate(names)]
    if background is not None:
        layers.append(("average image", background, None))
        layers += [(f"{name} over average image", background, c) for c, name in enumerate(names)]
    columns = min(len(layers), 4 if channels == 3 else 3)
    rows = -(-len(layers) // columns)
    height = 3.2 * exit_map.shape[0] / exit_map.shape[1]
    figure = new_figure(max(3.2 * columns, 4.0), rows * (height + 0.3) + 0.3 + 0.25 * levels)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, below, channel) in zip(panels, layers, strict=False):
        if below is not None:
            axes.imshow(to_rgb(below), interpolation="nearest")
        if channel is not None:
            axes.imshow(exit_map[..., channel], alpha=1 if below is None else 0.5, **style)
        _finish(axes, name)
    for axes in panels[len(layers) :]:
        axes.set_axis_off()
    share = np.bincount(exit_map.ravel(), minlength=levels) / exit_map.size
    handles = [
        Patch(facecolor=color, edgecolor="black", label=_exit_label(level, levels, share[level]))
        for level, color in enumerate(colors)
    ]
    figure.legend(handles=handles, loc="outside lower left", frameon=False)
    return figure


def save_log_det_map(path: str | os.PathLike, log_det: np.ndarray, *, title: str) -> None:
    """Draws a log-determinant pixel by pixel, summed over channels; zero is white.

    Args:
        path: PNG file to write.
        log_det: finite floats in nats, [H, W, C] with any C.
        title: one line above the map.

    Raises:
        ValueError: a shape or a value is not as described.
    """
    save_figure(path, _log_det_figure(log_det, title))


def draw_log_det_map(log_det: np.ndarray, *, title: str) -> np.ndarray:
    """Returns the picture of `save_log_det_map` as uint8 [height, width, 3]."""
    return to_pixels(_log_det_figure(log_det, title))


def _log_det_figure(log_det: np.ndarray, title: str) -> Figure:
    log_det = np.asarray(log_det)
    if log_det.ndim != 3 or 0 in log_det.shape:
        raise ValueError(
            f"log_det must have shape [H, W, C], none of them 0; got {list(log_det.shape)}"
        )
    if not np.isfinite(log_det).all():
        raise ValueError("log_det must be finite; got NaN or infinity")
    pixels = log_det.sum(axis=-1, dtype=np.float64)
    limit = np.abs(pixels).max() or 1.0
    figure = new_figure(5.0, 4.2 * pixels.shape[0] / pixels.shape[1] + 0.5)
    axes = figure.subplots()
    drawn = axes.imshow(pixels, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    _finish(axes, title)
    axes.set_xlabel(f"{pixels.min():.3g} to {pixels.max():.3g}, mean {pixels.mean():.3g} nats")
    channels = "" if log_det.shape[2] == 1 else f", sum of {log_det.shape[2]} channels"
    figure.colorbar(drawn, label=f"log-determinant, nats per pixel{channels}")
    return figure


def save_event_log_prob(
    path: str | os.PathLike, images: np.ndarray, event_log_probs: np.ndarray, bins: int = 256
) -> None:
    """Draws every image above the log-likelihood of its pixels, summed over channels.

    All maps share one colour scale, from the 1st to the 99th percentile of all pixels; what lies
    beyond takes the colour of the end, what is not finite is red.

    Args:
        path: PNG file to write.
        images: integers 0..bins-1, [n, H, W, C], gray or RGB.
        event_log_probs: floats in nats, the same shape.
        bins: number of intensities.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    save_figure(path, _event_log_prob_figure(images, event_log_probs, bins, _COLUMNS))


def draw_event_log_prob(
    images: np.ndarray, event_log_probs: np.ndarray, bins: int = 256, columns: int = _COLUMNS
) -> np.ndarray:
    """Returns `save_event_log_prob`'s picture, `columns` images a row, uint8 [height, width, 3]."""
    return to_pixels(_event_log_prob_figure(images, event_log_probs, bins, columns))


def _event_log_prob_figure(
    images: np.ndarray, event_log_probs: np.ndarray, bins: int, columns: int
) -> Figure:
    images = check_shape("images", images, "n H W C")
    check_intensities("images", images, bins)
    event_log_probs = np.asarray(event_log_probs)
    if event_log_probs.shape != images.shape:
        raise ValueError(
            f"event_log_probs must have the shape of images, {list(images.shape)}; "
            f"got {list(event_log_probs.shape)}"
        )
    pixels = event_log_probs.sum(axis=-1, dtype=np.float64)
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        raise ValueError("event_log_probs must hold finite values; got none")
    low, high = np.percentile(finite, [1, 99])
    if low == high:
        low, high = low - 0.5, high + 0.5
    n, height, width = images.shape[:3]
    columns = min(n, columns)
    rows = 2 * -(-n // columns)
    figure = new_figure(1.9 * columns + 1.2, rows * (1.9 * height / width + 0.15) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    style = {
        "cmap": matplotlib.colormaps["viridis"].with_extremes(bad="red"),
        "vmin": low,
        "vmax": high,
        "interpolation": "nearest",
    }
    for i, image in enumerate(to_rgb(enlarge(to_bytes(images, bins)))):
        row, column = divmod(i, columns)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        upper.imshow(image, interpolation="nearest")
        drawn = lower.imshow(np.ma.masked_invalid(pixels[i]), **style)
        for axes in (upper, lower):
            axes.set_axis_on()
            _finish(axes)
        lower.set_xlabel(f"sum {pixels[i].sum():,.1f} nats", fontsize=8)
        if column == 0:
            upper.set_ylabel("image", fontsize=9)
            lower.set_ylabel("log-likelihood", fontsize=9)
    figure.colorbar(
        drawn,
        ax=panels,
        extend="both",
        extendfrac=0.03,
        aspect=30,
        label="log-likelihood, nats per pixel",
    )
    return figure


def _check_background(background: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    background = check_shape("background", background, "H W C")
    if background.shape[:2] != size:
        raise ValueError(
            f"background must have the height and width of exit_map, {list(size)}; "
            f"got {list(background.shape[:2])}"
        )
    # Written so that NaN fails, too.
    if not (background.min() >= 0 and background.max() <= 1):
        raise ValueError(f"background must lie in 0..1; got {background.min()}..{background.max()}")
    return background


def _exit_label(level: int, levels: int, share: float) -> str:
    last = ", the last" if level == levels - 1 and levels > 1 else ""
    return f"factored out at level {level + 1}{last} ({share:.1%})"


def _finish(axes: Axes, title: str = "") -> None:
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
