"""From a score per dimension to an order of every 2x2 block: what scored splits share."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import StaticFactorization, view, view_order
from tfp_lcma.factorizations.static import CHECKERBOARD_ORDER
from tfp_lcma.factorizations.statistics import LogDetStatistics, patch_of

GRANULARITIES = ("position", "level", "channel")
# Sub-positions dy * 2 + dx of the two parities of the pixel grid.
_PARITIES = ([0, 3], [1, 2])


class BlockRanking(StaticFactorization):
    """Orders the four entries of every 2x2 block of every channel by their scores.

    Equal scores fall back to RealNVP's order, so constant scores reproduce
    `Checkerboard`. On patches a block is a patch with all its dimensions, and equal scores
    fall back to `Channel`. A subclass says in `_scores_of` what the scores are.
    """

    views = "own"

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[LogDetStatistics] | np.ndarray,
        keep: str = "high",
        *,
        granularity: str = "position",
        pooling: str = "block",
        order: str = "rank",
        centred: bool = False,
        retained: float | int = 0.5,
        patch: int | None = None,
    ):
        super().__init__(retained=retained)
        self.patch = patch_of(statistics, patch)
        choices = {
            "keep": (keep, ("high", "low")),
            "granularity": (granularity, GRANULARITIES),
            "pooling": (pooling, ("block", "pair", "view")),
            "order": (order, ("rank", "raster")),
        }
        for name, (value, allowed) in choices.items():
            check_choice(name, value, allowed)
        if pooling == "view" and (granularity == "level" or centred):
            raise ValueError(
                'pooling="view" ranks channels against each other: granularity must be "position" '
                f'or "channel", centred False; got {granularity!r}, {centred}.'
            )
        if self.patch is not None and (pooling == "pair" or centred):
            raise ValueError(
                'pooling must be "block" or "view", and centred False, for a flow on patches; got '
                f"{pooling!r}, {centred}."
            )
        self._scores = _mean_scores(statistics, self._scores_of)
        self._scores.setflags(write=False)
        self._keep, self._granularity = keep, granularity
        self._pooling, self._inner_order, self._centred = pooling, order, bool(centred)

    @property
    def scores(self) -> np.ndarray:
        """What is ranked, `[levels, height, width, channels]` in image coordinates, in nats."""
        return self._scores

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "statistics": self._scores,
            "keep": self._keep,
            "granularity": self._granularity,
            "pooling": self._pooling,
            "order": self._inner_order,
            "centred": self._centred,
            "patch": self.patch,
        }

    def _scores_of(self, statistics: LogDetStatistics) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} lacks _scores_of().")

    def order(self, level: int, view_shape: Sequence[int]) -> np.ndarray:
        height, width, entries = view_shape
        scores = self._view_scores(level, view_shape)
        if self._pooling == "view" or self.patch is not None:
            return self._best_of_view(scores)
        blocks = scores.reshape(height, width, entries // 4, 4)
        if self._centred:
            blocks = _centred(blocks)
        ranked = _rank(_averaged(blocks, self._granularity))
        if self._pooling == "pair":
            ranked = _winners_first(ranked)
        if self._keep == "low":
            ranked = ranked[..., [2, 3, 0, 1]]
        if self._inner_order == "raster":
            ranked = np.sort(ranked.reshape(*ranked.shape[:-1], 2, 2)).reshape(ranked.shape)
        return view_order(ranked)

    def _best_of_view(self, scores):
        """Returns the order of all entries of a view, those of one block's channels together."""
        if self._granularity != "position":
            scores = np.broadcast_to(scores.mean(axis=(0, 1)), scores.shape)
        ranked = np.argsort(-scores, axis=-1, kind="stable")
        best, others = np.split(ranked, 2, axis=-1)
        halves = [best, others] if self._keep == "high" else [others, best]
        if self._inner_order == "raster":
            halves = [np.sort(half) for half in halves]
        return np.concatenate(halves, axis=-1)

    def _view_scores(self, level, view_shape):
        """Returns the scores of every entry of the level's view."""
        levels, *event_shape = self._scores.shape
        reached = np.empty(0)
        if level < levels:
            reached = view(self.arriving(level, event_shape), level, self.patch)
        check_view("statistics", level, view_shape, reached.shape, event_shape)
        scores = self._scores[level].ravel()[reached]
        if not np.isfinite(scores).all():
            raise ValueError(
                f"statistics have no finite score for every dimension that reaches level {level}: "
                "they must come from a flow without a split (factorization=None)."
            )
        return scores


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raises a ValueError unless `value` is one of `allowed`."""
    if value not in allowed:
        listed = " or ".join(f'"{choice}"' for choice in allowed)
        raise ValueError(f"{name} must be {listed}; got {value!r}.")


def check_view(
    name: str,
    level: int,
    view_shape: Sequence[int],
    expected: Sequence[int],
    event_shape: Sequence[int],
) -> None:
    """Raises a ValueError unless a level's view is as `name`, of an image, makes it expected."""
    if tuple(view_shape) != tuple(expected):
        raise ValueError(
            f"{name} of an image {tuple(event_shape)} do not fit level {level} with a view of "
            f"shape {tuple(view_shape)}: they were collected from another flow."
        )


def _mean_scores(statistics, scores_of) -> np.ndarray:
    """Returns scores as they are, those of statistics, or the mean over several statistics."""
    if isinstance(statistics, list | tuple) and len(statistics):
        several = [_mean_scores(one, scores_of) for one in statistics]
        if len({one.shape for one in several}) > 1:
            raise ValueError(
                f"statistics must all be of one shape; got scores of shapes "
                f"{[one.shape for one in several]}."
            )
        return np.mean(several, axis=0)
    if hasattr(statistics, "log_det"):
        statistics = scores_of(statistics)
    scores = np.array(statistics, dtype=np.float64)
    if scores.ndim != 4:
        raise ValueError(
            "statistics must be a LogDetStatistics, several of them, or scores of shape "
            f"[levels, height, width, channels]; got shape {scores.shape}."
        )
    return scores


def _centred(blocks):
    """Takes the mean score of each parity of the pixel grid away, channel by channel."""
    blocks = blocks.copy()
    for parity in _PARITIES:
        blocks[..., parity] -= blocks[..., parity].mean(axis=(0, 1, 3), keepdims=True)
    # Rounded, so that rounding errors decide no tie.
    return np.round(blocks, 9)


def _averaged(blocks, granularity):
    """Averages scores `[h, w, c, 4]` over all that is to have one order."""
    axes = {"position": (), "channel": (0, 1), "level": (0, 1, 2)}[granularity]
    mean = blocks.mean(axis=axes, keepdims=True) if axes else blocks
    return np.broadcast_to(mean, blocks.shape)


def _rank(blocks):
    """Returns the sub-positions of every block, highest score first."""
    # Ranked in RealNVP's order, a stable sort breaks ties by it.
    tie_order = np.array(CHECKERBOARD_ORDER)
    return tie_order[np.argsort(-blocks[..., tie_order], axis=-1, kind="stable")]


def _winners_first(ranked):
    """Puts the better one of either row's pair first, in order of rank."""
    place = np.argsort(ranked, axis=-1)
    lost = place > place[..., [1, 0, 3, 2]]
    first = np.argsort(np.take_along_axis(lost, ranked, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(ranked, first, axis=-1)
