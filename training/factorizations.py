"""The factorizations that the command line knows, by name."""

from collections.abc import Callable

from tfp_lcma import factorizations as family
from tfp_lcma.factorizations import Factorization, LogDetStatistics

# From statistics of a pre-trained flow; chosen from data.
FROM_STATISTICS: dict[str, Callable[[LogDetStatistics], Factorization]] = {
    "lcma": lambda statistics: family.LikelihoodContribution(statistics),
    "lcma-low": lambda statistics: family.LikelihoodContribution(statistics, keep="low"),
    "lcma-raster": lambda statistics: family.LikelihoodContribution(statistics, order="raster"),
}
# Looking at no data.
FIXED: dict[str, Callable[[], Factorization | None]] = {
    "checkerboard": family.Checkerboard,
    "channel": family.Channel,
    "none": lambda: None,
}
NAMES = (*FROM_STATISTICS, *FIXED)
