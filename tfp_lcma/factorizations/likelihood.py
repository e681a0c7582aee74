"""LCMA: the dimensions that contribute most to the log-likelihood go on."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import StaticFactorization
from tfp_lcma.factorizations.static import CHECKERBOARD_ORDER
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.serialization import register


@register
class LikelihoodContribution(StaticFactorization):
    """Orders every 2x2 block by log-det: the two highest of four go on, per channel.

    The scores are the log-dets that a flow without a multi-scale split gave
    each dimension up to the end of a level. A deeper level ranks only the
    dimensions that reached it. Equal scores fall back to RealNVP's order, so
    constant scores reproduce `Checkerboard`.

    References:
      Das, Abbeel, Spanos: Likelihood Contribution based Multi-scale Architecture
      for Generative Flows, section 3 and equation 9. The pooling is the paper's;
      the order inside a half and the rule for ties are this package's.
    """

    def __init__(
        self, statistics: LogDetStatistics | np.ndarray, keep: str = "high", order: str = "rank"
    ):
        """Creates the factorization.

        Args:
          statistics: What a `LogDetCollector` gathered, or the scores alone:
            an array `[levels, height, width, channels]` in nats, in the
            coordinates of the image.
          keep: "high": the highest scores go on; "low": the halves exchanged.
          order: Order inside each half, "rank" (by score) or "raster".

        Raises:
          ValueError: If an argument is not one of these. A score that is missing
            where a dimension arrives is met when a flow is built.
        """
        if isinstance(statistics, LogDetStatistics):
            statistics = statistics.log_det
        scores = np.array(statistics, dtype=np.float64)
        if scores.ndim != 4:
            raise ValueError(
                "statistics must be a LogDetStatistics or scores of shape "
                f"[levels, height, width, channels]; got shape {scores.shape}."
            )
        if keep not in ("high", "low"):
            raise ValueError(f'keep must be "high" or "low"; got {keep!r}.')
        if order not in ("rank", "raster"):
            raise ValueError(f'order must be "rank" or "raster"; got {order!r}.')
        scores.setflags(write=False)
        self._scores, self._keep, self._inner_order = scores, keep, order

    def get_config(self) -> dict:
        return {"statistics": self._scores, "keep": self._keep, "order": self._inner_order}

    def order(self, level: int, view_shape: Sequence[int]) -> np.ndarray:
        reached = self._reached(level, view_shape)
        scores = self._scores[level].ravel()[reached]
        if not np.isfinite(scores).all():
            raise ValueError(
                f"statistics have no finite score for every dimension that reaches level {level}: "
                "they must come from a flow in which nobody leaves (factorization=None)."
            )
        height, width, entries = view_shape
        blocks = scores.reshape(height, width, entries // 4, 4)
        # Ranked in RealNVP's order, a stable sort breaks ties by it.
        tie_order = np.array(CHECKERBOARD_ORDER)
        ranked = tie_order[np.argsort(-blocks[..., tie_order], axis=-1, kind="stable")]
        if self._keep == "low":
            ranked = ranked[..., [2, 3, 0, 1]]
        if self._inner_order == "raster":
            ranked = np.concatenate(
                [np.sort(ranked[..., :2], axis=-1), np.sort(ranked[..., 2:], axis=-1)], axis=-1
            )
        entry = ranked + 4 * np.arange(entries // 4)[:, None]
        return np.swapaxes(entry, -1, -2).reshape(height, width, entries)

    def _reached(self, level: int, view_shape: Sequence[int]) -> np.ndarray:
        """Returns the flat pixel index of every entry of the level's view."""
        levels, *event_shape = self._scores.shape
        size = 2 ** (level + 1)
        expected = (event_shape[0] // size, event_shape[1] // size, event_shape[2] * size * 2)
        if level >= levels or tuple(view_shape) != expected:
            raise ValueError(
                f"statistics of shape {self._scores.shape} do not fit level {level} with a view "
                f"of shape {tuple(view_shape)}: they were collected from another flow."
            )
        index = np.arange(np.prod(event_shape)).reshape(event_shape)
        for above in range(level):
            index = _view(index)
            order = self.order(above, index.shape)
            index = np.take_along_axis(index, order, axis=-1)[..., : index.shape[-1] // 2]
        return _view(index)


def _view(index: np.ndarray) -> np.ndarray:
    """Views [h, w, c] as [h/2, w/2, 4c]."""
    height, width, channels = index.shape
    blocks = index.reshape(height // 2, 2, width // 2, 2, channels)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(height // 2, width // 2, 4 * channels)
