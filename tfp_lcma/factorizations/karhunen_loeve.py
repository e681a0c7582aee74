"""The principal components of blocks that carry least are factored out."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.ranking import check_choice
from tfp_lcma.factorizations.rotation import CollectedRotation, eigenvectors, view_rotation
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.serialization import register


@register
class KarhunenLoeve(CollectedRotation):
    """The principal components of the blocks that carry most stay, one rotation a level.

    The rotation's rows are the eigenvectors of the covariance within blocks at the end of a level
    of a flow without a split, averaged over positions. What is factored out is uncorrelated with
    what stays: of the same channel, or of all with `across_channels`. At deeper levels the
    covariance is that of the same flow's activations, seen through the rotations above. Log-det 0;
    latents stand by slot. The factorization is this package's.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    split = lcma.factorizations.KarhunenLoeve(statistics, keep="negentropy")
    ```
    """

    def __init__(
        self,
        statistics: LogDetStatistics | Sequence[np.ndarray],
        *,
        across_channels: bool = False,
        keep: str = "variance",
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
            keep: Which components stay: those of most "variance", or those of
                most "negentropy", the least Gaussian, by skewness and kurtosis
                (Jones, Sibson: What is projection pursuit?).
            retained: Share or number of a view's components that stay.
            patch: Side of the flow's patches, for rotations alone; None: that of the statistics.

        Raises:
            ValueError: If an argument is not one of these.
        """
        check_choice("keep", keep, ("variance", "negentropy"))
        self._keep = keep
        super().__init__(
            statistics, across_channels=across_channels, retained=retained, patch=patch
        )

    def get_config(self) -> dict:
        return super().get_config() | {"keep": self._keep}

    def _choose(self, statistics, level, mixture):
        covariance = statistics.block_covariance[level].mean(axis=(0, 1))
        rotation = _principal_axes(mixture @ covariance @ mixture.T, self._across)
        if self._keep == "negentropy":
            scores = _negentropy(statistics.views(level) @ (rotation @ mixture).T)
            rotation = _reordered(rotation, scores, self._across)
        return rotation


def _principal_axes(covariance, across):
    """Returns the eigenvectors of a view's covariance as rows, those of most variance first."""
    if across:
        return eigenvectors(covariance)
    blocks = [covariance[i : i + 4, i : i + 4] for i in range(0, len(covariance), 4)]
    return view_rotation(np.stack([eigenvectors(block) for block in blocks]))


def _reordered(rotation, scores, across):
    """Orders components by score, highest first: all of them, or within each channel."""
    if across:
        return rotation[np.argsort(-scores, kind="stable")]
    channels = len(rotation) // 4
    best = np.argsort(-scores.reshape(4, channels), axis=0, kind="stable")
    return rotation[(best * channels + np.arange(channels)).ravel()]


def _negentropy(components):
    """Returns the negentropy of every component, in nats, averaged over positions.

    Args:
        components: `[n, h, w, components]`.
    """
    count = len(components)
    centred = components - components.mean(axis=0)
    standard = centred / np.maximum(centred.std(axis=0), 1e-12)
    skewness, kurtosis = (standard**3).mean(axis=0), (standard**4).mean(axis=0) - 3
    # The expected squares of a Gaussian sample's are taken away.
    excess = (skewness**2 - 6 / count) / 12 + (kurtosis**2 - 24 / count) / 48
    return excess.mean(axis=(0, 1))
