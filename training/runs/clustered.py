"""The standard error of a mean over images that may come in clusters."""

import numpy as np


def clustered_error(values: np.ndarray, clusters: np.ndarray | None) -> float | None:
    """Returns the standard error of the mean: the sandwich estimate over clusters.

    Args:
        values: one an image.
        clusters: which cluster each image is of, like a photograph that it was cut from; None:
            every image is its own.

    Returns:
        The error, with the small-sample factor; None of a single cluster.
    """
    values = np.asarray(values, np.float64)
    if clusters is None:
        clusters = np.arange(len(values))
    _, member = np.unique(clusters, return_inverse=True)
    sums = np.bincount(member, weights=values - values.mean())
    if len(sums) < 2:
        return None
    factor = len(sums) / (len(sums) - 1)
    return float(np.sqrt(factor * np.sum(sums**2)) / len(values))
