"""The density of images of whole intensities: tensors in, tensors out."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.checks import image_batch
from tfp_lcma.bijectors.context import Context, ProbeSeeds
from tfp_lcma.bijectors.flow_bijector import FlowBijector, no_sum_yet
from tfp_lcma.bijectors.log_det import EventLogDet, LogDet, NoLogDet
from tfp_lcma.density.dequantization import Dequantization, image_seeds, uniform_of_images
from tfp_lcma.density.distribution import FlowDistribution
from tfp_lcma.density.rows import in_range, known, nan_unless


class Noised(NamedTuple):
    """Images made continuous.

    Attributes:
        x: `[n, height, width, channels]`.
        minus_log_q: -log q(u | image) in nats, `[n]`, or each dimension's share in the shape of
            `x`: what the noise adds to the bound on log P(image).
        probes: Seeds of the probes of estimated log-dets that go with them.
    """

    x: tf.Tensor
    minus_log_q: tf.Tensor
    probes: ProbeSeeds


class ImageDensity:
    """What is asked of a flow over images, from whole intensities to densities.

    ```none
    image --dequantisation--> x in [0, bins) --preprocessing--> flow --> N(0, I)
    ```

    Where a log-det is estimated, its probes are drawn by the image too, so that
    a density is a function of image, seed and draw, in whatever batch.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    model = lcma.FlowModel(lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1))
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1), "uint8")
    tuple(model.density.log_prob(images, seed=(0, 0)).shape)  # (2,)
    ```

    Attributes:
        distribution: The `FlowDistribution` of dequantised intensities.
        dequantization: What makes whole intensities continuous.
        bins: Number of intensity values.
        event_shape: `(height, width, channels)`.
        dtype: Of values and densities.
    """

    def __init__(
        self,
        flow: FlowBijector,
        preprocessing: FlowBijector,
        dequantization: Dequantization,
        bins: int,
    ):
        """Puts the parts together.

        Args:
            flow: The flow, from preprocessed values to noise.
            preprocessing: Flow from dequantised intensities to the domain of `flow`.
            dequantization: What makes whole intensities continuous.
            bins: Number of intensity values.
        """
        self.distribution = FlowDistribution(FlowChain([preprocessing, flow]))
        self.dequantization, self.bins = dequantization, bins
        self.event_shape, self.dtype = flow.event_shape, flow.dtype
        # The largest float32 below bins: rounded down, an image holds intensities.
        self._highest = np.nextafter(np.float32(bins), np.float32(0))

    def dequantized(
        self, images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor = 0
    ) -> tuple[tf.Tensor, ProbeSeeds]:
        """Returns continuous values of images, and the seeds of probes that go with them.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            seed: int32[2], or `[n, 2]`, one for every image.
            draw: Which of several draws for the same images.

        Raises:
            ValueError: If the images are no batch of the model's shape.
        """
        images, uniform, probes = self._drawn(images, seed, draw)
        context = Context(probes=probes)
        x, _ = self.dequantization.add_noise(images, uniform, NoLogDet(), context)
        return x, probes

    def noised(
        self, images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor = 0, event: bool = False
    ) -> Noised:
        """Returns what `dequantized` does, and what its noise adds to the bound.

        Args:
            images: `[n, height, width, channels]`; their whole parts count.
            seed: int32[2], or `[n, 2]`, one for every image.
            draw: Which of several draws for the same images.
            event: Whether that is wanted by dimension.
        """
        images, uniform, probes = self._drawn(images, seed, draw)
        nothing: LogDet = EventLogDet(tf.zeros_like(uniform)) if event else no_sum_yet(uniform)
        context = Context(probes=probes)
        x, added = self.dequantization.add_noise(images, uniform, nothing, context)
        return Noised(x, added.values, probes)

    def _drawn(self, images, seed, draw):
        """Returns images, the uniform numbers that their noise is made of, and probes' seeds."""
        images = image_batch(images, self.event_shape, "images", dtype=None)
        uniform = uniform_of_images(images, seed, draw, self.dtype)
        shared = tf.reshape(seed, (-1, 2))[0, 0] + tf.cast(draw, tf.int32)
        return images, uniform, ProbeSeeds(image_seeds(images, seed, draw), shared)

    def log_prob(
        self, images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor = 0, condition=None
    ) -> tf.Tensor:
        """Returns log p(image + u) - log q(u | image) of one draw, `[n]`, in nats.

        That is a bound on log P(image) in its mean over draws. NaN where a row makes no sense: an
        intensity out of range, a class that does not exist.
        """
        x, minus_log_q, probes = self.noised(images, seed, draw)
        log_prob = self.log_prob_at(x, probes, condition) + minus_log_q
        return nan_unless(self.valid(images, condition), log_prob)

    def event_log_prob(
        self, images: tf.Tensor, seed: tf.Tensor, draw: int | tf.Tensor = 0, condition=None
    ) -> tf.Tensor:
        """Returns each dimension's share of `log_prob`, in the shape of the images."""
        x, minus_log_q, probes = self.noised(images, seed, draw, event=True)
        shares = self.event_log_prob_at(x, probes, condition) + minus_log_q
        return nan_unless(self.valid(images, condition), shares)

    def valid(self, images: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns `[n]`, whether an image holds intensities and its condition is one."""
        conditions = self.distribution.bijector.conditions
        condition = None if condition is None else tf.convert_to_tensor(condition)
        return in_range(tf.convert_to_tensor(images), self.bins) & known(condition, conditions)

    def log_prob_at(self, x: tf.Tensor, probes: ProbeSeeds | None, condition=None) -> tf.Tensor:
        """Returns the log-density of continuous values, `[n]`, in nats."""
        context = Context(condition, probes=probes)
        return self.distribution.log_prob(x, context=context)

    def event_log_prob_at(
        self, x: tf.Tensor, probes: ProbeSeeds | None, condition=None
    ) -> tf.Tensor:
        """Returns each dimension's share of `log_prob_at`, in the shape of `x`."""
        return self.distribution.event_log_prob(x, context=Context(condition, probes=probes))

    def encode(self, x: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns the latents of continuous values, in their shape."""
        return self.distribution.encode(x, condition)

    def decode(self, z: tf.Tensor, condition=None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns images of latents, and whether each was found.

        Returns:
            float32 in [0, bins), and a boolean `[n]`: where it is false the latents
            are not finite or have no image, and the row is NaN.
        """
        x, converged = self.distribution.bijector.forward_with_convergence(z, condition)
        # Infinite latents may have finite images.
        found = converged & tf.reduce_all(tf.math.is_finite(z), axis=(1, 2, 3))
        images = tf.clip_by_value(tf.cast(x, tf.float32), 0.0, self._highest)
        lost = tf.constant(np.nan, images.dtype)
        return tf.where(found[:, None, None, None], images, lost), found

    def to_bits(self, log_prob):
        """Returns -log_prob / (D log 2): nats as bits per dimension."""
        return -log_prob / float(np.prod(self.event_shape) * np.log(2))
