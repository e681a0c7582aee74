"""The distribution of a flow: standard normal noise pushed through it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_lcma.bijectors.checks import check_rank, image_batch
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import (
    FlowBijector,
    no_sum_yet,
    standard_normal_log_prob,
    unconverted,
)
from tfp_lcma.bijectors.log_det import NoLogDet
from tfp_lcma.density.composite import ShowsFlow
from tfp_lcma.validation import check_count, of_numbers


class FlowDistribution(tfd.TransformedDistribution, metaclass=ShowsFlow):
    r"""A `tfd.TransformedDistribution` over N(0, I) that knows the parts of its log-density.

    ```math
    \log p(x) = \sum_i \ell_i, \quad \ell_i = \log N(z_i; 0, 1) + d_i
    ```

    where z is the latent of x and d its log-det per dimension; `event_log_prob` returns all of ℓ.

    The sum is the exact log-density. The map is an attribution in the flow's
    own coordinates, not a density per pixel: meaningful per pixel where layers
    keep pixels apart (RealNVP), per block where they mix channels (Glow).

    Outside the support (that of `LogitPreprocessing` is a little wider than the range of pixels)
    the log-density is -inf, so that mixtures and importance weights stay finite; of NaN it is NaN.

    All methods take `condition=`, for flows that have one.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1)
    distribution = lcma.FlowDistribution(flow)
    x = distribution.sample(2, seed=0)
    tuple(distribution.log_prob(x).shape)  # (2,)
    tuple(distribution.event_log_prob(x).shape)  # (2, 4, 4, 1)
    ```
    """

    def __init__(self, bijector: FlowBijector, name: str = "FlowDistribution"):
        """Creates the distribution over the domain of `bijector`.

        Args:
            bijector: The flow, from data to noise.
            name: Name of the distribution.

        Raises:
            ValueError: If `bijector` is not a `FlowBijector`.
        """
        parameters = dict(locals())
        if not isinstance(bijector, FlowBijector):
            raise ValueError(
                "bijector must be a FlowBijector, whose log-det is per dimension; got "
                f"{type(bijector).__name__}. For others use tfd.TransformedDistribution."
            )
        dtype = bijector.dtype or tf.float32
        latent_shape = bijector.inverse_event_shape(bijector.event_shape)
        noise = tfd.Sample(tfd.Normal(tf.zeros((), dtype), tf.ones((), dtype)), latent_shape)
        super().__init__(noise, bijector, parameters=parameters, name=name)

    def __getitem__(self, slices):
        raise ValueError(
            "A FlowDistribution has no batch of distributions to take a slice of; got one. For a "
            "batch use tfd.BatchBroadcast or tfd.Sample."
        )

    def __reduce__(self):
        return _from_parameters, (type(self), dict(self.parameters))

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"bijector": tfp.util.BatchedComponentProperties(event_ndims=3)}

    def event_log_prob(
        self, x: tf.Tensor, condition=None, context: Context | None = None
    ) -> tf.Tensor:
        """Returns each dimension's share of log p(x), in nats and in the shape of `x`.

        Args:
            x: `[batch, height, width, channels]`, in the flow's data space.
            condition: What the flow is conditioned on.
            context: What else the pass goes by; None: a pass of inference.
        """
        x = image_batch(x, self.bijector.event_shape, "x", self.dtype)
        x, inside = self._within_support(x, self._context(x, condition, context))
        z, log_det = self.bijector.inverse_and_event_log_det(x, condition, context=context)
        return _minus_infinity_unless(inside, standard_normal_log_prob(z) + log_det)

    @unconverted
    def encode(self, x: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns the latents of `x`, in its shape."""
        x = image_batch(x, self.bijector.event_shape, "x", self.dtype)
        return self.bijector.carry_inverse(x, NoLogDet(), self._context(x, condition))[0]

    @unconverted
    def decode(self, z: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns the data whose latents are `z`."""
        z = image_batch(z, self.bijector.latent_shape, "z", self.dtype)
        return self.bijector.carry_forward(z, NoLogDet(), self._context(z, condition))[0]

    def interpolate(
        self,
        start: tf.Tensor,
        end: tf.Tensor,
        condition=None,
        steps: int = 8,
        spherical: bool = False,
    ) -> tf.Tensor:
        """Walks from `start` to `end` in noise space.

        Args:
            start: `[batch, height, width, channels]`.
            end: Same shape.
            condition: What the flow is conditioned on, all along.
            steps: Number of images a row, ends included, at least 2.
            spherical: Whether to walk along the arc, which keeps the noise's
                length, rather than the straight line.

        Returns:
            `[batch, steps, height, width, channels]`.

        Raises:
            ValueError: If `steps` is no whole number or less than 2.
        """
        steps = check_count(steps, "steps", least=2)
        first, last = self.encode(start, condition), self.encode(end, condition)
        weight = tf.reshape(tf.linspace(tf.zeros((), self.dtype), 1, steps), (1, -1, 1, 1, 1))
        first, last = first[:, None], last[:, None]
        path = _arc(first, last, weight) if spherical else first + weight * (last - first)
        shape = tf.shape(path)
        condition = self._context(first, condition).condition
        if condition is not None:
            condition = tf.repeat(condition, steps, axis=0)
        images = self.decode(tf.reshape(path, (-1, *path.shape[2:])), condition)
        return tf.reshape(images, shape)

    def temper(self, z: tf.Tensor, temperature: float | Sequence[float]) -> tf.Tensor:
        """Scales noise by one temperature, or by one for every level of the flow.

        Raises:
            ValueError: If the number of temperatures is not that of the levels, or one is no
                number, negative or not finite; where the value is known only in a graph, the noise
                is NaN.
        """
        scale = _numbers(temperature, "temperature", z.dtype)
        known = tf.get_static_value(scale)
        if known is not None and not (np.isfinite(known) & (known >= 0)).all():
            raise ValueError(f"temperature must be finite and at least 0; got {temperature}.")
        valid = (scale >= 0) & tf.math.is_finite(scale)
        scale = tf.where(valid, scale, tf.constant(np.nan, scale.dtype))
        if scale.shape.rank == 0:
            return z * scale
        levels = 1 if self.bijector.exit_map is None else int(self.bijector.exit_map.max()) + 1
        if scale.shape.rank != 1 or scale.shape[0] != levels:
            raise ValueError(
                f"temperature must be one number or one for each of {levels} levels; got shape "
                f"{tuple(scale.shape)}."
            )
        exit_map = self.bijector.exit_map
        return z * (scale[0] if exit_map is None else tf.gather(scale, exit_map))

    def _call_sample_n(self, sample_shape, seed, temperature=1.0, condition=None):
        z = self.temper(self.distribution.sample(sample_shape, seed=seed), temperature)
        flat = z if z.shape.rank == 4 else tf.reshape(z, (-1, *z.shape[-3:]))
        x = self.decode(flat, condition)
        if z.shape.rank != 4:
            x = tf.reshape(x, tf.concat([tf.shape(z)[:-3], x.shape[1:]], axis=0))
        return tf.ensure_shape(x, z.shape[:-3] + self.bijector.event_shape)

    @unconverted
    def _log_prob(self, x, condition=None, context=None):
        check_rank(x, None, "x")
        flat = x if x.shape.rank == 4 else tf.reshape(x, (-1, *x.shape[-3:]))
        flat = image_batch(flat, self.bijector.event_shape, "x", self.dtype)
        context = self._context(flat, condition, context)
        flat, inside = self._within_support(flat, context)
        log_prob = self.bijector.log_density(flat, no_sum_yet(flat), context)
        log_prob = _minus_infinity_unless(inside, log_prob)
        return log_prob if x.shape.rank == 4 else tf.reshape(log_prob, tf.shape(x)[:-3])

    def _within_support(self, x, context):
        """Returns data within the support, and whether a row was there as it came, or None."""
        # NaN for -inf would poison a mixture, and a gradient of NaN the rows that count.
        if self.bijector.defined_everywhere:
            return x, None
        return self.bijector.within_support(x, context)

    def _context(self, images, condition, context=None):
        return self.bijector.context_of(images, condition, context)

    def _sample_and_log_prob(self, sample_shape, seed, condition=None):
        z = self.distribution.sample(sample_shape, seed=seed)
        x, log_det = self.bijector._one_pass(
            self.bijector.forward_and_log_det, z, {"condition": condition}
        )
        return x, tf.reduce_sum(standard_normal_log_prob(z), axis=(-3, -2, -1)) - log_det


def _numbers(values, argument, dtype):
    """Returns numbers of any type as `dtype`, or raises a ValueError naming `argument`."""
    try:
        tensor = tf.convert_to_tensor(values)
    except (TypeError, ValueError):
        tensor = None
    if tensor is None or not of_numbers(tensor.dtype):
        raise ValueError(f"{argument} must be a number, or several; got {values!r}.")
    return tf.cast(tensor, dtype)


def _from_parameters(kind, parameters):
    """Makes a copied or unpickled distribution."""
    return kind(**parameters)


def _minus_infinity_unless(inside, log_prob):
    """Returns log-densities, `[batch]` or per dimension, -inf in rows outside the support."""
    if inside is None:
        return log_prob
    kept = tf.reshape(inside, (-1, *(1 for _ in log_prob.shape[1:]))) | tf.math.is_nan(log_prob)
    return tf.where(kept, log_prob, tf.constant(-np.inf, log_prob.dtype))


def _arc(first, last, weight):
    """Spherical interpolation; the straight line where the two directions coincide."""
    axes = (-3, -2, -1)
    norms = [tf.sqrt(tf.reduce_sum(tf.square(z), axes, keepdims=True)) for z in (first, last)]
    cosine = tf.reduce_sum(first * last, axes, keepdims=True) / (norms[0] * norms[1])
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    sine = tf.sin(angle)
    straight = sine < 1e-4
    sine = tf.where(straight, tf.ones_like(sine), sine)
    arc = (tf.sin((1 - weight) * angle) * first + tf.sin(weight * angle) * last) / sine
    return tf.where(straight, first + weight * (last - first), arc)
