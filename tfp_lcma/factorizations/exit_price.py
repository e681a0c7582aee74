"""The pair that costs least to lose is factored out."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import StaticFactorization, view, view_order
from tfp_lcma.factorizations.ranking import GRANULARITIES, check_choice, check_view
from tfp_lcma.factorizations.statistics import LogDetStatistics, patch_of
from tfp_lcma.serialization import register

# The pairs of sub-positions dy * 2 + dx; a pair's complement has the mirrored place.
PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
# Of equal prices the first here is taken: RealNVP's, which factors (0,1), (1,0) out.
_TIE_ORDER = np.array([3, 0, 1, 2, 4, 5])


def pair_prices(covariance: np.ndarray) -> np.ndarray:
    r"""Returns what it costs to factor out each pair of a 2x2 block, in nats.

    ```math
    \text{price}(S) = \tfrac12 \Big( \sum_{i \in S} \log v_i - \log \det \text{Cov}[S \mid K] \Big)
    ```

    with K the pair that stays and v the variances.

    This is the information that S shares with K and within itself: the
    divergence of a Gaussian S, given K, from independent Gaussians of the right
    variances, which is what an unconditional exit takes it for.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    covariance = np.eye(4)
    covariance[0, 1] = covariance[1, 0] = 0.9  # the upper pixels share much
    prices = lcma.factorizations.pair_prices(covariance)
    prices.round(2).tolist()  # [0.83, 0.83, 0.83, 0.83, 0.83, 0.0]
    ```

    Args:
        covariance: `[..., 4, 4]`, of the block's sub-positions in raster order.

    Returns:
        `[..., 6]`, for the pairs of `PAIRS` in that order, each as the one that is factored out.
    """
    # A correlation matrix has the same prices; a floor keeps a singular one finite.
    scale = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 1e-30))
    correlation = covariance / (scale[..., :, None] * scale[..., None, :])
    correlation = np.where(np.eye(4, dtype=bool), 1.0, (1 - 1e-9) * correlation)
    whole = np.linalg.slogdet(correlation)[1]
    staying = [correlation[..., np.ix_(pair, pair)[0], pair] for pair in reversed(PAIRS)]
    # log det Cov[S | K] = log det Cov - log det Cov[K].
    return np.stack([0.5 * (np.linalg.slogdet(kept)[1] - whole) for kept in staying], axis=-1)


@register
class ExitPrice(StaticFactorization):
    """Of every 2x2 block of every channel the pair of least exit price is factored out.

    Prices come from the covariance of each block at the end of a level of a flow without a split;
    see `pair_prices`. Both halves are in raster order. The score is this package's.

    Valid where dimensions keep their identity up to the end of the level: with
    masked couplings, not with 1x1 convolutions. Of other shares, and on patches, see
    `GreedyExitPrice`.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    split = lcma.factorizations.ExitPrice(statistics)
    ```
    """

    views = "blocks"

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[np.ndarray],
        granularity: str = "position",
    ):
        """Creates the factorization.

        Args:
            statistics: What a `LogDetCollector` gathered, or the prices alone: for
                every level `[h/2, w/2, c, 6]` in nats, in the order of `PAIRS`.
            granularity: "position": every block by its own prices; "channel": one
                pair for all blocks of a channel, by mean price; "level": one pair for
                the whole level, which keeps the pixel grid regular.

        Raises:
            ValueError: If an argument is not one of these, or the statistics lack
                a covariance where a dimension arrives.
        """
        super().__init__()
        check_choice("granularity", granularity, GRANULARITIES)
        self._granularity = granularity
        patch = patch_of(statistics, None)
        if patch is not None:
            raise ValueError(
                "statistics must be of a flow whose views are of 2x2 blocks, whose pairs are "
                f"compared; got those of a flow on patches of {patch}x{patch}"
                ", for which there is GreedyExitPrice."
            )
        if isinstance(statistics, LogDetStatistics):
            self._prices: tuple[np.ndarray, ...] = ()
            for level in range(len(statistics.block_covariance)):
                index = view(self.arriving(level, statistics.event_shape))
                # `arriving` goes by the prices of the levels above.
                self._prices += (pair_prices(statistics.covariance_of(level, index)),)
        else:
            self._prices = tuple(np.array(prices, np.float64) for prices in statistics)
        if not self._prices or any(p.ndim != 4 or p.shape[-1] != 6 for p in self._prices):
            raise ValueError(
                "statistics must be a LogDetStatistics of two levels or more or, for every level, "
                f"prices of shape [h, w, c, 6]; got shapes {[p.shape for p in self._prices]}."
            )
        for prices in self._prices:
            prices.setflags(write=False)

    @property
    def prices(self) -> tuple[np.ndarray, ...]:
        """For every level the price of factoring out each pair, `[h, w, c, 6]`, in nats."""
        return self._prices

    def get_config(self) -> dict:
        return {"statistics": self._prices, "granularity": self._granularity}

    def order(self, level, view_shape):
        height, width, channels, _ = self._prices[0].shape
        event_shape = (2 * height, 2 * width, channels)
        expected: tuple[int, ...] = ()
        if level < len(self._prices):
            height, width, channels, _ = self._prices[level].shape
            expected = height, width, 4 * channels
        check_view("statistics", level, view_shape, expected, event_shape)
        prices = self._prices[level]
        axes = {"position": (), "channel": (0, 1), "level": (0, 1, 2)}[self._granularity]
        mean = prices.mean(axis=axes, keepdims=True) if axes else prices
        # Rounded, so that rounding errors decide no tie.
        least = _TIE_ORDER[np.argmin(np.round(mean, 9)[..., _TIE_ORDER], axis=-1)]
        pairs = np.array(PAIRS)
        chosen = np.concatenate([pairs[5 - least], pairs[least]], axis=-1)
        return view_order(np.broadcast_to(chosen, (*prices.shape[:-1], 4)))
