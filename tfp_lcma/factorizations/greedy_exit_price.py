"""The dimensions that cost least to lose are factored out, one after the other."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import StaticFactorization, view
from tfp_lcma.factorizations.ranking import check_choice
from tfp_lcma.factorizations.statistics import LogDetStatistics, patch_of
from tfp_lcma.serialization import register


def elimination(covariance: np.ndarray) -> np.ndarray:
    """Returns all dimensions in the order in which they stay: the one that goes first is last.

    ```none
    price of i, with K what is left = 0.5 log (var_i [Cov(K)^-1]_ii) = I(x_i; x of K without i)
    ```

    These add up to what a subset costs that leaves for independent Gaussians, its share in
    `pair_prices`: log det Cov[K without i] = log det Cov[K] + log [Cov(K)^-1]_ii. The least of
    them goes, until one is left.

    Args:
        covariance: `[..., n, n]`; leading axes are positions with one order: mean prices count.

    Returns:
        Integers `[n]`.
    """
    matrices = covariance.reshape(-1, *covariance.shape[-2:])
    scale = np.sqrt(np.maximum(np.diagonal(matrices, axis1=-2, axis2=-1), 1e-30))
    correlation = matrices / (scale[:, :, None] * scale[:, None, :])
    # Singular ones too have an inverse then.
    correlation = np.where(np.eye(scale.shape[-1], dtype=bool), 1.0, (1 - 1e-6) * correlation)
    left, gone = list(range(scale.shape[-1])), []
    while len(left) > 1:
        precision = np.linalg.inv(correlation[:, left][:, :, left])
        prices = 0.5 * np.log(np.diagonal(precision, axis1=-2, axis2=-1)).mean(axis=0)
        # Rounded, so that rounding errors decide no tie; of equal prices the last one goes.
        last = len(left) - 1 - int(np.argmin(np.round(prices[::-1], 9)))
        gone.append(left.pop(last))
    return np.array(left + gone[::-1])


@register
class GreedyExitPrice(StaticFactorization):
    """Of every view's position the entries of least exit price are factored out, one by one.

    Prices come from the covariance of a position's entries, all channels of a 2x2 block or all
    dimensions of a patch, at the end of a level of a flow without a split; see `elimination`. Any
    share can stay, and the order is the same for all. The score is this package's.

    Valid where dimensions keep their identity up to the end of the level: not with 1x1
    convolutions.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    split = lcma.factorizations.GreedyExitPrice(statistics, retained=0.25)
    ```
    """

    views = "own"

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[np.ndarray],
        granularity: str = "position",
        *,
        retained: float | int = 0.5,
        patch: int | None = None,
    ):
        """Creates the factorization.

        Args:
            statistics: What a `LogDetCollector` gathered, or the orders alone: for every level
                integers `[h, w, entries]`, the entries of its view that stay first.
            granularity: "position": every position by its own prices; "level": one order for the
                whole level, by mean prices. Orders alone are taken as they are.
            retained: Share or number of a view's entries that stay.
            patch: Side of the flow's patches, for orders alone; None: that of the statistics.

        Raises:
            ValueError: If an argument is not one of these, or the statistics lack
                a covariance where a dimension arrives.
        """
        super().__init__(retained=retained)
        check_choice("granularity", granularity, ("position", "level"))
        self.patch = patch_of(statistics, patch)
        if isinstance(statistics, LogDetStatistics):
            self._orders: tuple[np.ndarray, ...] = ()
            for level in range(len(statistics.block_covariance)):
                # `arriving` goes by the orders of the levels above.
                index = view(self.arriving(level, statistics.event_shape), level, self.patch)
                covariance = statistics.covariance_of(level, index, index.shape[-1])[:, :, 0]
                self._orders += (_orders(covariance, granularity),)
        else:
            self._orders = tuple(np.array(order, np.int64) for order in statistics)
        if not self._orders or any(order.ndim != 3 for order in self._orders):
            raise ValueError(
                "statistics must be a LogDetStatistics of two levels or more or, for every level, "
                f"an order of shape [h, w, entries]; got shapes {[o.shape for o in self._orders]}."
            )
        for order in self._orders:
            order.setflags(write=False)

    def get_config(self) -> dict:
        return {**super().get_config(), "statistics": self._orders, "patch": self.patch}

    def order(self, level, view_shape):
        fitting = level < len(self._orders) and self._orders[level].shape == tuple(view_shape)
        if not fitting:
            raise ValueError(
                f"statistics with orders of shapes {[order.shape for order in self._orders]} do "
                f"not fit level {level} with a view of shape {tuple(view_shape)}: they were "
                "collected from another flow, or for another share."
            )
        return self._orders[level]


def _orders(covariance, granularity):
    """Returns the order of every position, `[h, w, n]`, from covariances `[h, w, n, n]`."""
    height, width, entries, _ = covariance.shape
    if granularity == "level":
        return np.broadcast_to(elimination(covariance), (height, width, entries)).copy()
    rows = covariance.reshape(-1, entries, entries)
    return np.stack([elimination(row) for row in rows]).reshape(height, width, entries)
