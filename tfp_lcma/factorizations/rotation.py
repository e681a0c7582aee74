"""Splits along a rotated basis: what is factored out is a component of a block, not a pixel."""

from collections.abc import Callable, Sequence

import numpy as np

from tfp_lcma.bijectors.checks import flow_dtype
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.rotation import Rotation, definite_signs
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.statistics import LogDetStatistics, patch_of
from tfp_lcma.serialization import register

# Components of a 2x2 block with pixels 0 1 over 2 3.
_HAAR = {
    "mean": (1, 1, 1, 1),
    "horizontal": (1, -1, 1, -1),
    "vertical": (1, 1, -1, -1),
    "diagonal": (1, -1, -1, 1),
}


@register
class Haar(Factorization):
    """Some of the four Haar components of every 2x2 block stay, by default two, per channel.

    ```none
    mean = (a+b+c+d)/2, horizontal = (a-b+c-d)/2, vertical = (a+b-c-d)/2, diagonal = (a-b-c+d)/2
    ```

    Neighbouring pixels are nearly equal, so the differences share little with
    the mean: factoring them out costs little. Log-det 0; latents stand by slot.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Haar(keep=("mean", "vertical"))
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```

    References:
        Ardizzone et al.: Guided image generation with conditional invertible neural
        networks (downsampling by Haar wavelets). Which components stay is this
        package's choice.
    """

    views = "blocks"

    def __init__(self, keep: Sequence[str] = ("mean", "horizontal")):
        """Creates the factorization.

        Args:
            keep: The components that stay, one to three of "mean", "horizontal" (the
                difference between left and right), "vertical" and "diagonal".

        Raises:
            ValueError: If `keep` does not name one to three different components.
        """
        keep = tuple(keep)
        if not 1 <= len(keep) <= 3 or len(set(keep)) != len(keep) or not set(keep) <= set(_HAAR):
            raise ValueError(
                f"keep must name one to three different ones of {', '.join(_HAAR)}; got {keep!r}."
            )
        super().__init__(retained=len(keep) / 4)
        self._keep = keep

    def get_config(self) -> dict:
        return {"keep": list(self._keep)}

    def bijector(self, level, view_shape):
        names = [*self._keep, *(name for name in _HAAR if name not in self._keep)]
        block = 0.5 * np.array([_HAAR[name] for name in names])
        return Rotation(view_shape, view_rotation(np.tile(block, (view_shape[-1] // 4, 1, 1))))


@register
class LearnedConvolution(Factorization):
    """A learned 1x1 convolution stands before the split: Glow's answer, as a control.

    It adds a log-det of its own and 2 (4c)² + 4c numbers a level, two triangular
    matrices that are stored as squares and a diagonal.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.LearnedConvolution(retained=0.25)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.2.
    """

    def __init__(self, dtype: str = "float32", *, retained: float | int = 0.5):
        """Creates the factorization.

        Args:
            dtype: Type of the matrices, which must be the flow's.
            retained: Share or number of a view's entries that stay.

        Raises:
            ValueError: If `dtype` is no flow's, or `retained` is neither a share between 0 and 1
                nor a number.
        """
        super().__init__(retained=retained)
        flow_dtype(dtype)
        self._dtype = dtype

    def get_config(self) -> dict:
        return {**super().get_config(), "dtype": self._dtype}

    def bijector(self, level, view_shape):
        return InvertibleConvolution(view_shape, dtype=self._dtype)


class CollectedRotation(Factorization):
    """Base of factorizations by one rotation a level that was chosen from statistics.

    A subclass says in `_choose` how.
    """

    views = "own"

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[np.ndarray],
        *,
        across_channels: bool = False,
        retained: float | int = 0.5,
        patch: int | None = None,
    ):
        """Creates the factorization.

        Args:
            statistics: What a `LogDetCollector` gathered in a flow without a
                split, or the rotations alone: for every level `[4c, 4c]`.
            across_channels: Whether one rotation mixes all 4c entries of a block;
                else each channel has its own of the four sub-positions. On patches
                one rotation always mixes all of a patch's dimensions.
            retained: Share or number of a view's components that stay.
            patch: Side of the flow's patches, for rotations alone; None: that of the statistics.

        Raises:
            ValueError: If an argument is not one of these.
        """
        super().__init__(retained=retained)
        self.patch = patch_of(statistics, patch)
        self._across_channels = bool(across_channels)
        if isinstance(statistics, LogDetStatistics):
            statistics = rotations_by_level(statistics, self._choose, self.staying)
        self._rotations = tuple(np.array(matrix, np.float64) for matrix in statistics)
        block = 4 if self.patch is None else 1
        if not self._rotations or any(m.ndim != 2 or m.shape[0] % block for m in self._rotations):
            raise ValueError(
                "statistics must be a LogDetStatistics of two levels or more or, for every level, "
                f"a rotation of shape [4c, 4c]; got shapes {[m.shape for m in self._rotations]}."
            )
        for matrix in self._rotations:
            matrix.setflags(write=False)

    @property
    def rotations(self) -> tuple[np.ndarray, ...]:
        """For every level the rotation of the view's entries, `[4c, 4c]`; row k is component k."""
        return self._rotations

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "statistics": self._rotations,
            "across_channels": self._across_channels,
            "patch": self.patch,
        }

    @property
    def _across(self) -> bool:
        """Whether a rotation mixes all entries of a position of the view."""
        return self._across_channels or self.patch is not None

    def bijector(self, level, view_shape):
        if level >= len(self._rotations) or len(self._rotations[level]) != view_shape[-1]:
            raise ValueError(
                f"statistics with rotations of {[len(m) for m in self._rotations]} entries do not "
                f"fit level {level} with a view of shape {tuple(view_shape)}: they were collected "
                "from another flow."
            )
        return Rotation(view_shape, self._rotations[level])

    def _choose(self, statistics: LogDetStatistics, level: int, mixture: np.ndarray) -> np.ndarray:
        """Returns the rotation `[4c, 4c]` of a level, rows that stay first.

        Args:
            statistics: Of a flow without a split.
            level: Index of the level.
            mixture: `[4c, m]`: the entries of our view in terms of the m that a
                block has in that flow.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks _choose().")


def rotations_by_level(
    statistics: LogDetStatistics,
    choose: Callable[[LogDetStatistics, int, np.ndarray], np.ndarray],
    staying: Callable[[int, tuple[int, ...]], int],
) -> list[np.ndarray]:
    """Returns the rotations of all levels, finest first, each seeing what those above let through.

    Raises:
        ValueError: If the statistics come from a flow with a split.
    """
    channels = statistics.event_shape[-1]
    # What our tensor's channels are, in terms of those of the flow without a split.
    mixture: np.ndarray = np.eye(channels)
    rotations: list[np.ndarray] = []
    for level, covariance in enumerate(statistics.block_covariance):
        if statistics.patch is None:
            mixture = np.kron(mixture, np.eye(4))
        elif level == 0:
            mixture = np.eye(channels * statistics.patch**2)
        if mixture.shape[1] != covariance.shape[-1]:
            raise ValueError(
                "statistics must come from a flow without a split (factorization=None): "
                f"level {level} has {covariance.shape[-1]} entries in a block, expected "
                f"{mixture.shape[1]}."
            )
        rotations.append(choose(statistics, level, mixture))
        mixture = (rotations[-1] @ mixture)[: staying(level, (1, 1, len(mixture)))]
    return rotations


def view_rotation(blocks: np.ndarray) -> np.ndarray:
    """Turns each channel's rotation, `[c, 4, 4]`, into one of the view, `[4c, 4c]`.

    All channels' first components come first, then all second ones, and so on.
    """
    channels = len(blocks)
    matrix = np.zeros((4, channels, channels, 4))
    for channel, block in enumerate(blocks):
        matrix[:, channel, channel] = block
    return matrix.reshape(4 * channels, 4 * channels)


def eigenvectors(covariance: np.ndarray) -> np.ndarray:
    """Returns eigenvectors as rows, largest eigenvalue first, with a definite sign."""
    return definite_signs(np.linalg.eigh(covariance)[1].T[::-1])
