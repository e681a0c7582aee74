"""Training batches as a function of (seed, step), so that a resumed run sees what it would have."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfp_lcma.serving.encoded import FilePixels, decode_images
from tfp_lcma.training.data.records import Records

_PREFETCHED = 2
# Images in files are shuffled by neighbours that lie together, and images of so many of those.
_NEIGHBOURS, _MIXED = 256, 256


def batches(
    images: np.ndarray | Records,
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
    seed gives each pass over the data. Which images are a step's batch depends on
    nothing else, so that one worker and several see the same.

    Args:
        images: uint8 [n, H, W, C], possibly a memory map, or in files; those are decoded in
            parallel.
        batch_size: Images a step.
        seed: Of the order and the flips.
        start: First step.
        stop: The step after the last.
        flip: Whether to flip images left to right at random.
        labels: int [n], the class of every image, to go with it; None: images alone.

    Returns:
        A dataset of uint8 [batch_size, H, W, C], or of pairs with int32 [batch_size].
    """
    in_files = isinstance(images, Records)
    shuffled = in_blocks if in_files else _permutation

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return shuffled(len(images), np.random.default_rng([seed, epoch]))

    def rows(step: np.int64) -> list[int]:
        positions = step * batch_size + np.arange(batch_size)
        return [order(int(p) // len(images))[int(p) % len(images)] for p in positions]

    def flipped(step: np.int64, chosen: np.ndarray) -> np.ndarray:
        turned = np.random.default_rng([seed, int(step), 1]).random(batch_size) < 0.5
        return np.where(turned[:, None, None, None], chosen[:, :, ::-1], chosen)

    def load(step: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        if isinstance(images, Records):
            loaded = _decoded(images, rows, step, batch_size)
        else:
            loaded = tf.numpy_function(lambda step: images[rows(step)], [step], tf.uint8)
        if flip:
            loaded = tf.numpy_function(flipped, [step, loaded], tf.uint8)
        loaded = tf.ensure_shape(loaded, (batch_size, *images.shape[1:]))
        if labels is None:
            return loaded
        classes = tf.numpy_function(
            lambda step: labels[rows(step)].astype(np.int32), [step], tf.int32
        )
        return loaded, tf.ensure_shape(classes, (batch_size,))

    steps = tf.data.Dataset.range(start, stop)
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True} if in_files else {}
    return steps.map(load, **parallel).prefetch(_PREFETCHED)


def _decoded(
    records: Records, rows: Callable[[np.int64], list[int]], step: tf.Tensor, batch_size: int
) -> tf.Tensor:
    """Returns a step's images by TensorFlow's readers, which take no lock of Python's.

    What those would read otherwise than `read_pixels`, that one reads.
    """

    def read(step):
        return np.array([records.content(row) for row in rows(step)], np.object_)

    def completed(step, contents, pixels, readable):
        pixels = pixels.copy()
        for at in np.flatnonzero(~readable):
            pixels[at] = records.pixels(rows(step)[at], contents[at])
        return pixels

    contents = tf.ensure_shape(tf.numpy_function(read, [step], tf.string), (batch_size,))
    pixels = decode_images(contents, FilePixels(**records.settings.to_config()))
    return tf.numpy_function(completed, [step, contents, *pixels], tf.uint8)


def in_blocks(count: int, random: np.random.Generator) -> np.ndarray:
    """Returns an order in which images that lie together in a file are used at about one time.

    Blocks of neighbours are shuffled, and then the images of some blocks among each other, as in
    a buffer: a file system reads ahead, and need not keep all.
    """
    blocks = np.split(np.arange(count), np.arange(_NEIGHBOURS, count, _NEIGHBOURS))
    order = np.concatenate([blocks[number] for number in random.permutation(len(blocks))])
    mixed = _NEIGHBOURS * _MIXED
    return np.concatenate(
        [random.permutation(order[first : first + mixed]) for first in range(0, count, mixed)]
    )


def _permutation(count: int, random: np.random.Generator) -> np.ndarray:
    return random.permutation(count)
