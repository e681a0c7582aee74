"""Dequantisation: whole intensities become continuous values, by noise in [0, 1)."""

import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet, NoLogDet
from tfp_lcma.serialization import Configurable, register

# Goes up when the same images and seeds come to get other noise.
NOISE_VERSION = 2
# Between the seeds of two draws. Odd, so that multiplying by it is a bijection of 32-bit integers.
DRAW_STRIDE = 0x3C6EF35F


class Dequantization(Configurable):
    r"""Noise u in [0, 1), of a density q(u | image), that makes whole intensities continuous.

    ```math
    \log P(x) \ge \mathbb{E}_{u \sim q(u \mid x)} [\log p(x + u) - \log q(u \mid x)]
    ```

    A subclass writes `add_noise` and `get_config`.

    ```python
    import math

    import keras
    import tensorflow as tf

    import tfp_lcma as lcma


    @keras.saving.register_keras_serializable(package="mine")
    class Middle(lcma.density.Dequantization):
        # Noise of the middle half of the unit interval.
        def add_noise(self, images, uniform, log_det, context):
            # A density of 2 in every dimension.
            x = tf.floor(tf.cast(images, uniform.dtype)) + 0.25 + uniform / 2
            return x, log_det.plus(tf.fill(tf.shape(uniform), -math.log(2)))

        def get_config(self):
            return {}
    ```
    """

    @property
    def flows(self) -> list[FlowBijector]:
        """The flows that it consists of, which are trained with the model's own."""
        return []

    def for_model(self, flow: FlowBijector, bins: int) -> "Dequantization":
        """Returns it as it is for the images of a flow.

        Args:
            flow: The model's.
            bins: Number of intensity values.

        Raises:
            ValueError: If it is for images of another shape or type.
        """
        return self

    def add_noise(
        self, images: tf.Tensor, uniform: tf.Tensor, log_det: LogDet, context: Context
    ) -> tuple[tf.Tensor, LogDet]:
        """Adds noise to images.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            uniform: Numbers in [0, 1) that the noise is made of, in the shape of the images.
            log_det: A log-det so far, of the type of `uniform`.
            context: What the pass goes by, without a condition.

        Returns:
            Values in `[whole part, whole part + 1)`, and the log-det plus -log q(u | image).
        """
        raise NotImplementedError(f"{type(self).__name__} lacks add_noise().")

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
        uniform = uniform_of_images(images, seed, draw, dtype)
        return self.add_noise(images, uniform, NoLogDet(), Context())[0]

    def of_batch(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        dtype: tf.DType,
        first_row: int | tf.Tensor = 0,
        context: Context | None = None,
    ) -> tf.Tensor:
        """Returns dequantised images, each by its row and the seed alone: for training.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            seed: int32[2].
            dtype: float32 or float64.
            first_row: Which row of the whole batch, of which other replicas have the rest, is
                the first of `images`.
            context: What the pass goes by, without a condition; None: a pass of inference.
        """
        uniform = uniform_of_batch(images, seed, dtype, first_row)
        return self.add_noise(images, uniform, NoLogDet(), context or Context())[0]


@register
class Uniform(Dequantization):
    r"""Uniform noise, independent per dimension: log q = 0.

    ```math
    \log P(x) \ge \mathbb{E}_u \log p(x + u), \quad u \text{ uniform in } [0, 1)
    ```

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4)
    model = lcma.FlowModel(flow, dequantization=lcma.density.Uniform())
    ```

    References:
        Theis, van den Oord, Bethge: A note on the evaluation of generative models,
        section 3.1.
    """

    def get_config(self) -> dict:
        return {}

    def add_noise(self, images, uniform, log_det, context):
        return plus_noise(images, uniform), log_det


def uniform_of_images(
    images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    """Returns numbers in [0, 1) that are functions of each image, the seed and the draw."""
    return noise.uniform_rows(image_seeds(images, seed, draw), images.shape[1:], dtype)


def uniform_of_batch(
    images: tf.Tensor, seed: tf.Tensor, dtype: tf.DType, first_row: int | tf.Tensor = 0
) -> tf.Tensor:
    """Returns numbers in [0, 1) that are functions of a row's number and the seed alone."""
    count, shape = tf.shape(images)[0], images.shape[1:]
    return noise.uniform_rows_from(first_row, count, shape, seed, dtype)


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


def plus_noise(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Adds noise in [0, 1] to whole parts, and rounds no sum up to the next whole number."""
    whole = tf.floor(tf.cast(images, u.dtype))
    return tf.minimum(whole + u, _below(whole + 1))


def _below(whole: tf.Tensor) -> tf.Tensor:
    """Returns the largest number of the type below a positive whole number."""
    return whole * (1 - 0.5 * np.finfo(whole.dtype.as_numpy_dtype).eps)
