"""Samples beside the training images that are most like them: has a flow learned by heart?"""

from pathlib import Path

import numpy as np

import tfp_lcma as lcma
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.reports import pictures

_COLUMNS, _ROWS = 10, 4
# Samples whose distances are compared.
_COMPARED = 200
# Training images that are compared at a time.
_CHUNK = 4096


def draw_neighbours(
    path: Path, model: lcma.FlowModel, dataset: Dataset, temperature: float
) -> None:
    """Writes a picture of samples, not chosen, below each the training image nearest to it.

    Args:
        path: PNG file to write.
        model: a trained model; of one with classes, a column a class.
        dataset: its images.
        temperature: of the samples.
    """
    samples = _samples(model, _COLUMNS * _ROWS, temperature)
    train = dataset.train.images
    pictures.save_image_pairs(
        path,
        samples,
        train[nearest(samples, train)[0]],
        columns=_COLUMNS,
        bins=model.bins,
        title=f"samples at temperature {temperature:g}; below each its nearest training image",
    )


def distances(model: lcma.FlowModel, dataset: Dataset, temperature: float) -> dict[str, float]:
    """Compares how near samples are to training images and to validation images.

    A flow that had learned its images by heart would have samples much nearer to the former. Both
    sides are of the same number, or the larger would have the nearer ones.

    Args:
        model: a trained model.
        dataset: its images.
        temperature: of the samples.

    Returns:
        `samples` and `images`, how many of either side; `training` and `validation`, medians over
        samples of the distance to the nearest image of that side: root mean squares over an
        image's dimensions, in intensities.
    """
    samples = _samples(model, _COMPARED, temperature)
    train, validation = dataset.train.images, dataset.validation.images
    count = min(len(train), len(validation))
    random = np.random.default_rng(0)
    found: dict[str, float] = {"samples": len(samples), "images": count}
    for side, images in (("training", train), ("validation", validation)):
        some = images[random.choice(len(images), count, replace=False)]
        found[side] = float(np.median(nearest(samples, some)[1]))
    return found


def _samples(model, count, temperature):
    """Returns samples of seed 0 in whole intensities, of one class after the other."""
    condition = np.arange(count) % model.conditions if isinstance(model.conditions, int) else None
    drawn = model.sample(count, condition, seed=0, temperature=temperature)
    return np.clip(np.floor(drawn), 0, model.bins - 1).astype(np.uint8)


def nearest(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the number of the nearest other image of each image, and its distance.

    Args:
        images: integers `[n, ...]`.
        others: integers `[m, ...]`, of the same shape but for their number.

    Returns:
        int and float, `[n]`; distances are root mean squares over an image's dimensions.
    """
    rows = images.reshape(len(images), -1).astype(np.float64)
    best, which = np.full(len(rows), np.inf), np.zeros(len(rows), int)
    for start in range(0, len(others), _CHUNK):
        some = others[start : start + _CHUNK].reshape(-1, rows.shape[1]).astype(np.float64)
        # Exact: sums of squares of small whole numbers.
        squares = (rows**2).sum(1)[:, np.newaxis] - 2 * rows @ some.T + (some**2).sum(1)
        closest = squares.argmin(axis=1)
        found = squares[np.arange(len(rows)), closest]
        which, best = np.where(found < best, start + closest, which), np.minimum(found, best)
    return which, np.sqrt(best / rows.shape[1])
