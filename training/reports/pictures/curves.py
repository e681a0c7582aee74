"""How training went."""

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure

Curve = Sequence[tuple[float, float]]

# Inches, and points.
_WIDTH, _HEIGHT, _LABEL_SIZE = 6.2, 2.9, 9.5
# Points between the baselines of two labels, in sizes of the letters.
_LINE = 1.3
# A line of fewer points shows where it was measured.
_FEW = 30


def save_training_curves(
    path: str | os.PathLike, phases: Mapping[str, Mapping[str, Curve]]
) -> None:
    """Draws bits per dimension over training steps: a panel a phase, a line a name.

    Every line's name and last value stand at its end; lines that are equal share a name. All
    panels have one scale, which fits what happens after the first tenth of every line, so that a
    high start does not flatten what follows. Values that are not finite leave a gap.

    Args:
        path: PNG file to write.
        phases: by title, by name ("training", "validation"), pairs (step, bits per dimension).

    Raises:
        ValueError: there is no curve, or a curve is empty, not made of pairs or without any
            finite value.
    """
    if not phases or not all(phases.values()):
        raise ValueError("every phase must hold at least one curve; got none")
    panels = {title: _distinct(curves) for title, curves in phases.items()}
    # One above the other: a phone shows the whole width.
    figure = new_figure(_WIDTH, _HEIGHT * len(panels) + 0.3)
    column = figure.subplots(len(panels), 1, sharey=True, squeeze=False)[:, 0]
    column[0].set_ylim(*_limits([c for curves in panels.values() for c in curves.values()]))
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    inks = dict(zip(names, colors(len(names)), strict=True))
    for axes, (title, curves) in zip(column, panels.items(), strict=True):
        for name, curve in curves.items():
            marker = "o" if len(curve) < _FEW else None
            axes.plot(curve[:, 0], curve[:, 1], color=inks[name], marker=marker, markersize=5)
        axes.set_xlim(0, 1.03 * max(curve[:, 0].max() for curve in curves.values()) or 1)
        axes.set(xlabel="training step", ylabel="bits per dimension\n(lower is better)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(title, fontsize=10, loc="left")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        _label_ends(axes, curves, inks)
    save_figure(path, figure)


def _distinct(curves: Mapping[str, Curve]) -> dict[str, np.ndarray]:
    """Returns the curves, those that are equal as one with all their names."""
    names: dict[bytes, list[str]] = {}
    points: dict[bytes, np.ndarray] = {}
    for name, curve in curves.items():
        checked = _check_curve(name, curve)
        names.setdefault(checked.tobytes(), []).append(name)
        points[checked.tobytes()] = checked
    return {", ".join(names[key]): points[key] for key in points}


def _check_curve(name: str, curve: Curve) -> np.ndarray:
    points = np.asarray(curve, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"curves[{name!r}] must be pairs (step, bits); got shape {list(points.shape)}"
        )
    if not np.isfinite(points).all(axis=1).any():
        raise ValueError(f"curves[{name!r}] must hold finite values; got none")
    return points


def _limits(curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Returns limits from the lowest point to the highest after a tenth of each curve's steps.

    Where that would leave fewer than three points of a curve to see, all of it is seen.
    """
    low, high = np.inf, -np.inf
    for curve in curves:
        points = curve[np.isfinite(curve).all(axis=1)]
        steps = points[:, 0]
        settled = points[steps >= steps.min() + 0.1 * np.ptp(steps)]
        if len(settled) < 3:
            settled = points
        low, high = min(low, points[:, 1].min()), max(high, settled[:, 1].max())
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin


def colors(count: int) -> list:
    """Returns colours that differ; the darker ones, which can be read as letters, come first."""
    palette = matplotlib.colormaps["tab10" if count <= 10 else "tab20"]
    return [palette(i % palette.N) for i in range(count)]


def _label_ends(axes: Axes, curves: Mapping[str, np.ndarray], inks: Mapping) -> None:
    """Writes each curve's name and last value at its height to the right, no two upon another."""
    low, high = axes.get_ylim()
    ends = {}
    for name, curve in curves.items():
        value = curve[np.isfinite(curve).all(axis=1)][-1, 1]
        ends[name] = (min((value - low) / (high - low), 1.0), value)
    gap = _LINE * _LABEL_SIZE / 72 / (0.8 * _HEIGHT)
    order = sorted(ends, key=lambda name: ends[name][0])
    heights = spread_apart([ends[name][0] for name in order], gap)
    for name, height in zip(order, heights, strict=True):
        axes.text(
            1.02,
            height,
            f"{name}  {ends[name][1]:.3f}",
            transform=axes.transAxes,
            color=inks[name],
            fontsize=_LABEL_SIZE,
            va="center",
        )


def spread_apart(heights: Sequence[float], gap: float) -> np.ndarray:
    """Returns rising heights, moved apart to `gap`, each near to where it was."""
    moved = np.array(heights)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    # What was pushed over the top pushes the others down again.
    moved[-1] = min(moved[-1], max(1.0, heights[-1]))
    for i in range(len(moved) - 2, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap)
    return moved
