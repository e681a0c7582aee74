"""How differences change with the length of training."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure
from tfp_lcma.training.reports.pictures.curves import colors, spread_apart

# Inches, and points.
_WIDTH, _HEIGHT, _LABEL_SIZE = 7.6, 4.2, 9.5
# Of a step of the axis between two lines, so that intervals stand side by side.
_APART = 0.035


class Point(NamedTuple):
    """A mean difference at a number of steps.

    Attributes:
        steps: of training.
        mean: the difference.
        interval: its ends; None if it has none.
        filled: whether its mark is.
    """

    steps: int
    mean: float
    interval: tuple[float, float] | None
    filled: bool


def save_differences(
    path: str | os.PathLike, lines: Mapping[str, Sequence[Point]], *, label: str
) -> None:
    """Draws a line a name over a logarithmic axis of steps, with intervals; zero is drawn too.

    The scale fits the means and intervals of the usual length; one much wider runs out of the
    picture. Names and last values stand at the right, from above in the order of the last values.

    Args:
        path: PNG file to write.
        lines: points by name, in the order of their steps.
        label: of the vertical axis.

    Raises:
        ValueError: there is no line, or one has no point.
    """
    if not lines or not all(lines.values()):
        raise ValueError("lines must hold at least one, each of at least one point; got none")
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.axhline(0.0, color="0.4", linewidth=1.0)
    inks = dict(zip(lines, colors(len(lines)), strict=True))
    for place, (name, points) in enumerate(lines.items()):
        shift = np.exp(_APART * (place - (len(lines) - 1) / 2))
        steps = [point.steps * shift for point in points]
        axes.plot(steps, [point.mean for point in points], color=inks[name], linewidth=1.4)
        for x, point in zip(steps, points, strict=True):
            face = inks[name] if point.filled else "white"
            axes.plot(x, point.mean, "o", color=inks[name], markerfacecolor=face, markersize=5.5)
            if point.interval is not None:
                axes.vlines(x, *point.interval, color=inks[name], linewidth=1.2, alpha=0.75)
    low, high = _limits(lines)
    axes.set_ylim(low, high)
    rungs = sorted({point.steps for points in lines.values() for point in points})
    axes.set_xlim(rungs[0] / 1.35, rungs[-1] * 1.35)
    axes.xaxis.set_major_locator(FixedLocator(rungs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps:,.0f}"))
    axes.set(xlabel="steps of training (logarithmic)", ylabel=label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    ends = {name: points[-1] for name, points in lines.items()}
    order = sorted(ends, key=lambda name: ends[name].mean)
    heights = [float(np.clip((ends[n].mean - low) / (high - low), 0, 1)) for n in order]
    gap = 1.3 * _LABEL_SIZE / 72 / (0.85 * _HEIGHT)
    for name, height in zip(order, spread_apart(heights, gap), strict=True):
        axes.text(
            1.02,
            height,
            f"{name}  {ends[name].mean:+.3f}{_at(ends[name], rungs[-1])}",
            transform=axes.transAxes,
            color=inks[name],
            fontsize=_LABEL_SIZE,
            va="center",
        )
    save_figure(path, figure)


def _at(end: Point, last: int) -> str:
    return "" if end.steps == last else f" at {end.steps:,}"


def _limits(lines) -> tuple[float, float]:
    """Returns limits that hold all means and zero, and of intervals what is not far beyond."""
    points = [point for line in lines.values() for point in line]
    means = [0.0, *(point.mean for point in points)]
    low, high = min(means), max(means)
    intervals = [point.interval for point in points if point.interval is not None]
    halves = [(above - below) / 2 for below, above in intervals] or [0.0]
    beyond = max(0.5 * (high - low), float(np.median(halves))) or 0.05
    ends = [end for interval in intervals for end in interval]
    lowest, highest = min([low, *ends]), max([high, *ends])
    margin = 0.05 * (high - low) or 0.02
    return max(lowest - margin, low - beyond), min(highest + margin, high + beyond)
