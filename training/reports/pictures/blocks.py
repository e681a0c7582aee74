"""What happens in the 2x2 blocks of an image: which pixels stay, and what it costs to lose them."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure

_MOST_MAPS = 12


def save_shares(
    path: str | os.PathLike,
    shares: Mapping[str, Sequence[float]],
    categories: Sequence[str],
    *,
    title: str,
) -> None:
    """Draws one horizontal bar a name, divided into the shares of the categories.

    Args:
        path: PNG file to write.
        shares: by name one number >= 0 a category, not all of them 0; drawn as shares of their sum.
        categories: what the parts stand for, in the order of the numbers.
        title: one line above the bars.

    Raises:
        ValueError: there is no bar, or a bar's numbers are not as described.
    """
    if not shares:
        raise ValueError("shares must hold at least one bar; got none")
    bars = {name: np.asarray(values, np.float64) for name, values in shares.items()}
    for name, values in bars.items():
        if values.shape != (len(categories),) or not (values.min() >= 0 and values.sum() > 0):
            raise ValueError(
                f"shares[{name!r}] must be {len(categories)} numbers >= 0, not all 0; "
                f"got {values.tolist()}"
            )
    figure = new_figure(7.0, 1.2 + 0.28 * len(bars))
    axes = figure.subplots()
    ends = np.zeros(len(bars))
    for part, category in enumerate(categories):
        lengths = np.array([values[part] / values.sum() for values in bars.values()])
        # What no bar has is not named; each has its colour all the same.
        label = category if lengths.any() else None
        axes.barh(list(bars), lengths, left=ends, label=label, edgecolor="white", linewidth=0.5)
        ends += lengths
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of blocks")
    axes.set_title(title, fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(categories), frameon=False, fontsize=8)
    save_figure(path, figure)


def save_share_curves(
    path: str | os.PathLike,
    steps: Sequence[int],
    shares: np.ndarray,
    categories: Sequence[str],
    *,
    title: str,
) -> None:
    """Draws how shares change over training steps, stacked upon each other.

    Args:
        path: PNG file to write.
        steps: when they were taken, rising.
        shares: [steps, categories], each row summing to 1.
        categories: what the columns stand for.
        title: one line above the picture.

    Raises:
        ValueError: the shapes do not fit together, or there are fewer than two steps.
    """
    shares = np.asarray(shares, np.float64)
    if len(steps) < 2 or shares.shape != (len(steps), len(categories)):
        raise ValueError(
            f"shares must be [steps, {len(categories)}] at two steps or more; "
            f"got {list(shares.shape)} at {len(steps)}"
        )
    figure = new_figure(7.0, 3.2)
    axes = figure.subplots()
    # What is never there is not named.
    labels = [name if share.any() else "" for name, share in zip(categories, shares.T, strict=True)]
    axes.stackplot(steps, shares.T, labels=labels, edgecolor="white", linewidth=0.5)
    axes.set(xlabel="training step", ylabel="share of blocks", ylim=(0, 1))
    axes.margins(x=0)
    axes.set_title(title, fontsize=10)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    save_figure(path, figure)


def save_block_maps(path: str | os.PathLike, maps: Mapping[str, np.ndarray], *, label: str) -> None:
    """Draws maps of blocks side by side on one colour scale.

    Args:
        path: PNG file to write.
        maps: by title finite floats [h, w], all of one shape, at most 12.
        label: what the colours stand for, with its unit.

    Raises:
        ValueError: there is no map, there are too many, or one is not as described.
    """
    if not 1 <= len(maps) <= _MOST_MAPS:
        raise ValueError(f"maps must hold 1 to {_MOST_MAPS} maps; got {len(maps)}")
    arrays = {name: np.asarray(values, np.float64) for name, values in maps.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or any(array.ndim != 2 or array.size == 0 for array in arrays.values()):
        raise ValueError(f"maps must all have one shape [h, w]; got {sorted(shapes)}")
    low, high = (extreme([a for a in arrays.values()]) for extreme in (np.min, np.max))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("maps must be finite; got NaN or infinity")
    columns = min(len(arrays), 4)
    rows = -(-len(arrays) // columns)
    height, width = next(iter(arrays.values())).shape
    figure = new_figure(2.2 * columns + 1.2, rows * (2.2 * height / width + 0.4))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, values) in zip(panels.ravel(), arrays.items(), strict=False):
        drawn = axes.imshow(values, vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(f"{name}\nmean {values.mean():.3g}", fontsize=8)
    for axes in panels.ravel():
        axes.set_axis_off()
    figure.colorbar(drawn, ax=panels, label=label)
    save_figure(path, figure)
