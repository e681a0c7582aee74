"""Distances between two sets of feature vectors: FID and KID."""

import numpy as np

_ROWS = 1000


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Returns FID: the squared Fréchet distance of two Gaussians with the features' moments.

    |mean_a - mean_b|² + tr(cov_a) + tr(cov_b) - 2 tr((cov_a cov_b)^½). The last trace is the sum
    of the singular values of R_a R_bᵀ, where cov = RᵀR comes from a QR decomposition of the
    features: no square root of a possibly singular matrix.

    Args:
        features_a: [n, d], n at least 2.
        features_b: [m, d], m at least 2.

    Raises:
        ValueError: the shapes are others, or an entry is not finite.

    #### References
    Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017.
    """
    _check_features(features_a, features_b)
    means: list[np.ndarray] = []
    roots: list[np.ndarray] = []
    for x in (features_a, features_b):
        means.append(x.mean(axis=0))
        # An array already, though NumPy's types know this of no mode.
        roots.append(np.asarray(np.linalg.qr((x - means[-1]) / np.sqrt(len(x) - 1), mode="r")))
    distance = (
        np.sum((means[0] - means[1]) ** 2)
        + np.sum(roots[0] ** 2)
        + np.sum(roots[1] ** 2)
        - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc")
    )
    # Rounding can bring the distance of equal sets below 0.
    return max(float(distance), 0.0)


def kernel_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Returns KID: the unbiased squared MMD with the kernel (x·y/d + 1)³.

    Unbiased: its mean over pairs of sets from one distribution is 0, so it may be negative.

    Args:
        features_a: [n, d], n at least 2.
        features_b: [m, d], m at least 2.

    Raises:
        ValueError: the shapes are others, or an entry is not finite.

    #### References
    Binkowski et al., Demystifying MMD GANs, 2018.
    """
    _check_features(features_a, features_b)
    within = [_kernel_sum(x, x) - _kernel_trace(x) for x in (features_a, features_b)]
    n, m = len(features_a), len(features_b)
    between = _kernel_sum(features_a, features_b) / (n * m)
    return float(within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * between)


def _check_features(features_a: np.ndarray, features_b: np.ndarray) -> None:
    for x in (features_a, features_b):
        if x.ndim != 2 or len(x) < 2 or x.shape[1] != features_a.shape[1]:
            raise ValueError(
                "features must be [n, d] and [m, d], n and m at least 2; "
                f"got {list(features_a.shape)} and {list(features_b.shape)}"
            )
        if not np.isfinite(x).all():
            raise ValueError(f"features must be finite; got {np.sum(~np.isfinite(x))} that are not")


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the sum over all pairs, row block by row block: the matrix may not fit."""
    blocks = (x[start : start + _ROWS] for start in range(0, len(x), _ROWS))
    return sum(float(np.sum((block @ y.T / x.shape[1] + 1) ** 3)) for block in blocks)


def _kernel_trace(x: np.ndarray) -> float:
    return float(np.sum((np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3))
