"""The factorizations that the command line knows, by name."""

from collections.abc import Callable

from tfp_lcma import factorizations as family
from tfp_lcma.factorizations import Factorization, LogDetStatistics

# From statistics of a pre-trained flow.
FROM_STATISTICS: dict[str, Callable[[LogDetStatistics], Factorization]] = {
    "lcma": lambda statistics: family.LikelihoodContribution(statistics),
    "lcma-low": lambda statistics: family.LikelihoodContribution(statistics, keep="low"),
    "lcma-raster": lambda statistics: family.LikelihoodContribution(statistics, order="raster"),
    "lcma-level": lambda statistics: family.LikelihoodContribution(statistics, granularity="level"),
    "lcma-view": lambda statistics: family.LikelihoodContribution(
        statistics, granularity="channel", pooling="view"
    ),
    "lcma-view-position": lambda statistics: family.LikelihoodContribution(
        statistics, pooling="view"
    ),
    "likelihood-gain": lambda statistics: family.LikelihoodGain(statistics),
    "exit-price": lambda statistics: family.ExitPrice(statistics),
    "exit-price-level": lambda statistics: family.ExitPrice(statistics, granularity="level"),
    "karhunen-loeve": lambda statistics: family.KarhunenLoeve(statistics),
    "karhunen-loeve-across": lambda statistics: family.KarhunenLoeve(
        statistics, across_channels=True
    ),
}
# From statistics of a flow that was initialised but never trained: of the images themselves.
FROM_IMAGES: dict[str, Callable[[LogDetStatistics], Factorization]] = {
    "karhunen-loeve-images": lambda statistics: family.KarhunenLoeve(statistics),
}
# Chosen while training, after the given number of steps.
ONLINE: dict[str, Callable[[int, int], Factorization]] = {
    "online-lcma": lambda decide_at, seed: family.OnlineLikelihoodContribution(
        (decide_at,), seed=seed
    ),
    "online-exit-price-level": lambda decide_at, seed: family.OnlineLikelihoodContribution(
        (decide_at,), "exit_price", seed, granularity="level"
    ),
}
# Looking at no data; some are drawn by the seed.
FIXED: dict[str, Callable[[int], Factorization | None]] = {
    "checkerboard": lambda seed: family.Checkerboard(),
    "complement": lambda seed: family.ComplementCheckerboard(),
    "channel": lambda seed: family.Channel(),
    "random": family.Random,
    "random-channels": family.RandomChannels,
    "random-in-block": family.RandomInBlock,
    "haar": lambda seed: family.Haar(),
    "learned-convolution": lambda seed: family.LearnedConvolution(),
    "entropy-informed": lambda seed: family.EntropyInformed(),
    "entropy-informed-frozen": lambda seed: family.EntropyInformed("frozen"),
    "entropy-informed-coupling": lambda seed: family.EntropyInformed("coupling"),
    "none": lambda seed: None,
}
NAMES = (*FROM_STATISTICS, *FROM_IMAGES, *ONLINE, *FIXED)


def build(
    name: str, *, steps: int, seed: int, statistics: LogDetStatistics | None = None
) -> Factorization | None:
    """Returns the factorization of a name.

    Args:
        name: one of `NAMES`.
        steps: of the training; a third of them go before a choice made while training.
        seed: of what is drawn.
        statistics: for those of `FROM_STATISTICS` and `FROM_IMAGES`.
    """
    if name in FROM_STATISTICS or name in FROM_IMAGES:
        return (FROM_STATISTICS | FROM_IMAGES)[name](statistics)
    if name in ONLINE:
        # A third of the training to measure by, two thirds to make use of it.
        return ONLINE[name](max(steps // 3, 1), seed)
    return FIXED[name](seed)
