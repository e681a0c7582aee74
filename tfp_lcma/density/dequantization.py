"""Dequantisation: whole intensities become continuous values, by noise in [0, 1)."""

import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.serialization import Configurable, register

# Goes up when the same images and seeds come to get other noise.
NOISE_VERSION = 2
# Between the seeds of two draws. Odd, so that multiplying by it is a bijection of 32-bit integers.
DRAW_STRIDE = 0x3C6EF35F


@register
class Uniform(Configurable):
    """Uniform noise, independent per dimension.

    ```none
    log P(x) >= E_u log p(x + u),  u uniform in [0, 1) per dimension
    ```

    References:
        Theis, van den Oord, Bethge: A note on the evaluation of generative models,
        section 3.1.
    """

    def get_config(self) -> dict:
        return {}

    def of_images(
        self, images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor, dtype: tf.DType
    ) -> tf.Tensor:
        """Returns dequantised images, a function of each image, the seed and the draw.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            seed: int32[2], or `[n, 2]`, one for every image.
            draw: Which of several draws for the same image.
            dtype: float32 or float64.

        Returns:
            Values in `[whole part, whole part + 1)`, in the shape of the images.
        """
        seeds = image_seeds(images, seed, draw)
        return _plus(images, noise.uniform_rows(seeds, images.shape[1:], dtype))

    def of_batch(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        dtype: tf.DType,
        first_row: int | tf.Tensor = 0,
    ) -> tf.Tensor:
        """Returns dequantised images, each by its row and the seed alone: for training.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            seed: int32[2].
            dtype: float32 or float64.
            first_row: Which row of the whole batch, of which other replicas have the rest, is
                the first of `images`.
        """
        count, shape = tf.shape(images)[0], images.shape[1:]
        return _plus(images, noise.uniform_rows_from(first_row, count, shape, seed, dtype))


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
    return hashes + seed + tf.cast(draw, tf.int32) * DRAW_STRIDE


def _plus(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Adds noise below one to whole parts, and rounds no sum up to the next whole number."""
    whole = tf.floor(tf.cast(images, uniform.dtype))
    return tf.minimum(whole + uniform, _below(whole + 1))


def _below(whole: tf.Tensor) -> tf.Tensor:
    """Returns the largest number of the type below a positive whole number."""
    return whole * (1 - 0.5 * np.finfo(whole.dtype.as_numpy_dtype).eps)
