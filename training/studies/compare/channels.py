"""How Gaussian what is factored out becomes in training, and which channels that are, by arm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfp_lcma.training.reports import pictures
from tfp_lcma.training.reports.document import Picture, Table
from tfp_lcma.training.reports.tables import NOTHING
from tfp_lcma.training.runs.channel_log import from_json
from tfp_lcma.training.studies.compare import tables
from tfp_lcma.training.studies.compare.paired import mean_of
from tfp_lcma.training.studies.compare.summary import Summary

ON_ENTROPIES = (
    "Minus the negentropy (by skewness and kurtosis) of each channel that is factored out or "
    "stays, nats, mean over channels, 512 validation images and seeds: 0 is a Gaussian, lower is "
    "further from one. The rise is the last look less the first, with its standard error over "
    "seeds. The share is that of images, over channels, in which a channel does other than in "
    "most images."
)


def entropies_table(summaries: Sequence[Summary]) -> Table:
    """Returns one row an arm, whose channels were followed, and level."""
    rows = []
    for summary in summaries:
        runs = [looks for looks in map(_looks, summary.runs.values()) if looks]
        for level in range(min((len(looks[-1][1]) for looks in runs), default=0)):
            first, last = ([looks[i][1][level] for looks in runs] for i in (0, -1))
            rise = mean_of(
                after.leaving_entropy - before.leaving_entropy
                for before, after in zip(first, last, strict=True)
            )
            steps = sorted({looks[0][0] for looks in runs})
            rows.append(
                [
                    summary.name,
                    str(level + 1),
                    _mean(look.leaving_entropy for look in first),
                    _mean(look.leaving_entropy for look in last),
                    tables.signed(rise),
                    _mean(look.staying_entropy for look in last),
                    _minority(last),
                    ", ".join(map(str, steps)),
                ]
            )
    rows.sort(key=lambda row: row[1])
    heads = [
        "arm", "level", "factored out, first look", "factored out, last look", "rise",
        "staying, last look", "share of images that differ", "first look after step",
    ]  # fmt: skip
    return Table(heads, rows)


def draw_channels(report: Path, summaries: Sequence[Summary]) -> list[Picture]:
    """Draws, of every arm's first seed, which channels are factored out and how that changed."""
    drawn = []
    for summary in summaries:
        if not summary.runs:
            continue
        seed = min(summary.runs)
        looks = _looks(summary.runs[seed])
        if not looks or not looks[-1][1]:
            continue
        name = f"{summary.name}-channels.png"
        pictures.save_channel_choices(report / name, looks[-1][1])
        which = f"{summary.name}, seed {seed}"
        caption = f"Which channels are factored out, in how many images: {which}."
        drawn.append(Picture(name, caption, "chart"))
        if len(looks) > 1 and summary.arm.online:
            name = f"{summary.name}-channels-history.png"
            steps, history = zip(*((step, levels[0]) for step, levels in looks), strict=True)
            pictures.save_channel_history(report / name, steps, history, 1)
            caption = f"The first split in the course of training: {summary.name}."
            drawn.append(Picture(name, caption))
    return drawn


def _looks(run):
    """Returns pairs of a step and what was seen after it; none if it was not looked at."""
    looks = [[from_json(level) for level in look] for look in run.get("channels") or []]
    steps = [row["step"] for row in run["history"]]
    return list(zip(steps, looks, strict=True)) if looks else []


def _minority(looks):
    if any(look.leaving is None for look in looks):
        return NOTHING
    shares = np.concatenate([look.leaving for look in looks])
    return f"{np.minimum(shares, 1 - shares).mean():.1%}"


def _mean(values):
    return f"{mean_of(values).mean:.4f}"
