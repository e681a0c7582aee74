"""Draws docs/results/splits.png: ten splits against the checkerboard, from the rows of studies.

usage: python docs/_figures/splits.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

RESULTS = Path(__file__).parents[1] / "results"
STUDIES = {"digits": "digits", "fashion_mnist": "Fashion-MNIST", "photos16": "photographs, 16×16"}
ARMS = {
    "lcma": "LCMA, as published",
    "lcma-position-aware": "LCMA, position-aware networks",
    "complement": "the other parity (complement)",
    "random-in-block": "random within blocks",
    "exit-price-level": "exit price, one pair a level",
    "haar": "Haar, mean and horizontal stay",
    "karhunen-loeve": "principal axes of a pre-trained flow",
    "karhunen-loeve-images": "principal axes of the images",
    "karhunen-loeve-across-images": "the same across channels",
    "learned-convolution": "learned 1×1 convolution (control)",
}


def differences(study: str, arm: str) -> np.ndarray:
    """Returns bits/dim less those of the checkerboard, one a seed; empty: not among test images."""
    lines = (RESULTS / study / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    bits = {(row["arm"], row["seed"]): row["test"]["bits_per_dimension"] for row in rows}
    return np.array([bits[a, s] - bits["checkerboard", s] for a, s in bits if a == arm])


def main() -> None:
    """Draws one row an arm, one colour a study."""
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for number, (study, title) in enumerate(STUDIES.items()):
        for row, arm in enumerate(ARMS):
            found = differences(study, arm)
            if len(found):
                error = found.std(ddof=1) / np.sqrt(len(found))
                axes.errorbar(
                    found.mean(), row + 0.22 * (number - 1), xerr=error, fmt="os^"[number],
                    color=f"C{number}", capsize=2, label=title if row == 0 else None,
                )  # fmt: skip
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(ARMS)), ARMS.values())
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(
        "bits/dim more than RealNVP's checkerboard, test images: left of 0 is better\n"
        "(mean and standard error over three or six seeds)"
    )
    axes.legend(loc="lower right")
    figure.savefig(RESULTS / "splits.png", dpi=110)


if __name__ == "__main__":
    main()
