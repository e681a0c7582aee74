"""What LCMA's scores follow: how strongly the pixels' own variance, and the couplings' masks."""

from pathlib import Path

import numpy as np

from tfp_lcma.factorizations import LogDetStatistics, view
from tfp_lcma.training.reports.document import Table

# Sub-positions 0 1 over 2 3: RealNVP's couplings transform 1 and 2 twice, 0 and 3 once.
_TRANSFORMED_TWICE = np.array([0.0, 1.0, 1.0, 0.0])
ON_SCORES = (
    "Rank correlation of LCMA's score at level 1, the mean log-det of a pixel: with the pixel's "
    "variance in the training images, over all pixels and within 2×2 blocks, where the choice is "
    "made; and, within blocks, with how often the couplings' masks let the pixel be transformed. "
    "A rule that keeps high scores keeps what correlates positively."
)


def scores_table(statistics: Path) -> Table:
    """Returns the table, one row a seed that has what it takes.

    Args:
        statistics: folder of the statistics of pre-trainings: `seed-K-plain.npz`, and
            `seed-K-untrained.npz` of the images themselves.
    """
    rows = []
    for path in sorted(statistics.glob("seed-*-plain.npz")):
        of_images = path.with_name(path.name.replace("plain", "untrained"))
        if not of_images.exists():
            continue
        scores = _blocks(LogDetStatistics.load(path).log_det[0])
        variances = _blocks(LogDetStatistics.load(of_images).variance[0])
        followed = (
            rank_correlation(scores.ravel(), variances.ravel()),
            np.mean([rank_correlation(*pair) for pair in zip(scores, variances, strict=True)]),
            np.mean([rank_correlation(block, _TRANSFORMED_TWICE) for block in scores]),
        )
        rows.append([path.name.split("-")[1], *(f"{value:+.2f}" for value in followed)])
    heads = ["seed", "variance, all pixels", "variance, within blocks", "masks, within blocks"]
    return Table(heads, rows)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Returns Spearman's coefficient: of mean ranks, so that ties count for neither side."""
    ranks = [_mean_ranks(values) for values in (one, other)]
    spread = [rank.std() for rank in ranks]
    if not all(spread):
        return 0.0
    return float(
        np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / np.prod(spread)
    )


def _mean_ranks(values):
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def _blocks(image):
    """Returns the pixels of an image block by block and channel by channel, `[blocks, 4]`."""
    return view(image).reshape(-1, 4)
