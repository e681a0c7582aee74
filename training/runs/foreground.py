"""Bits over the dimensions that are not background, of images that have one."""

import numpy as np

from tfp_lcma.training.data import Split
from tfp_lcma.training.runs.clustered import clustered_error


def foreground_bits(bits: np.ndarray, split: Split) -> dict | None:
    """Returns all bits of the images over the number of their dimensions that are not background.

    An image is where its background lies and what the other intensities are, so by the chain rule
    its bits are those of the first plus those of the second given the first. A flow's density does
    not factorise over pixels, and no share of its bits is that of the background; but the
    background costs no less than nothing. What is returned is therefore an upper bound on the bits
    of the other dimensions given where the background lies, in which the background is counted as
    what it costs. For the same images it is the bits per dimension over the foreground's share.

    Args:
        bits: bits per dimension of every image, `[images]`.
        split: the images.

    Returns:
        `bits_per_dimension`, `standard_error` (of a ratio of sums, over clusters where images come
        in clusters; None of a single one) and `share`, of dimensions that are not background; None
        if the images have no background, or nothing else.
    """
    if split.background is None:
        return None
    shown = (split.images != split.background).any(axis=-1).mean(axis=(1, 2))
    share = float(shown.mean())
    if not share:
        return None
    ratio = float(bits.mean(dtype=np.float64)) / share
    # To first order, the error of a ratio of means is that of the mean of these, over the share.
    error = clustered_error(bits - ratio * shown, split.clusters)
    return {
        "bits_per_dimension": ratio,
        "standard_error": None if error is None else error / share,
        "share": share,
    }
