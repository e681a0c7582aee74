"""The linear predictor by a 3x3 convolution that a Gaussian exit starts from."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Added to the squares' diagonal, as a share of its mean: inputs may be constant, or repeat others.
_RIDGE = 1e-6
# With fewer rows than this for each input, a predictor would fit those rows and no others.
_ROWS_PER_INPUT = 2
# Images whose patches are there at once.
_IMAGES = 64


class Predictor(NamedTuple):
    """`target ~ N(conv3x3(kept; kernel) + bias, deviation^2)`.

    Attributes:
        kernel: `[3, 3, inputs, channels]`.
        bias: `[channels]`.
        deviation: Of every channel's residual, `[channels]`.
    """

    kernel: np.ndarray
    bias: np.ndarray
    deviation: np.ndarray


def predictor(kept: np.ndarray, target: np.ndarray) -> Predictor:
    """Returns the least-squares predictor of images from the 3x3 neighbourhood in others.

    Beyond the border are zeros, as for a convolution with padding "same". The residual's variance
    is its sum of squares by the number of rows less that of the inputs. With few rows, less than
    two for every input, the kernel is zero: mean and deviation are those of the target.

    Args:
        kept: `[batch, height, width, inputs]`.
        target: `[batch, height, width, channels]`.
    """
    inputs, channels = 9 * kept.shape[-1] + 1, target.shape[-1]
    rows = target.size // channels
    if rows < _ROWS_PER_INPUT * inputs:
        mean, deviation = channel_moments(target)
        return Predictor(np.zeros((3, 3, kept.shape[-1], channels)), mean, deviation)
    squares, products = np.zeros((inputs, inputs)), np.zeros((inputs, channels))
    for x, y in _rows(kept, target):
        squares += x.T @ x
        products += x.T @ y
    ridge = _RIDGE * np.trace(squares) / inputs
    weights = np.linalg.solve(squares + ridge * np.eye(inputs), products)
    residual = sum(np.sum((y - x @ weights) ** 2, axis=0) for x, y in _rows(kept, target))
    kernel = weights[:-1].reshape(3, 3, kept.shape[-1], channels)
    return Predictor(kernel, weights[-1], np.sqrt(residual / (rows - inputs)))


def channel_moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the standard deviation of every channel, `[channels]`."""
    axes = (0, 1, 2)
    return images.mean(axes, dtype=np.float64), images.std(axes, dtype=np.float64)


def _rows(kept: np.ndarray, target: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields neighbourhoods with a 1 at their end, `[rows, inputs]`, and targets, in pieces."""
    for start in range(0, len(kept), _IMAGES):
        images = slice(start, start + _IMAGES)
        padded = np.pad(kept[images].astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 9 * kept.shape[-1])
        y = target[images].astype(np.float64).reshape(-1, target.shape[-1])
        yield np.concatenate([patches, np.ones((len(patches), 1))], axis=1), y
