"""The components of blocks that share least with all else are factored out."""

import numpy as np

from tfp_lcma.bijectors.rotation import definite_signs
from tfp_lcma.factorizations.rotation import CollectedRotation, eigenvectors, view_rotation
from tfp_lcma.serialization import register

_STARTS = 8
_STEPS = 500
_LEAST_STEP = 1e-6


def shared_information(leaving: np.ndarray, covariance: np.ndarray, remainder: np.ndarray) -> float:
    """Returns the information that components of a block share with all else, in nats.

    ```none
    0.5 (log det U'CU + log det U'R^-1 U)
    ```

    With K the components that stay and N the neighbouring blocks, that is
    h(U) - h(U | K, N) of Gaussians, since h(U | K, N) = h(U, K | N) - h(K | N)
    and det of R on K's subspace = det R det U'R^-1 U.

    Args:
        leaving: U, `[n, m]`, orthonormal columns: the m components.
        covariance: C, `[n, n]`, of a block.
        remainder: R, `[n, n]`, of what is left of a block when its best linear
            prediction from the neighbouring blocks is taken away.
    """
    marginal = np.linalg.slogdet(leaving.T @ covariance @ leaving)[1]
    precision = np.linalg.slogdet(leaving.T @ np.linalg.solve(remainder, leaving))[1]
    return 0.5 * (marginal + precision)


def least_shared(covariance: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """Returns an orthogonal matrix whose last half of rows has least `shared_information`.

    Found by gradient descent over subspaces, from halves of the principal axes and fixed random
    starts. Within either half the components are uncorrelated, those of most variance first.
    """
    size = len(covariance)
    axes = eigenvectors(covariance).T
    random = np.random.default_rng(0)
    starts = [axes[:, size // 2 :], axes[:, : size // 2]]
    starts += [
        np.linalg.qr(random.normal(size=(size, size // 2)))[0] for _ in range(_STARTS - len(starts))
    ]
    found = [_descend(start, covariance, remainder) for start in starts]
    leaving = min(found, key=lambda u: round(shared_information(u, covariance, remainder), 9))
    staying = np.linalg.svd(leaving)[0][:, size // 2 :]
    return np.concatenate([_uncorrelated(half, covariance) for half in (staying, leaving)])


def conditional_covariances(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the covariance of blocks, and what of it their neighbours do not predict.

    Means are taken away position by position; covariances are pooled over
    positions. Beyond the border everything is at its mean.

    Args:
        views: `[n, h, w, entries]`, the same level's view of n images.

    Returns:
        Two arrays `[entries, entries]`.
    """
    centred = views - views.mean(axis=0)
    _, height, width, entries = centred.shape
    padded = np.pad(centred, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = [
        padded[:, y : y + height, x : x + width]
        for y in range(3)
        for x in range(3)
        if (y, x) != (1, 1)
    ]
    block = centred.reshape(-1, entries)
    neighbours = np.concatenate(around, axis=-1).reshape(len(block), -1)
    covariance = block.T @ block / len(block)
    # A little ridge: some neighbours are always dark.
    ridge = 1e-3 * np.trace(covariance) / entries * np.eye(neighbours.shape[-1])
    second = neighbours.T @ neighbours / len(block) + ridge
    unexplained = block - neighbours @ np.linalg.solve(second, neighbours.T @ block / len(block))
    floor = 1e-6 * np.trace(covariance) / entries * np.eye(entries)
    return covariance + floor, unexplained.T @ unexplained / len(block) + floor


@register
class RotatedExitPrice(CollectedRotation):
    """The components of every block that share least with what else there is are factored out.

    Exit price carried on twice: what is factored out may be any half of the block's space, not two
    pixels of it, and the price counts what these components share with the eight neighbouring
    blocks too, not only with the rest of their own. Under a Gaussian model of activations at the
    end of a level the price of a subspace is `shared_information`; the cheapest one is factored
    out. `KarhunenLoeve` is the same without neighbours, when every choice of principal components
    has price zero and variance decides. Log-det 0; latents stand by slot. The factorization is
    this package's.

    Its statistics may come from a flow that was never trained: a flow starts as the identity, up
    to the scales of channels and of sub-positions, so they are those of the images.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=None)
    model = lcma.FlowModel(flow)
    model.initialize(images)
    statistics = lcma.LogDetCollector().collect(model, images)
    split = lcma.factorizations.RotatedExitPrice(statistics)
    ```

    Args:
        statistics: What a `LogDetCollector` gathered in a flow without a
            split, or the rotations alone: for every level `[4c, 4c]`.
        across_channels: Whether one rotation mixes all 4c entries of a block.
        retained: Share or number of a view's components that stay.
        patch: Side of the flow's patches, for rotations alone; None: that of the statistics.

    Raises:
        ValueError: If an argument is not one of these.
    """

    def _choose(self, statistics, level, mixture):
        views = statistics.views(level).astype(np.float64)
        covariance, remainder = conditional_covariances(views @ mixture.T)
        if self._across:
            return least_shared(covariance, remainder)
        channels = [slice(i, i + 4) for i in range(0, len(covariance), 4)]
        return view_rotation(
            np.stack([least_shared(covariance[c, c], remainder[c, c]) for c in channels])
        )


def _descend(subspace, covariance, remainder):
    """Follows the gradient of the price in orthonormal frames, `[n, m]`, to where it ends."""
    matrices, step = (covariance, np.linalg.inv(remainder)), 1.0
    price = shared_information(subspace, covariance, remainder)
    for _ in range(_STEPS):
        gradient = sum(m @ subspace @ np.linalg.inv(subspace.T @ m @ subspace) for m in matrices)
        gradient -= subspace @ (subspace.T @ gradient)
        while step > _LEAST_STEP:
            moved = np.linalg.qr(subspace - step * gradient)[0]
            cheaper = shared_information(moved, covariance, remainder)
            # Some of the decrease that the slope promises (Armijo).
            if cheaper <= price - 0.1 * step * (gradient**2).sum():
                break
            step /= 2
        else:
            break
        subspace, price, step = moved, cheaper, 2 * step
    return subspace


def _uncorrelated(half, covariance):
    """Returns a half's principal axes within it, as rows of the whole space."""
    return definite_signs((half @ eigenvectors(half.T @ covariance @ half).T).T)
