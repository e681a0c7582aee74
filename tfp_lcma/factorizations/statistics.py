"""What the callback gathers from a pre-trained flow, and its file."""

import dataclasses
import io
import os
from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import view
from tfp_lcma.files import read_bytes, written_whole
from tfp_lcma.validation import check_count

_ARRAYS = ("log_det", "mean", "variance", "log_density")
_PER_LEVEL = ("level_index", "block_covariance", "activations")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LogDetStatistics:
    """Per-dimension statistics of a flow over training images.

    The first four arrays are in the coordinates of the image; a dimension that
    has left before a level has NaN there. The others are in the coordinates of
    a level's own tensor, `level_index` leading back to the image.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    statistics.variance.shape  # (2, 8, 8, 1)
    ```

    Attributes:
        log_det: `[levels, height, width, channels]`, mean event log-det from the
            image to the end of each level, in nats; preprocessing not included.
        mean: Same shape, mean activation at the end of each level.
        variance: Same shape, its variance.
        log_density: `[height, width, channels]`, mean final log-density of each
            dimension, log N(z) + log-det, in nats.
        level_index: For every level `[h, w, c]`, the flat index in the image of
            every entry of its tensor.
        block_covariance: For every level but the last `[h/2, w/2, 4c, 4c]`: the covariance within
            every 2x2 block, across channels, at its end; entries in the order of the level's view.
            On patches `[h, w, entries, entries]`, within a position of the grid of patches.
        activations: For every level but the last `[n, h, w, c]`: the activations
            at its end of the first images, float32; for scores beyond covariances.
        count: Number of images.
        patch: Side of the patches of a flow on patches; None: its views are of 2x2 blocks.
    """

    log_det: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    log_density: np.ndarray
    level_index: tuple[np.ndarray, ...]
    block_covariance: tuple[np.ndarray, ...]
    activations: tuple[np.ndarray, ...]
    count: int
    patch: int | None = None

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Shape `(height, width, channels)` of the image."""
        return self.log_density.shape

    def __repr__(self) -> str:
        levels = len(self.log_det)
        return f"LogDetStatistics({self.count} images of {self.event_shape}, {levels} levels)"

    @property
    def level_log_det(self) -> np.ndarray:
        """The mean log-det of each level alone, `[levels, height, width, channels]`, in nats."""
        return np.diff(self.log_det, axis=0, prepend=0.0)

    @property
    def exit_log_density(self) -> np.ndarray:
        """The mean log-density of each dimension if the flow stopped at the end of each level.

        `log_det - 0.5 log(2 pi e variance)`: what the best affine Gaussian
        there gives; `[levels, height, width, channels]`, in nats.
        """
        return self.log_det - 0.5 * np.log(2 * np.pi * np.e * self.variance)

    def views(self, level: int) -> np.ndarray:
        """Returns the activations at a level's end, each as the level's view."""
        return np.stack([view(y, level, self.patch) for y in self.activations[level]])

    def covariance_of(self, level: int, index: np.ndarray, group: int = 4) -> np.ndarray:
        """Returns the covariance within blocks of dimensions of the image.

        Args:
            level: The level at whose end it was taken.
            index: Flat indices `[h, w, n]` of dimensions, in groups that stand in one block of
                the level.
            group: How many a group has.

        Returns:
            `[h, w, n / group, group, group]`.

        Raises:
            ValueError: If a dimension does not reach the level in the flow that
                was looked at, or stands in another block there.
        """
        stored = view(self.level_index[level], level, self.patch)
        same_size = stored.shape[:2] == index.shape[:2]
        found = stored[..., None, :] == index[..., :, None] if same_size else np.zeros(1, bool)
        if not found.any(axis=-1).all():
            raise ValueError(
                f"statistics have no covariance for every dimension that reaches level {level}: "
                "they must come from a flow of the same shape without a split "
                "(factorization=None)."
            )
        place = found.argmax(axis=-1).reshape(*index.shape[:2], -1, group)
        rows, columns = np.indices(place.shape[:2])[:, :, :, None, None, None]
        covariance = self.block_covariance[level]
        return covariance[rows, columns, place[..., :, None], place[..., None, :]]

    @classmethod
    def average(cls, several: "Sequence[LogDetStatistics]") -> "LogDetStatistics":
        """Averages the statistics of several flows of one shape, weighted by images.

        What is chosen from the average depends less on the seed of a pre-training. Every flow's
        images count as if they were images of one flow, but for the means of activations: where
        flows shift a dimension differently, that is no variation of the images.

        - `log_det`, `log_density` and `mean` are means.
        - `variance` and `block_covariance` are pooled: means of what varies within a flow.
        - `activations` of all flows stand one after the other, those of each about the common
          mean. They are not weighted: each flow has as many as it kept.
        - `count` is the sum.

        A dimension is known by its place. In a RealNVP, which leaves pixels where they are, that is
        the same pixel in every flow; in a Glow, whose 1x1 convolutions mix channels, only the
        position is the same, and a channel of one flow is no channel of another.

        ```python
        import numpy as np

        import tfp_lcma as lcma

        images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
        gathered = []
        for seed in range(2):
            flow = lcma.models.real_nvp((8, 8, 1), width=4, blocks=1, factorization=None)
            model = lcma.FlowModel(flow, seed=seed)
            model.initialize(images)
            gathered.append(lcma.LogDetCollector(seed=seed).collect(model, images))
        lcma.LogDetStatistics.average(gathered).count  # 128
        ```

        Args:
            several: Statistics of flows that bring the same dimensions to the same places.

        Raises:
            ValueError: If there are none, or they are of flows of different shapes.
        """
        if not several:
            raise ValueError("several must hold at least one LogDetStatistics; got none.")
        first, *others = several
        if any(not _same_places(first, other) for other in others):
            raise ValueError(
                "several must be statistics of flows of one shape, with the same dimensions at "
                f"every level; got {[*several]}."
            )
        if not others:
            return first  # To the last bit, by which ties are broken.
        counts = [one.count for one in several]

        def mean(arrays):
            return np.average(np.stack(arrays), axis=0, weights=counts)

        means = {name: mean([getattr(one, name) for one in several]) for name in _ARRAYS}
        levels = range(len(first.activations))
        return dataclasses.replace(
            first,
            **means,
            block_covariance=tuple(mean([s.block_covariance[i] for s in several]) for i in levels),
            activations=tuple(
                np.concatenate([_about(one, level, means["mean"][level]) for one in several])
                for level in levels
            ),
            count=sum(counts),
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the statistics to one `.npz` file, whole or not at all.

        Args:
            path: A local path, or text like `gs://bucket/name.npz`.

        Raises:
            ValueError: If TensorFlow knows no such file system.
            OSError: If it cannot be written.
        """
        fields = {name: getattr(self, name) for name in _ARRAYS}
        fields |= {"count": np.array(self.count), "patch": np.array(self.patch or 0)}
        for name in _PER_LEVEL:
            fields |= {f"{name}_{level}": a for level, a in enumerate(getattr(self, name))}
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LogDetStatistics":
        """Reads what `save` wrote, from where it wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not one of these, or is damaged.
        """
        try:
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
                fields = {name: file[name] for name in file.files}
            levels = len(fields["log_det"])
            return cls(
                **{name: fields[name] for name in _ARRAYS},
                level_index=tuple(fields[f"level_index_{i}"] for i in range(levels)),
                block_covariance=tuple(fields[f"block_covariance_{i}"] for i in range(levels - 1)),
                activations=tuple(fields[f"activations_{i}"] for i in range(levels - 1)),
                count=int(fields["count"]),
                # Files of flows without patches may lack it.
                patch=int(fields.get("patch", 0)) or None,
            )
        except FileNotFoundError:
            raise
        except Exception as error:  # numpy and zipfile meet damage with a dozen kinds of errors
            raise ValueError(
                f"{os.fspath(path)} is not a readable statistics file: {error}"
            ) from error


def _same_places(one: LogDetStatistics, other: LogDetStatistics) -> bool:
    """Says whether two flows have the same dimensions of the image at the same places."""
    return (
        one.event_shape == other.event_shape
        and one.patch == other.patch
        and len(one.level_index) == len(other.level_index)
        and all(map(np.array_equal, one.level_index, other.level_index))
    )


def _about(statistics: LogDetStatistics, level: int, mean: np.ndarray) -> np.ndarray:
    """Returns a level's activations, moved so that their mean over all images is another one."""
    moved = (mean - statistics.mean[level]).ravel()[statistics.level_index[level]]
    return (statistics.activations[level] + moved).astype(np.float32)


def patch_of(statistics, patch: int | None) -> int | None:
    """Returns the side of the patches of the flow that statistics come from.

    Args:
        statistics: A `LogDetStatistics`, several of them, or the numbers alone.
        patch: What was given beside them; None: nothing.

    Raises:
        ValueError: If the two contradict each other.
    """
    several = statistics if isinstance(statistics, list | tuple) else [statistics]
    found = {one.patch for one in several if isinstance(one, LogDetStatistics)}
    if not found:
        return None if patch is None else check_count(patch, "patch")
    if len(found) > 1 or patch not in (None, *found):
        raise ValueError(
            f"patch must be that of the flow that statistics come from, {sorted(found, key=str)}; "
            f"got {patch!r}."
        )
    return found.pop()
