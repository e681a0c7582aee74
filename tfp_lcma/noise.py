"""Noise that is a function of an image, a seed or a row, never of the batch around it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# An algorithm named outright gives the same bits on CPUs and GPUs.
_PHILOX = 1
# Odd, so that multiplying by it is a bijection of the 32-bit integers.
_DRAW_STRIDE = 0x3C6EF35F
# Binary digits of a uniform number: as many as its type resolves below one.
_DIGITS = {tf.float32: 24, tf.float64: 53}


def seed_pair(seed: int | Sequence[int]) -> tf.Tensor:
    """Returns a seed as int32[2], from one whole number or from two.

    Raises:
      ValueError: If `seed` is neither.
    """
    if isinstance(seed, tf.Tensor):
        return tf.cast(tf.reshape(seed, (2,)), tf.int32)
    pair = np.asarray(seed)
    if pair.dtype.kind not in "iu" or pair.shape not in ((), (2,)):
        raise ValueError(f"seed must be a whole number or a pair of them; got {seed!r}.")
    low, high = (int(pair), int(pair) >> 32) if pair.shape == () else pair
    words = np.array([int(low) & 0xFFFFFFFF, int(high) & 0xFFFFFFFF], np.uint32)
    return tf.constant(words.view(np.int32))


def image_seeds(images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor = 0) -> tf.Tensor:
    """Returns a seed for every image, a hash of its pixels and of `seed`.

    Args:
      images: `[n, height, width, channels]` of whole numbers.
      seed: int32[2], or `[n, 2]`, one for every image.
      draw: Which of several draws for the same image.

    Returns:
      int32 `[n, 2]`.
    """
    size = int(np.prod(images.shape[1:]))
    pixels = tf.reshape(tf.cast(images, tf.int32), (-1, size, 1))
    weights = np.random.default_rng(0).integers(-(2**31), 2**31, (size, 2)) | 1
    hashes = tf.reduce_sum(pixels * tf.constant(weights.astype(np.int32)), axis=1)
    return hashes + seed + tf.cast(draw, tf.int32) * _DRAW_STRIDE


def dequantize(images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor, dtype) -> tf.Tensor:
    """Returns whole parts of images plus uniform noise, a function of image, seed and draw."""
    uniform = uniform_rows(image_seeds(images, seed, draw), images.shape[1:], dtype)
    return tf.floor(tf.cast(images, dtype)) + uniform


def dequantize_batch(images: tf.Tensor, seed: tf.Tensor, dtype) -> tf.Tensor:
    """Returns whole parts of images plus uniform noise, a function of the seed alone."""
    return tf.floor(tf.cast(images, dtype)) + uniform_batch(tf.shape(images), seed, dtype)


def uniform_rows(seeds: tf.Tensor, shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` uniform in [0, 1), each row from its own seed of int32 `[n, 2]`."""
    return tf.map_fn(
        lambda row: uniform_batch(shape, row, dtype),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, dtype),
    )


def normal_rows(seeds: tf.Tensor, shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` standard normal, each row from its own seed of int32 `[n, 2]`.

    The same under XLA, where `tf.random.stateless_normal` gives other numbers.
    """
    uniform = uniform_rows(seeds, shape, dtype)
    # To the middle of its interval: an odd number of 24 or 53 digits, without rounding.
    centred = 2 * uniform - (1 - 2.0 ** -_DIGITS[dtype])
    return np.sqrt(2).astype(dtype.as_numpy_dtype) * tf.math.erfinv(centred)


def uniform_batch(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns one uniform [0, 1) tensor of `shape` from int32[2].

    `tf.random.stateless_uniform` gives other numbers under XLA, which Keras
    compiles `fit` and `evaluate` with. The raw bits are the same everywhere.
    """
    word = tf.uint64 if dtype == tf.float64 else tf.uint32
    bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=tf.bitcast(seed, tf.uint64)[None],
        counter=tf.zeros((2,), tf.uint64),
        dtype=word,
        alg=_PHILOX,
    )
    digits = _DIGITS[dtype]
    whole = tf.bitwise.right_shift(bits, tf.constant(8 * word.size - digits, word))
    return tf.cast(whole, dtype) * 2.0**-digits


def sign_rows(seeds: tf.Tensor, shape: Sequence[int], salt: int, dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` of -1 and 1, each row a function of its own seed and of `salt`.

    All rows at once, by hashing seed and position: no loop over rows as in
    `uniform_rows`, which would be run for every block of a residual flow.

    Args:
      seeds: int32 `[n, 2]`.
      shape: Of one row.
      salt: Whole number; other salts give independent signs for the same seeds.
      dtype: Of the signs.
    """
    words = tf.bitcast(seeds, tf.uint32)
    salt = tf.constant(salt & 0xFFFFFFFF, tf.uint32)
    first = _scramble(words[:, :1] + _scramble(words[:, 1:] + _scramble(salt)))
    position = tf.cast(tf.range(int(np.prod(shape))), tf.uint32)
    bits = _scramble(_scramble(tf.bitwise.bitwise_xor(position, first)) + words[:, 1:])
    highest = tf.cast(tf.bitwise.right_shift(bits, tf.constant(31, tf.uint32)), dtype)
    return tf.reshape(2 * highest - 1, (-1, *shape))


def _scramble(words: tf.Tensor) -> tf.Tensor:
    """A bijection of uint32 every output bit of which depends on every input bit.

    Chris Wellons' lowbias32 (github.com/skeeto/hash-prospector).
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        shifted = tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32))
        words = tf.bitwise.bitwise_xor(words, shifted) * tf.constant(factor, tf.uint32)
    return words
