"""Training batches as a function of (seed, step), so that a resumed run sees what it would have."""

import functools

import numpy as np
import tensorflow as tf

_PREFETCHED = 2


def batches(
    images: np.ndarray, *, batch_size: int, seed: int, start: int, stop: int, flip: bool = False
) -> tf.data.Dataset:
    """Returns the batches of steps `start` to `stop - 1`.

    Every image is seen once before any is seen again, in an order that the
    seed gives each pass over the data.

    Args:
        images: uint8 [n, H, W, C], possibly a memory map.
        batch_size: images a step.
        seed: of the order and the flips.
        start: first step.
        stop: the step after the last.
        flip: whether to flip images left to right at random.

    Returns:
        A dataset of uint8 [batch_size, H, W, C].
    """

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(images))

    def batch(step: np.int64) -> np.ndarray:
        positions = step * batch_size + np.arange(batch_size)
        rows = [order(int(p) // len(images))[int(p) % len(images)] for p in positions]
        chosen = images[rows]
        if flip:
            flipped = np.random.default_rng([seed, int(step), 1]).random(batch_size) < 0.5
            chosen[flipped] = chosen[flipped, :, ::-1]
        return chosen

    def load(step: tf.Tensor) -> tf.Tensor:
        loaded = tf.numpy_function(batch, [step], tf.uint8)
        return tf.ensure_shape(loaded, (batch_size, *images.shape[1:]))

    return tf.data.Dataset.range(start, stop).map(load).prefetch(_PREFETCHED)
