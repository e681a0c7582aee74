"""Draws docs/results/ladder/differences.png, from the rows of the ladders, and prints their tables.

usage: python docs/_figures/ladders.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist

from tfp_lcma.training.studies.compare.paired import Difference, paired_difference

RESULTS = Path(__file__).parents[1] / "results" / "ladder"
# The two main comparisons, of six seeds, and those of three.
LADDERS = {
    "photos16_real_nvp": "photographs, RealNVP",
    "fashion_mnist_glow": "Fashion-MNIST, Glow",
    "photos16_glow": "photographs, Glow",
    "fashion_mnist_real_nvp": "Fashion-MNIST, RealNVP",
    "emoji_glow": "emoji, Glow",
}
# Where their panels are, in two rows; their legend is in the first, at the right.
PANELS = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
RUNGS = (700, 2_800, 11_200)
ARMS = {
    "lcma": "LCMA, as published",
    "lcma-channel": "LCMA, one order a channel",
    "exit-price-level": "exit price, one pair a level",
    "channel": "the first channels, Glow's own",
    "learned-convolution": "learned 1×1 convolution (control)",
    "whitened": "the same from a whitening on",
    "least-squares-exit": "Gaussian exits from least squares on",
    "whitened-least-squares": "both",
    "karhunen-loeve": "principal axes of a pre-trained flow",
    "karhunen-loeve-across": "the same across channels",
}


def difference(ladder: str, steps: int, arm: str, test: bool) -> Difference | None:
    """Returns bits/dim less those of the checkerboard, on test or on validation images."""
    file, images = ("test", "test") if test else ("results", "validation")
    path = RESULTS / ladder / str(steps) / f"{file}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    bits, reference = (
        {r["seed"]: r[images]["bits_per_dimension"] for r in rows if r["arm"] == name}
        for name in (arm, "checkerboard")
    )
    return paired_difference(bits, reference)


def draw(axes: plt.Axes, ladder: str) -> None:
    """Draws a line an arm: validation images, hollow, and at the longest length test images."""
    for number, (arm, name) in enumerate(ARMS.items()):
        found = {steps: difference(ladder, steps, arm, steps == RUNGS[-1]) for steps in RUNGS}
        found = {steps: d for steps, d in found.items() if d is not None and d.interval}
        if not found:
            continue
        steps = np.array(list(found)) * 1.05 ** (number - len(ARMS) / 2)
        axes.plot(steps, [d.mean for d in found.values()], color=f"C{number}", label=name)
        for x, (rung, d) in zip(steps, found.items(), strict=True):
            face = f"C{number}" if rung == RUNGS[-1] else "white"
            axes.plot(x, d.mean, "o", color=f"C{number}", markerfacecolor=face)
            axes.vlines(x, *d.interval, color=f"C{number}", alpha=0.7)
    axes.axhline(0, color="black", linewidth=1)
    axes.set(title=LADDERS[ladder], xscale="log", xlim=(500, 16_500))
    axes.set_xticks(RUNGS, [f"{rung:,}" for rung in RUNGS])
    axes.minorticks_off()
    axes.set_xlabel("steps of training (logarithmic)")
    axes.grid(alpha=0.3)


def cell(found: Difference | None) -> str:
    """Returns a difference with its interval; nothing of one that was not measured."""
    if found is None or found.interval is None:
        return ""
    low, high = found.interval
    return f"{found.mean:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


def table(test: bool) -> str:
    """Returns differences at the longest lengths, a line an arm and a column a ladder."""
    images = "test images" if test else "validation images"
    lines = [f"| {images} | {' | '.join(LADDERS.values())} |", f"|---|{'---|' * len(LADDERS)}"]
    for arm, name in ARMS.items():
        cells = [cell(difference(ladder, RUNGS[-1], arm, test)) for ladder in LADDERS]
        lines.append(f"| {name} | {' | '.join(cells)} |".replace("  |", " |"))
    return "\n".join(lines)


def main() -> None:
    """Draws a panel a ladder, each row on a scale of its own; prints the tables."""
    figure, panels = plt.subplots(2, 3, figsize=(12, 8), sharey="row", layout="constrained")
    shown: dict[str, Artist] = {}
    for place, ladder in zip(PANELS, LADDERS, strict=True):
        draw(panels[place], ladder)
        handles, names = panels[place].get_legend_handles_labels()
        shown |= dict(zip(names, handles, strict=True))
    panels[0, 0].set_ylim(-0.4, 0.4)
    for row in panels:
        row[0].set_ylabel("bits/dim more than the checkerboard:\nbelow 0 is better")
    ordered = [name for name in ARMS.values() if name in shown]
    panels[0, 2].axis("off")
    panels[0, 2].legend([shown[name] for name in ordered], ordered, loc="center")
    figure.savefig(RESULTS / "differences.png", dpi=100)
    print(table(test=True), table(test=False), sep="\n\n")


if __name__ == "__main__":
    main()
