"""The area under the ROC curve with its standard error, over images that come in clusters.

#### References

[1]: Elizabeth R. DeLong, David M. DeLong and Daniel L. Clarke-Pearson. Comparing the Areas
     under Two or More Correlated Receiver Operating Characteristic Curves. Biometrics 44, 1988.

[2]: Nancy A. Obuchowski. Nonparametric Analysis of Clustered ROC Curve Data. Biometrics 53, 1997.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


class RocAuc(NamedTuple):
    """An area under a ROC curve.

    Attributes:
        value: share of pairs in which the outlier has the higher score; a tie is half.
        standard_error: of that, over clusters of images. It is 0 where the scores do not
            overlap, which says that it is too small to be seen here, not that it is 0.
    """

    value: float
    standard_error: float


def roc_auc(
    inliers: np.ndarray,
    outliers: np.ndarray,
    inlier_clusters: np.ndarray | None = None,
    outlier_clusters: np.ndarray | None = None,
) -> RocAuc:
    """Returns the area for scores that should be higher for outliers.

    The standard error is DeLong's [1], in the form for clusters [2]: images of one cluster need
    not be independent, and an image and its corrupted version are one.

    Args:
        inliers: scores `[m]`.
        outliers: scores `[n]`.
        inlier_clusters: integers `[m]`; None: every image is one of its own.
        outlier_clusters: integers `[n]`; equal to some of the inliers' where they belong together.

    Raises:
        ValueError: there are no inliers or no outliers, or a score is NaN.
    """
    inliers, outliers = np.asarray(inliers, np.float64), np.asarray(outliers, np.float64)
    if inliers.size == 0 or outliers.size == 0:
        raise ValueError(
            f"there must be inliers and outliers; got {inliers.size} and {outliers.size}."
        )
    if np.isnan(inliers).any() or np.isnan(outliers).any():
        raise ValueError("scores must be numbers; got NaN.")
    m, n = len(inliers), len(outliers)
    ranks = rankdata(np.concatenate([inliers, outliers]))
    # Of every inlier the share of outliers above it, of every outlier that of inliers below it.
    above = 1 - (ranks[:m] - rankdata(inliers)) / n
    below = (ranks[m:] - rankdata(outliers)) / m
    area = float(below.mean())
    first = np.arange(m) if inlier_clusters is None else np.asarray(inlier_clusters)
    second = -1 - np.arange(n) if outlier_clusters is None else np.asarray(outlier_clusters)
    names, member = np.unique(np.concatenate([first, second]), return_inverse=True)
    shares = (
        np.bincount(member[:m], (above - area) / m, minlength=len(names)),
        np.bincount(member[m:], (below - area) / n, minlength=len(names)),
    )
    variance = sum(
        _small_sample(len(np.unique(clusters))) * np.sum(share**2)
        for clusters, share in zip((first, second), shares, strict=True)
    ) + 2 * _small_sample(len(names)) * np.sum(shares[0] * shares[1])
    return RocAuc(area, float(np.sqrt(max(variance, 0.0))))


def _small_sample(clusters: int) -> float:
    """The factor by which a variance over so many clusters is too small."""
    return clusters / max(clusters - 1, 1)
