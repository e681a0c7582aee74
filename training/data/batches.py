"""Training batches as a function of (seed, step), so that a resumed run sees what it would have."""

import functools

import numpy as np
import tensorflow as tf

_PREFETCHED = 2


def batches(
    images: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    flip: bool = False,
    labels: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Returns the batches of steps `start` to `stop - 1`.

    Every image is seen once before any is seen again, in an order that the
    seed gives each pass over the data.

    Args:
        images: uint8 [n, H, W, C], possibly a memory map.
        batch_size: Images a step.
        seed: Of the order and the flips.
        start: First step.
        stop: The step after the last.
        flip: Whether to flip images left to right at random.
        labels: int [n], the class of every image, to go with it; None: images alone.

    Returns:
        A dataset of uint8 [batch_size, H, W, C], or of pairs with int32 [batch_size].
    """

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(images))

    def rows(step: np.int64) -> list[int]:
        positions = step * batch_size + np.arange(batch_size)
        return [order(int(p) // len(images))[int(p) % len(images)] for p in positions]

    def batch(step: np.int64) -> np.ndarray:
        chosen = images[rows(step)]
        if flip:
            flipped = np.random.default_rng([seed, int(step), 1]).random(batch_size) < 0.5
            chosen[flipped] = chosen[flipped, :, ::-1]
        return chosen

    def load(step: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        loaded = tf.numpy_function(batch, [step], tf.uint8)
        loaded = tf.ensure_shape(loaded, (batch_size, *images.shape[1:]))
        if labels is None:
            return loaded
        classes = tf.numpy_function(
            lambda step: labels[rows(step)].astype(np.int32), [step], tf.int32
        )
        return loaded, tf.ensure_shape(classes, (batch_size,))

    return tf.data.Dataset.range(start, stop).map(load).prefetch(_PREFETCHED)
