"""Training batches as a function of (seed, step), so that a resumed run sees what it would have."""

import functools
from collections.abc import Callable, Sequence

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
    parts: Sequence[slice] | None = None,
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
        parts: The rows of a batch that are wanted, an element of the dataset for each of these
            parts; nothing else is read. None: all, as one element.

    Returns:
        A dataset of uint8 [batch_size, H, W, C], or of pairs with int32 [batch_size].
    """
    parts = [slice(batch_size)] if parts is None else parts
    sizes = {len(range(*part.indices(batch_size))) for part in parts}
    size = sizes.pop() if len(sizes) == 1 else None
    in_files = isinstance(images, Records)
    shuffled = in_blocks if in_files else _permutation

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return shuffled(len(images), np.random.default_rng([seed, epoch]))

    def place(number: np.int64) -> tuple[int, slice]:
        step, part = divmod(int(number), len(parts))
        return step, parts[part]

    def rows(number: np.int64) -> list[int]:
        step, part = place(number)
        positions = step * batch_size + np.arange(batch_size)[part]
        return [order(int(p) // len(images))[int(p) % len(images)] for p in positions]

    def flipped(number: np.int64, chosen: np.ndarray) -> np.ndarray:
        step, part = place(number)
        turned = np.random.default_rng([seed, step, 1]).random(batch_size)[part] < 0.5
        return np.where(turned[:, None, None, None], chosen[:, :, ::-1], chosen)

    def load(number: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        if isinstance(images, Records):
            loaded = _decoded(images, rows, number, size)
        else:
            loaded = tf.numpy_function(lambda number: images[rows(number)], [number], tf.uint8)
        if flip:
            loaded = tf.numpy_function(flipped, [number, loaded], tf.uint8)
        loaded = tf.ensure_shape(loaded, (size, *images.shape[1:]))
        if labels is None:
            return loaded
        classes = tf.numpy_function(
            lambda number: labels[rows(number)].astype(np.int32), [number], tf.int32
        )
        return loaded, tf.ensure_shape(classes, (size,))

    numbers = tf.data.Dataset.range(start * len(parts), stop * len(parts))
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True} if in_files else {}
    return numbers.map(load, **parallel).prefetch(_PREFETCHED)


def _decoded(
    records: Records, rows: Callable[[np.int64], list[int]], number: tf.Tensor, size: int | None
) -> tf.Tensor:
    """Returns an element's images by TensorFlow's readers, which take no lock of Python's.

    What those would read otherwise than `read_pixels`, that one reads.
    """

    def read(number):
        return np.array([records.content(row) for row in rows(number)], np.object_)

    def completed(number, contents, pixels, readable):
        pixels = pixels.copy()
        for at in np.flatnonzero(~readable):
            pixels[at] = records.pixels(rows(number)[at], contents[at])
        return pixels

    contents = tf.ensure_shape(tf.numpy_function(read, [number], tf.string), (size,))
    pixels = decode_images(contents, FilePixels(**records.settings.to_config()))
    return tf.numpy_function(completed, [number, contents, *pixels], tf.uint8)


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
