"""Which channels are factored out, what they are like, and how that changed in training."""

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tfp_lcma import ChannelChoices
from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure, to_pixels


def save_channel_choices(path: str | os.PathLike, levels: Sequence[ChannelChoices]) -> None:
    """Draws for every level how often each channel is factored out, its entropy and its score.

    Args:
        path: PNG file to write.
        levels: what was measured, one for every level but the last.

    Raises:
        ValueError: there is no level.
    """
    save_figure(path, _choices_figure(levels))


def draw_channel_choices(levels: Sequence[ChannelChoices]) -> np.ndarray:
    """Returns the same picture as uint8 `[height, width, 3]`."""
    return to_pixels(_choices_figure(levels))


def save_channel_history(
    path: str | os.PathLike, steps: Sequence[int], history: Sequence[ChannelChoices], level: int
) -> None:
    """Draws how a level's entropies moved in training, and which channels left meanwhile.

    Args:
        path: PNG file to write.
        steps: training steps at which it was looked, rising.
        history: what was seen at each of them.
        level: which level that is, from 1, for the title.

    Raises:
        ValueError: there are fewer than two looks, or not one for every step.
    """
    if len(steps) < 2 or len(steps) != len(history):
        raise ValueError(
            f"history must hold one look for each of two steps or more; got {len(history)} for "
            f"{len(steps)}"
        )
    leaving = [look.leaving for look in history if look.leaving is not None]
    mixed = len(leaving) < len(history)
    figure = new_figure(7.0, 2.6 if mixed else 4.6)
    upper, *lower = np.atleast_1d(figure.subplots(1 if mixed else 2, 1, sharex=True))
    upper.plot(steps, [look.leaving_entropy for look in history], "o-", label="factored out")
    upper.plot(steps, [look.staying_entropy for look in history], "o-", label="stay")
    upper.set(ylabel="minus negentropy, nats\n(0: Gaussian)")
    upper.set_title(f"channels before the split of level {level}", fontsize=10)
    upper.grid(alpha=0.3)
    upper.legend(fontsize=8, frameon=False)
    for axes in lower:
        drawn = axes.pcolormesh(
            steps, np.arange(len(leaving[0])), np.stack(leaving, axis=1), vmin=0, vmax=1
        )
        axes.set(ylabel="channel")
        figure.colorbar(drawn, ax=axes, label="share factored out")
    (lower or [upper])[-1].set(xlabel="training step")
    save_figure(path, figure)


def _choices_figure(levels: Sequence[ChannelChoices]) -> Figure:
    if not levels:
        raise ValueError("levels must hold at least one level; got none")
    widths = [len(level.entropies) for level in levels]
    figure = new_figure(2.0 + min(0.12 * sum(widths), 12.0), 3.6)
    panels = figure.subplots(2, len(levels), squeeze=False, sharex="col", width_ratios=widths)
    for number, (level, (upper, lower)) in enumerate(zip(levels, panels.T, strict=True), start=1):
        channels = np.arange(len(level.entropies))
        if level.leaving is not None:
            upper.bar(channels, level.leaving, color="tab:red")
        upper.set(ylim=(0, 1))
        upper.set_title(f"level {number}", fontsize=10)
        for values, mark, label in (
            (level.entropies, "o", "entropy"),
            (level.scores, "x", "score"),
        ):
            if values is not None:
                spread = max(float(np.std(values)), 1e-6)
                lower.plot(channels, (values - np.mean(values)) / spread, mark, label=label, ms=4)
        lower.set(xlabel="channel of the view")
        lower.grid(alpha=0.3)
    panels[0, 0].set_ylabel("share factored out")
    panels[1, 0].set_ylabel("standard deviations\nfrom the mean")
    handles, labels = panels[1, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right lower", fontsize=8, frameon=False)
    return figure
