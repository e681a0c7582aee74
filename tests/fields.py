"""Gaussian fields of known covariance, and the statistics of a flow without a split."""

import dataclasses

import numpy as np

from tfp_lcma.factorizations import LogDetStatistics

SHAPE = (8, 8, 2)
LEVELS = 3


def view(image):
    """[..., h, w, c] -> [..., h/2, w/2, 4c], entry channel * 4 + dy * 2 + dx, one by one."""
    entries = [
        image[..., dy::2, dx::2, channel]
        for channel in range(image.shape[-1])
        for dy in range(2)
        for dx in range(2)
    ]
    return np.stack(entries, axis=-1)


def level_indices(shape=SHAPE, levels=LEVELS):
    """Which dimension of the image each entry of every level's tensor is."""
    index = [np.arange(np.prod(shape)).reshape(shape)]
    while len(index) < levels:
        index.append(view(index[-1]))
    return index


def random_covariance(size, seed):
    """A covariance without any structure."""
    factor = np.random.default_rng(seed).normal(size=(size, size))
    return factor @ factor.T / size + 0.05 * np.eye(size)


def block_covariances(activations):
    """The covariance of every position's view, `[h/2, w/2, 4c, 4c]`, in float64."""
    blocks = view(activations.astype(np.float64))
    centred = blocks - blocks.mean(axis=0)
    return np.einsum("nhwi,nhwj->hwij", centred, centred) / len(blocks)


def statistics(shape=SHAPE, levels=LEVELS, seed=0, covariances=None, count=64):
    """Statistics of images drawn from a Gaussian field, another one at every level.

    Args:
        shape: Shape of the image.
        levels: Number of levels.
        seed: Of all that is drawn.
        covariances: Of all dimensions of the image at the end of each level,
            `[dimensions, dimensions]`; None: random ones, and the statistics hold
            what the drawn activations have, not these.
        count: Number of images.
    """
    random = np.random.default_rng(seed)
    size, index = int(np.prod(shape)), level_indices(shape, levels)
    exact = covariances is not None
    if not exact:
        covariances = [random_covariance(size, [seed, level]) for level in range(levels)]
    roots = [np.linalg.cholesky(covariance + 1e-9 * np.eye(size)) for covariance in covariances]
    drawn = [random.normal(size=(count, size)) @ root.T for root in roots]
    log_det = random.normal(size=(levels, *shape)).cumsum(axis=0)
    activations = tuple(
        y[:, i].astype(np.float32) for y, i in zip(drawn[:-1], index[:-1], strict=True)
    )
    made = LogDetStatistics(
        log_det=log_det,
        mean=np.stack([y.mean(axis=0).reshape(shape) for y in drawn]),
        variance=np.stack([y.var(axis=0).reshape(shape) for y in drawn]),
        log_density=log_det[-1] - 1.4 + 0.1 * random.normal(size=shape),
        level_index=tuple(index),
        block_covariance=tuple(block_covariances(y) for y in activations),
        activations=activations,
        count=count,
    )
    if not exact:
        return made
    blocks = [view(i) for i in index[:-1]]
    return dataclasses.replace(
        made,
        variance=np.stack([np.diag(covariance).reshape(shape) for covariance in covariances]),
        block_covariance=tuple(
            covariance[b[..., :, None], b[..., None, :]]
            for covariance, b in zip(covariances[:-1], blocks, strict=True)
        ),
    )


def halves(factorization, level, views):
    """What stays and what is factored out of activations given as a level's views."""
    moved = factorization.bijector(level, views.shape[1:]).inverse(views).numpy()
    return np.split(moved, 2, axis=-1)
