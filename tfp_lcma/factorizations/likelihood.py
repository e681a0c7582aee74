"""LCMA and its nearest relative: what counts most for the log-likelihood stays."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.ranking import BlockRanking, check_choice
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.serialization import register

_SCORES = {
    "cumulative": lambda statistics: statistics.log_det,
    "level": lambda statistics: statistics.level_log_det,
    "scale_invariant": lambda statistics: statistics.exit_log_density,
}


@register
class LikelihoodContribution(BlockRanking):
    """Orders every 2x2 block by log-det: the two highest of four stay, per channel.

    The scores are the log-dets that a flow without a multi-scale split gave each dimension up to
    the end of a level. A deeper level ranks only the dimensions that reached it. Equal scores fall
    back to RealNVP's order, so constant scores reproduce `Checkerboard`.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    scores = np.random.default_rng(0).normal(size=(2, 8, 8, 1))  # a collector's, or your own
    split = lcma.factorizations.LikelihoodContribution(scores)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```

    References:
        Das, Abbeel, Spanos: Likelihood Contribution based Multi-scale Architecture
        for Generative Flows, section 3 and equation 9. The defaults are the
        paper's; the other options, the order inside a half and the rule for ties
        are this package's.
    """

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[LogDetStatistics] | np.ndarray,
        keep: str = "high",
        *,
        granularity: str = "position",
        pooling: str = "block",
        order: str = "rank",
        scores: str = "cumulative",
        centred: bool = False,
        retained: float | int = 0.5,
        patch: int | None = None,
    ):
        """Creates the factorization.

        Args:
            statistics: What a `LogDetCollector` gathered; several of these, whose
                scores are averaged; or the scores alone: an array
                `[levels, height, width, channels]` in nats, in the coordinates of
                the image, which is taken as it is whatever `scores` says.
            keep: "high": the highest scores stay; "low": the halves exchanged.
            granularity: "position": every block by its own scores; "channel": one
                order for all blocks of a channel, by scores averaged over positions;
                "level": one order for the whole level.
            pooling: "block": the two best of four; "pair": the better one of each
                row of the block; "view": the best half of all 4c entries of a block,
                channels ranked against each other, as suits flows that mix them
                (Glow), where equal scores fall back to `Channel`.
            order: Order inside each half, "rank" (by score) or "raster".
            scores: "cumulative": the log-det up to the end of a level; "level":
                that of the level alone; "scale_invariant": the log-det less half
                the log-variance, the log-likelihood of a dimension if the flow
                stopped here with the best affine Gaussian.
            centred: Whether the mean score of each parity of the pixel grid is
                taken away first, since couplings with checkerboard masks transform
                one parity more often than the other.
            retained: Share or number of a view's entries that stay. Under "low" and
                "raster" the order is by halves all the same.
            patch: Side of the flow's patches, for scores alone; None: that of the statistics. On
                patches a patch is one block, all its dimensions are ranked against each other, and
                any other granularity than "position" is one order for all patches.

        Raises:
            ValueError: If an argument is not one of these. A score that is missing
                where a dimension arrives is met when a flow is built.
        """
        check_choice("scores", scores, tuple(_SCORES))
        self._kind = scores
        super().__init__(
            statistics,
            keep=keep,
            granularity=granularity,
            pooling=pooling,
            order=order,
            centred=centred,
            retained=retained,
            patch=patch,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "scores": self._kind}

    def _scores_of(self, statistics):
        return _SCORES[self._kind](statistics)


@register
class LikelihoodGain(BlockRanking):
    r"""What has most still to gain stays: its final log-density less what it has here.

    ```math
    \text{gain}_i = \overline{\log p_i} - (L_i - \tfrac12 \log 2 \pi e v_i)
    ```

    with log p the log-density at the end of the flow, and L the log-det and v the variance at the
    end of the level.

    The second term is dimension i's log-likelihood if it left at the end of the level through the
    best affine Gaussian. A scale applied here and undone later changes nothing. A dimension that
    couplings transformed often has gained already, so statistics of two pre-trainings, with either
    order of the masks, are better than one. The arguments are `LikelihoodContribution`'s, but for
    `scores`. The score is this package's.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    split = lcma.factorizations.LikelihoodGain(statistics)
    ```
    """

    def _scores_of(self, statistics):
        return statistics.log_density - statistics.exit_log_density
