"""Glow's exit prior: a Gaussian whose mean and scale are computed from what stays."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.condition import (
    ConditionBias,
    Conditions,
    check_condition_sides,
    check_conditions,
)
from tfp_lcma.networks.convolution import convolution
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.serialization import register

# The standard deviation of a dimension that is factored out lies between exp(-5) and exp(5).
LOG_SIGMA_BOUND = 5.0


@register
class GaussianParameters(keras.layers.Layer):
    """Gives a mean and a smoothly bounded log-sigma for every channel; both start at zero.

    Computed from a tensor by one convolution or, without one, learned per channel;
    a condition adds to them what belongs to its class, or is linear in it.
    """

    def __init__(
        self, channels: int, kept_channels: int | None, conditions: Conditions = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.channels, self.kept_channels = channels, kept_channels
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
        self.built = True

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
    channel. At the start this is exactly N(0, I).

    References:
        Kingma, Dhariwal: Glow; openai/glow, model.py (split2d_prior). The smooth
        bound is this package's.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        kept_shape: Sequence[int] | None,
        *,
        conditions: Conditions = None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the exit.

        Args:
            event_shape: Shape of what is factored out.
            kept_shape: Shape of what stays; None: nothing does.
            conditions: What the flow is conditioned on; None if unconditional.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.
        """
        self._kept_shape = None if kept_shape is None else tuple(kept_shape)
        kept_channels = None if kept_shape is None else kept_shape[-1]
        self._parameters_of = GaussianParameters(
            event_shape[-1], kept_channels, conditions, dtype=dtype
        )
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
            "dtype": self.dtype.name,
        }

    def carry_inverse(self, x, log_det, context):
        mean, log_sigma = self._parameters_of(context.kept, context.condition)
        return (x - mean) * tf.exp(-log_sigma), log_det.plus(lambda: tf.zeros_like(x) - log_sigma)

    def carry_forward(self, z, log_det, context):
        mean, log_sigma = self._parameters_of(context.kept, context.condition)
        return z * tf.exp(log_sigma) + mean, log_det.plus(lambda: tf.zeros_like(z) + log_sigma)


@register
class ConditionalGaussian(ExitPrior):
    """What is factored out is Gaussian given what stays; Glow's prior, for any flow.

    ```python
    import tfp_lcma as lcma

    prior = lcma.priors.ConditionalGaussian()
    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, exit_prior=prior)
    ```

    References:
        Kingma, Dhariwal: Glow; openai/glow, model.py (split2d_prior).
    """

    def get_config(self) -> dict:
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return GaussianExit(leaving_shape, kept_shape, conditions=conditions, dtype=dtype)
