"""Draws docs/images/overview.png: what a flow of digits, which comes with the package, can say.

usage: python docs/_figures/overview.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_digits

import tfp_lcma as lcma

PICTURE = Path(__file__).parents[1] / "images" / "overview.png"
ROWS, COLUMNS, SHOWN = 6, 8, 3


def tiled(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns one grey image of many, a light line between them."""
    framed = np.pad(images[..., 0], ((0, 0), (1, 0), (1, 0)), constant_values=images.max() / 2)
    height, width = framed.shape[1:]
    tiles = framed.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    return tiles.reshape(rows * height, columns * width)[1:, 1:]


def main() -> None:
    """Draws samples, log-likelihoods by pixel and the exit map side by side."""
    model = lcma.pretrained.load("digits-lcma")
    samples = model.sample(ROWS * COLUMNS, seed=0, temperature=0.8)
    images = load_digits().images[:SHOWN, ..., None].astype(np.uint8)
    shares = model.event_log_prob(images)[..., 0]

    figure = plt.figure(figsize=(10.4, 3.1), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[1.45, 1.6, 1])

    left.suptitle("samples", fontsize=11)
    axes = left.subplots()
    axes.imshow(tiled(samples, ROWS, COLUMNS), cmap="gray")
    axes.axis("off")

    middle.suptitle("where the log-likelihood comes from", fontsize=11)
    grid = middle.subplots(2, SHOWN)
    for column in range(SHOWN):
        grid[0, column].imshow(images[column, ..., 0], cmap="gray")
        shown = grid[1, column].imshow(shares[column], vmin=-4, vmax=0, cmap="viridis")
        grid[1, column].set_xlabel(f"{shares[column].sum():.0f} nats", fontsize=9)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    middle.colorbar(shown, ax=grid, shrink=0.8, label="nats a pixel", extend="both")

    right.suptitle("where pixels are factored out", fontsize=11)
    axes = right.subplots()
    levels = int(model.flow.exit_map.max()) + 1
    colours = ListedColormap(plt.get_cmap("cividis")(np.linspace(0, 1, levels)))
    drawn = axes.imshow(model.flow.exit_map[..., 0], cmap=colours, vmin=-0.5, vmax=levels - 0.5)
    axes.set(xticks=[], yticks=[])
    bar = right.colorbar(drawn, ax=axes, shrink=0.8, ticks=range(levels))
    bar.set_ticklabels([f"level {level + 1}" for level in range(levels)])
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
