"""Samples beside the training images that are most like them: has a flow learned by heart?"""

from pathlib import Path

import numpy as np

import tfp_lcma as lcma
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.reports import pictures

_COLUMNS, _ROWS = 10, 4
# Training images that are compared at a time.
_CHUNK = 4096


def draw_neighbours(
    path: Path, model: lcma.FlowModel, dataset: Dataset, temperature: float
) -> dict[str, float]:
    """Writes a picture of samples, not chosen, below each the training image nearest to it.

    Args:
        path: PNG file to write.
        model: a trained model; of one with classes, a column a class.
        dataset: its images.
        temperature: of the samples.

    Returns:
        Medians of the distance to the nearest training image, of `samples` and of as many
        `validation_images`: root mean squares over an image's dimensions, in intensities. A flow
        that had learned its images by heart would have samples much nearer than validation images.
    """
    count = _COLUMNS * _ROWS
    condition = np.arange(count) % model.conditions if isinstance(model.conditions, int) else None
    drawn = model.sample(count, condition, seed=0, temperature=temperature)
    samples = np.clip(np.floor(drawn), 0, model.bins - 1).astype(np.uint8)
    train = dataset.train.images
    which, of_samples = nearest(samples, train)
    _, of_validation = nearest(dataset.validation.images[:count], train)
    pictures.save_image_pairs(
        path,
        samples,
        train[which],
        columns=_COLUMNS,
        bins=model.bins,
        title=f"samples at temperature {temperature:g}; below each its nearest training image",
    )
    return {
        "samples": float(np.median(of_samples)),
        "validation_images": float(np.median(of_validation)),
    }


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
