"""Glow's exit prior: a Gaussian whose mean and scale are computed from what stays."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.batch_statistics import START_IMAGES
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.condition import (
    ConditionBias,
    Conditions,
    check_condition_sides,
    check_conditions,
)
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.priors.least_squares import channel_moments, predictor
from tfp_lcma.serialization import register

# The standard deviation of a dimension that is factored out lies between exp(-5) and exp(5).
LOG_SIGMA_BOUND = 5.0
STARTS = ("zeros", "least_squares")


@register
class GaussianParameters(keras.layers.Layer):
    """Gives a mean and a smoothly bounded log-sigma for every channel; both start at zero.

    Computed from a tensor by one convolution or, without one, learned per channel;
    a condition adds to them what belongs to its class, or is linear in it.

    Attributes:
        start_images: How many images a start from data asks for; 0 without one.
    """

    def __init__(
        self,
        channels: int,
        kept_channels: int | None,
        conditions: Conditions = None,
        start: str = "zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels, self.kept_channels = channels, kept_channels
        self.start_images = START_IMAGES if check_start(start) == "least_squares" else 0
        self.conditions = check_conditions(conditions, images=True)
        if self.conditions is not None:
            self.bias = ConditionBias(2 * channels, self.conditions, dtype=self.dtype_policy)
        if kept_channels is not None:
            self.conv = convolution(
                2 * channels,
                3,
                padding="same",
                kernel_initializer="zeros",
                dtype=self.dtype_policy,
            )
        self.build()

    def build(self, input_shape=None):
        if self.kept_channels is None:
            self.raw = self.add_weight((2 * self.channels,), initializer="zeros", name="raw")
        else:
            self.conv.build((None, None, None, self.kept_channels))
        if self.start_images:
            self.initialized = self.add_weight(
                (), initializer="zeros", trainable=False, name="initialized"
            )
        self.built = True

    @property
    def start_flags(self) -> list[keras.Variable]:
        """The variable that says whether the start from data was made, if there is one."""
        return [self.initialized] if self.start_images else []

    def initialize(self, leaving: tf.Tensor, kept: tf.Tensor | None) -> None:
        """Chooses means by least squares and log-sigmas by what is left, from a batch.

        Args:
            leaving: `[batch, height, width, channels]`.
            kept: `[batch, height, width, kept_channels]`; None if there is nothing.
        """
        if kept is None:
            mean, deviation = channel_moments(np.asarray(leaving))
            self.raw.assign(np.concatenate([mean, _raw_log_sigma(deviation)]))
        else:
            kernel, mean, deviation = predictor(np.asarray(kept), np.asarray(leaving))
            self.conv.kernel.assign(np.concatenate([kernel, np.zeros_like(kernel)], axis=-1))
            self.conv.bias.assign(np.concatenate([mean, _raw_log_sigma(deviation)]))
        self.initialized.assign(1.0)

    def call(self, kept, condition=None):
        raw = self.raw.value if self.kept_channels is None else self.conv(kept)
        if self.conditions is not None:
            raw = raw + self.bias(condition)
        mean, log_sigma = tf.split(raw, 2, axis=-1)
        return mean, LOG_SIGMA_BOUND * tf.tanh(log_sigma / LOG_SIGMA_BOUND)


@register
class GaussianExit(FlowBijector):
    """Standardises what is factored out by a mean and a scale that depend on what stays.

    ```none
    mean, raw = conv3x3(kept) + bias(condition);  log_sigma = 5 tanh(raw / 5)
    inverse   z = (x - mean) * exp(-log_sigma)
    forward   x = z * exp(log_sigma) + mean
    log-det   -log_sigma
    ```

    Where nothing stays, at the last level, mean and scale are one number a
    channel. With `start="zeros"` this is exactly N(0, I) before it is trained; see
    `ConditionalGaussian` for the other start.

    References:
        Kingma, Dhariwal: Glow; openai/glow, model.py (split2d_prior). The smooth
        bound is this package's, and so is the start by least squares.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        kept_shape: Sequence[int] | None,
        *,
        conditions: Conditions = None,
        start: str = "zeros",
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the exit.

        Args:
            event_shape: Shape of what is factored out.
            kept_shape: Shape of what stays; None: nothing does.
            conditions: What the flow is conditioned on; None if unconditional.
            start: "zeros" or "least_squares".
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If `start` is neither.
        """
        self._kept_shape = None if kept_shape is None else tuple(kept_shape)
        kept_channels = None if kept_shape is None else kept_shape[-1]
        self._parameters_of = GaussianParameters(
            event_shape[-1], kept_channels, conditions, start, dtype=dtype
        )
        self._start = start
        super().__init__(
            event_shape,
            dtype=dtype,
            layers=[self._parameters_of],
            conditions=conditions,
            name=name,
        )
        check_condition_sides(self.conditions, self.event_shape)

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "kept_shape": self._kept_shape,
            "conditions": self.conditions,
            "start": self._start,
            "dtype": self.dtype.name,
        }

    def carry_inverse(self, x, log_det, context):
        if context.starting and self._start == "least_squares":
            self._parameters_of.initialize(x, context.kept)
        mean, log_sigma = self._parameters_of(context.kept, context.condition)
        return (x - mean) * tf.exp(-log_sigma), log_det.plus(lambda: tf.zeros_like(x) - log_sigma)

    def carry_forward(self, z, log_det, context):
        mean, log_sigma = self._parameters_of(context.kept, context.condition)
        return z * tf.exp(log_sigma) + mean, log_det.plus(lambda: tf.zeros_like(z) + log_sigma)


@register
class ConditionalGaussian(ExitPrior):
    r"""What is factored out is Gaussian given what stays; Glow's prior, for any flow.

    ```math
    x_{\text{out}} \mid x_{\text{stay}} \sim N(\mu, \sigma^2), \quad
    (\mu, \rho) = \text{conv}_{3 \times 3}(x_{\text{stay}}), \quad
    \log \sigma = 5 \tanh(\rho / 5)
    ```

    With `start="zeros"` that is N(0, I) before training, as in Glow. With `start="least_squares"`
    training goes on from the best linear predictor instead:

    ```math
    \min_{K, b} \sum (x_{\text{out}} - K * x_{\text{stay}} - b)^2, \quad
    \sigma^2 = \text{variance of what is left, per channel}
    ```

    in closed form, with zeros beyond the border as the convolution has them, and at the last level
    from each channel's mean and variance. What a condition adds starts at zero either way. The
    start is made with the actnorms', from what arrives there: `FlowModel.fit` takes up to 2,048
    images for it. With less than two rows (images times positions) for every input, nine numbers
    for a channel that stays and one more, μ and σ start as the channels' own mean and deviation.

    ```python
    import tfp_lcma as lcma

    prior = lcma.priors.ConditionalGaussian(start="least_squares")
    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, exit_prior=prior)
    ```

    References:
        Kingma, Dhariwal: Glow; openai/glow, model.py (split2d_prior). The start by least squares
        is this package's.
    """

    def __init__(self, start: str = "zeros"):
        """Creates the prior.

        Args:
            start: "zeros", or "least_squares", from data.

        Raises:
            ValueError: If `start` is neither.
        """
        self.start = check_start(start)

    def get_config(self) -> dict:
        return {"start": self.start}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return GaussianExit(
            leaving_shape, kept_shape, conditions=conditions, start=self.start, dtype=dtype
        )


def least_squares_gaussian() -> ConditionalGaussian:
    """Returns the conditional Gaussian that starts by least squares, for the registry."""
    return ConditionalGaussian("least_squares")


def check_start(start: str) -> str:
    """Returns the start, or raises a ValueError if it is none."""
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(STARTS)}; got {start!r}.")
    return start


def _raw_log_sigma(deviation):
    """Returns what the smooth bound maps to the logarithms of deviations."""
    log_sigma = np.log(np.maximum(deviation, np.finfo(deviation.dtype).tiny))
    return LOG_SIGMA_BOUND * np.arctanh((log_sigma / LOG_SIGMA_BOUND).clip(-0.99, 0.99))
