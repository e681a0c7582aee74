"""Scores of ordinary and of foreign images, and maps of what is foreign in one."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from tfp_lcma.training.reports.pictures.canvas import (
    check_intensities,
    check_shape,
    enlarge,
    new_figure,
    save_figure,
    to_bytes,
    to_rgb,
)
from tfp_lcma.training.reports.pictures.grids import tile


def save_labelled_rows(
    path: str | os.PathLike, rows: Mapping[str, np.ndarray], *, bins: int = 256
) -> None:
    """Writes one row of images a name.

    Args:
        path: PNG file to write.
        rows: by name, integers 0..bins-1, [n, H, W, C], gray or RGB, all of one size.
        bins: number of intensities.

    Raises:
        ValueError: there is no row, or a shape, a type or a value is not as described.
    """
    if not rows:
        raise ValueError("rows must hold at least one row; got none")
    for name, images in rows.items():
        check_intensities(name, check_shape(name, images, "n H W C"), bins)
    longest = max(len(images) for images in rows.values())
    size = next(iter(rows.values())).shape[1:3]
    cell = 0.42
    figure = new_figure(longest * cell + 2.2, len(rows) * (cell * size[0] / size[1] + 0.05))
    for axes, (name, images) in zip(
        figure.subplots(len(rows), 1, squeeze=False).ravel(), rows.items(), strict=True
    ):
        picture = tile(enlarge(to_bytes(images, bins)), longest, padding=4)
        axes.imshow(to_rgb(picture), interpolation="nearest", aspect="equal")
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
        axes.set(xticks=[], yticks=[], frame_on=False)
    save_figure(path, figure)


def save_score_histograms(
    path: str | os.PathLike,
    inliers: Mapping[str, np.ndarray],
    outliers: Mapping[str, Mapping[str, np.ndarray]],
    titles: Mapping[tuple[str, str], str],
) -> None:
    """Draws how scores are distributed, a row for every set of outliers, a column a score.

    Every panel reaches from the 0.5th to the 99.5th percentile of what is in it; scores beyond
    are counted in its outermost bars.

    Args:
        path: PNG file to write.
        inliers: by the name of a score, finite [m].
        outliers: by the name of a set, the same scores, finite [n].
        titles: by set and score, the line above a panel.

    Raises:
        ValueError: there are no outliers, a score is missing or not finite.
    """
    if not outliers or not inliers:
        raise ValueError("there must be scores of inliers and of outliers; got none")
    figure = new_figure(3.0 * len(inliers), 1.55 * len(outliers) + 0.4)
    panels = figure.subplots(len(outliers), len(inliers), squeeze=False)
    first = next(iter(outliers))
    for row, (name, scores) in zip(panels, outliers.items(), strict=True):
        for axes, (score, own) in zip(row, inliers.items(), strict=True):
            both = np.concatenate([own, scores[score]])
            if not np.isfinite(both).all():
                raise ValueError(f"{score} of {name} must be finite; got NaN or infinity")
            low, high = np.percentile(both, [0.5, 99.5])
            low, high = (low, high) if low < high else (low - 0.5, high + 0.5)
            for values, style in (
                (own, {"histtype": "stepfilled", "color": "0.75", "label": "test images"}),
                (scores[score], {"histtype": "step", "color": "C3", "label": "outliers"}),
            ):
                # Shares, so that sets of different sizes can be compared.
                weights = np.full(len(values), 1 / len(values))
                axes.hist(
                    np.clip(values, low, high), 40, range=(low, high), weights=weights, **style
                )
            heading = f"{score}\n" if name == first else ""
            axes.set_title(heading + titles[name, score], fontsize=7.5)
            axes.set(yticks=[])
            axes.tick_params(labelsize=7)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=8)
    for axes, score in zip(panels[-1], inliers, strict=True):
        axes.set_xlabel(f"{score} (higher: more anomalous)", fontsize=7.5)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    save_figure(path, figure)


def save_patch_maps(
    path: str | os.PathLike,
    images: np.ndarray,
    masks: np.ndarray,
    maps: Mapping[str, np.ndarray],
    labels: Sequence[str],
    titles: Mapping[str, Sequence[str]],
    bins: int = 256,
) -> None:
    """Draws images with a foreign patch above their maps; a frame shows where the patch is.

    Every map has a colour scale of its own, from its 1st to its 99th percentile, which stand below
    it; bright is anomalous.

    Args:
        path: PNG file to write.
        images: integers 0..bins-1, [n, H, W, C], gray or RGB.
        masks: bool [n, H, W], true in a rectangle.
        maps: by name, finite [n, H, W], in nats per pixel.
        labels: one line above every image, n of them.
        titles: by the name of a map, what is said below every panel, n of them.
        bins: number of intensities.

    Raises:
        ValueError: a shape, a type or a value is not as described.
    """
    images = check_shape("images", images, "n H W C")
    check_intensities("images", images, bins)
    for name, values in {"masks": masks, **maps}.items():
        if values.shape != images.shape[:3]:
            raise ValueError(
                f"{name} must have shape {list(images.shape[:3])}; got {list(values.shape)}"
            )
    n, height, width = images.shape[:3]
    figure = new_figure(1.3 * n + 2.0, (len(maps) + 1) * (1.3 * height / width + 0.3))
    panels = figure.subplots(len(maps) + 1, n, squeeze=False)
    shown = to_rgb(to_bytes(images, bins))
    for column in range(n):
        panels[0, column].imshow(shown[column], interpolation="nearest")
        panels[0, column].set_title(labels[column], fontsize=7)
        for row, (name, values) in enumerate(maps.items(), start=1):
            low, high = np.percentile(values[column], [1, 99])
            panels[row, column].imshow(
                values[column], cmap="magma", vmin=low, vmax=high, interpolation="nearest"
            )
            said = f"{titles[name][column]}\n{low:.3g} to {high:.3g} nats"
            panels[row, column].set_xlabel(said, fontsize=7)
        for axes in panels[:, column]:
            axes.add_patch(_frame(masks[column]))
            axes.set(xticks=[], yticks=[])
    for row, name in enumerate(["image", *maps]):
        panels[row, 0].set_ylabel(name.replace(", ", ",\n"), fontsize=7)
    if maps:
        scale = ScalarMappable(Normalize(0, 1), "magma")
        bar = figure.colorbar(scale, ax=panels[1:], ticks=[0, 1], aspect=40)
        ends = ["1st percentile\nof the map", "99th percentile:\nanomalous"]
        bar.set_ticklabels(ends, fontsize=7)
        # Beside the bar, between the words at its ends.
        bar.set_label("nats per pixel", fontsize=8, labelpad=-40)
    save_figure(path, figure)


def _frame(mask: np.ndarray) -> Rectangle:
    """Returns the outline of a rectangle of true pixels."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return Rectangle(
        (columns[0] - 0.5, rows[0] - 0.5),
        len(columns),
        len(rows),
        fill=False,
        edgecolor="cyan",
        linewidth=1.5,
    )
