"""Random numbers that are functions of a row's own seed, never of the batch around it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# An algorithm named outright gives the same bits on CPUs and GPUs.
_PHILOX = 1
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


def uniform_rows(seeds: tf.Tensor, shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` uniform in [0, 1), each row a function of its own seed.

    All rows at once, by hashing seed and position.

    Args:
        seeds: int32 `[n, 2]`.
        shape: Of one row.
        dtype: float32, of 24 binary digits, or float64, of 53.
    """
    digits = _DIGITS[dtype]
    if dtype == tf.float64:
        high = tf.cast(_hashed(seeds, shape, 1), tf.uint64)
        low = tf.cast(_hashed(seeds, shape, 2), tf.uint64)
        bits = tf.bitwise.bitwise_or(tf.bitwise.left_shift(high, tf.constant(32, tf.uint64)), low)
    else:
        bits = _hashed(seeds, shape, 1)
    shift = 8 * bits.dtype.size - digits
    whole = tf.bitwise.right_shift(bits, tf.constant(shift, bits.dtype))
    return tf.reshape(tf.cast(whole, dtype) * 2.0**-digits, (-1, *shape))


def normal_rows(seeds: tf.Tensor, shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` standard normal, each row from its own seed of int32 `[n, 2]`.

    The same under XLA, where `tf.random.stateless_normal` gives other numbers.
    """
    return normal_of(uniform_rows(seeds, shape, dtype))


def normal_of(uniform: tf.Tensor) -> tf.Tensor:
    """Returns the standard normal numbers whose distribution function is at uniform ones.

    Args:
        uniform: In [0, 1), of 24 binary digits in float32 or 53 in float64.
    """
    dtype = uniform.dtype
    # To the middle of its interval: an odd number of 24 or 53 digits, without rounding.
    centred = 2 * uniform - (1 - 2.0 ** -_DIGITS[dtype])
    # Where erfinv is made of the normal quantile of (1 + it) / 2, the largest would be infinite.
    centred = tf.minimum(centred, 1 - 2.0 ** (1 - _DIGITS[dtype]))
    return np.sqrt(2).astype(dtype.as_numpy_dtype) * tf.math.erfinv(centred)


def uniform_batch(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns one uniform [0, 1) tensor of `shape` from int32[2].

    `tf.random.stateless_uniform` gives other numbers under XLA, which Keras
    compiles `fit` and `evaluate` with. The raw bits are the same everywhere.
    """
    return _philox(shape, seed, tf.zeros((2,), tf.uint64), dtype)


def uniform_rows_from(
    first_row: int | tf.Tensor,
    count: int | tf.Tensor,
    shape: Sequence[int],
    seed: tf.Tensor,
    dtype: tf.DType,
) -> tf.Tensor:
    """Returns `[count, *shape]` uniform in [0, 1), some of the rows that one seed draws.

    Args:
        first_row: Number of the first row, from 0 on.
        count: How many rows.
        shape: Of one row.
        seed: int32[2].
        dtype: float32 or float64.
    """
    size = int(np.prod(shape))
    # Philox makes 128 bits at every number of its counter: rows begin where they do.
    per_counter = 2 if dtype == tf.float64 else 4
    counters = -(-size // per_counter)
    start = tf.cast(first_row, tf.uint64) * tf.constant(counters, tf.uint64)
    counter = tf.stack([start, tf.zeros((), tf.uint64)])
    uniform = _philox(tf.stack([count, counters * per_counter]), seed, counter, dtype)
    return tf.reshape(uniform[:, :size], (-1, *shape))


def sign_rows(seeds: tf.Tensor, shape: Sequence[int], salt, dtype: tf.DType) -> tf.Tensor:
    """Returns `[n, *shape]` of -1 and 1, each row a function of its own seed and of `salt`.

    All rows at once, by hashing seed and position.

    Args:
        seeds: int32 `[n, 2]`.
        shape: Of one row.
        salt: Whole number, or an int32 scalar; other salts give independent signs for the same
            seeds.
        dtype: Of the signs.
    """
    bits = _hashed(seeds, shape, salt)
    highest = tf.cast(tf.bitwise.right_shift(bits, tf.constant(31, tf.uint32)), dtype)
    return tf.reshape(2 * highest - 1, (-1, *shape))


def _philox(shape, seed, counter, dtype):
    """Returns uniform numbers from uint64[2], where the algorithm starts to count."""
    word = tf.uint64 if dtype == tf.float64 else tf.uint32
    bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=tf.bitcast(seed, tf.uint64)[None],
        counter=counter,
        dtype=word,
        alg=_PHILOX,
    )
    digits = _DIGITS[dtype]
    whole = tf.bitwise.right_shift(bits, tf.constant(8 * word.size - digits, word))
    return tf.cast(whole, dtype) * 2.0**-digits


def _hashed(seeds: tf.Tensor, shape: Sequence[int], salt) -> tf.Tensor:
    """Returns 32 random bits for every position of every row, uint32 `[n, size]`."""
    words = tf.bitcast(seeds, tf.uint32)
    salt = tf.bitcast(tf.cast(salt, tf.int32), tf.uint32)
    first = _scramble(words[:, :1] + _scramble(words[:, 1:] + _scramble(salt)))
    position = tf.cast(tf.range(int(np.prod(shape))), tf.uint32)
    return _scramble(_scramble(tf.bitwise.bitwise_xor(position, first)) + words[:, 1:])


def _scramble(words: tf.Tensor) -> tf.Tensor:
    """A bijection of uint32 every output bit of which depends on every input bit.

    Chris Wellons' lowbias32 (github.com/skeeto/hash-prospector).
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        shifted = tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32))
        words = tf.bitwise.bitwise_xor(words, shifted) * tf.constant(factor, tf.uint32)
    return words
