"""How training went."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure


def save_training_curves(
    path: str | os.PathLike, curves: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Draws bits per dimension over training steps, one line a name.

    The scale fits what happens after the first tenth of training, so that a high start does not
    flatten everything that follows. Values that are not finite leave a gap.

    Args:
        path: PNG file to write.
        curves: by name ("train", "validation"), pairs (step, bits per dimension).

    Raises:
        ValueError: there is no curve, or a curve is empty, not made of pairs or without any
            finite value.
    """
    if not curves:
        raise ValueError("curves must hold at least one curve; got none")
    points = {name: _check_curve(name, curve) for name, curve in curves.items()}
    figure = new_figure(7.0, 4.2)
    axes = figure.subplots()
    for name, curve in points.items():
        # A line of few points shows where it was measured; a single point shows at all.
        axes.plot(curve[:, 0], curve[:, 1], label=name, marker="o" if len(curve) < 30 else None)
    low, high = _limits(np.concatenate(list(points.values())))
    axes.set_ylim(low, high)
    axes.set(xlabel="training step", ylabel="bits per dimension (lower is better)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    save_figure(path, figure)


def _check_curve(name: str, curve: Sequence[tuple[float, float]]) -> np.ndarray:
    points = np.asarray(curve, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"curves[{name!r}] must be pairs (step, bits); got shape {list(points.shape)}"
        )
    if not np.isfinite(points).all(axis=1).any():
        raise ValueError(f"curves[{name!r}] must hold finite values; got none")
    return points


def _limits(points: np.ndarray) -> tuple[float, float]:
    """Returns limits from the lowest point to the highest after a tenth of the steps.

    Where that would leave fewer than three steps to see, all are seen.
    """
    points = points[np.isfinite(points).all(axis=1)]
    steps = points[:, 0]
    settled = points[steps >= steps.min() + 0.1 * (steps.max() - steps.min())]
    if len(np.unique(settled[:, 0])) < 3:
        settled = points
    low, high = points[:, 1].min(), settled[:, 1].max()
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin
