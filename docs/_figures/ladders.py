"""Draws docs/results/ladder/differences.png, from the rows of two ladders, and prints their table.

usage: python docs/_figures/ladders.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tfp_lcma.training.studies.compare.paired import Difference, paired_difference

RESULTS = Path(__file__).parents[1] / "results" / "ladder"
LADDERS = {
    "photos16_real_nvp": "photographs, RealNVP",
    "fashion_mnist_glow": "Fashion-MNIST, Glow",
}
RUNGS = (700, 2_800, 11_200)
ARMS = {
    "lcma": "LCMA, as published",
    "channel": "the first channels, Glow's own",
    "learned-convolution": "learned 1×1 convolution (control)",
    "whitened": "the same from a whitening on",
    "least-squares-exit": "Gaussian exits from least squares on",
    "whitened-least-squares": "both",
    "karhunen-loeve": "principal axes of a pre-trained flow",
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
    axes.set(title=LADDERS[ladder], xscale="log", xlim=(560, 14_500), ylim=(-0.35, 0.35))
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


def main() -> None:
    """Draws a panel a ladder; prints the table of the longest lengths."""
    figure, panels = plt.subplots(
        1, len(LADDERS), figsize=(10, 4.2), sharey=True, layout="constrained"
    )
    for axes, ladder in zip(panels, LADDERS, strict=True):
        draw(axes, ladder)
    panels[0].set_ylabel("bits/dim more than the checkerboard:\nbelow 0 is better")
    handles, names = panels[0].get_legend_handles_labels()
    more = dict(zip(*panels[1].get_legend_handles_labels()[::-1], strict=True))
    shown = dict(zip(names, handles, strict=True)) | more
    ordered = [name for name in ARMS.values() if name in shown]
    figure.legend([shown[n] for n in ordered], ordered, loc="outside lower center", ncols=3)
    figure.savefig(RESULTS / "differences.png", dpi=110)
    columns = [(x, test) for x in LADDERS for test in (True, False)]
    heads = [f"{LADDERS[x]}{', test' if test else ', validation'}" for x, test in columns]
    print(f"| | {' | '.join(heads)} |\n|---|{'---|' * len(columns)}")
    for arm, name in ARMS.items():
        cells = [cell(difference(x, RUNGS[-1], arm, test)) for x, test in columns]
        print(f"| {name} | {' | '.join(cells)} |".replace("  |", " |"))


if __name__ == "__main__":
    main()
