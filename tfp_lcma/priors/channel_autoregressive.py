"""The exit prior of mAR-SCF: every channel is Gaussian given the channels before it."""

from collections.abc import Sequence

import tensorflow as tf

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.networks.channel_network import ChannelNetwork
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.networks.conv_lstm import check_odd
from tfp_lcma.priors.conditional_gaussian import LOG_SIGMA_BOUND
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class ChannelAutoregressiveExit(FlowBijector):
    """Standardises every channel by maps that depend on the channels before and on what stays.

    ```none
    mean_j, raw_j = network(x_1 ... x_{j-1}, kept, condition);  log_sigma = 5 tanh(raw / 5)
    inverse   z_j = (x_j - mean_j) * exp(-log_sigma_j), all channels at once
    forward   x_j = z_j * exp(log_sigma_j) + mean_j, one after the other
    log-det   -log_sigma
    ```

    At the start this is exactly N(0, I). See `ChannelNetwork` for the network, which is evaluated
    once in either direction. It computes in the flow's own type: in a coarser one, the channels'
    maps would differ between the two directions by more than an inverse can bear.

    References:
        Mahajan et al.: Normalizing Flows With Multi-Scale Autoregressive Priors;
        visinf/mar-scf. The smooth bound and the zero start are this package's.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        kept_shape: Sequence[int] | None,
        *,
        hidden: int = 8,
        kernel: int = 3,
        dilation: int = 1,
        forget_bias: float = 0.0,
        conditions: Conditions = None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the exit.

        Args:
            event_shape: Shape of what is factored out.
            kept_shape: Shape of what stays; None: nothing does.
            hidden: Number of channels of the network's LSTM.
            kernel: Height and width of its kernels, an odd number.
            dilation: Dilation of the LSTM's convolutions.
            forget_bias: What the LSTM's forget gates' bias starts at.
            conditions: What the flow is conditioned on; None if unconditional.
            dtype: Type of activations, log-dets and of the network.
            name: Name of the bijector.

        Raises:
            ValueError: If `hidden`, `kernel` or `dilation` is no whole number >= 1,
                or `kernel` is even.
        """
        self._kept_shape = None if kept_shape is None else tuple(kept_shape)
        kept_channels = None if kept_shape is None else kept_shape[-1]
        self._sizes = {
            "hidden": check_count(hidden, "hidden"),
            "kernel": check_odd(kernel, "kernel"),
            "dilation": check_count(dilation, "dilation"),
        }
        self._forget_bias = float(forget_bias)
        self._network = ChannelNetwork(
            kept_channels,
            **self._sizes,
            forget_bias=self._forget_bias,
            conditions=conditions,
            dtype=dtype,
        )
        super().__init__(
            event_shape, dtype=dtype, layers=[self._network], conditions=conditions, name=name
        )

    @property
    def sampling_steps(self) -> int:
        """How many steps of the LSTM, one after the other, the forward map takes."""
        return self.event_shape[-1]

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "kept_shape": self._kept_shape,
            **self._sizes,
            "forget_bias": self._forget_bias,
            "conditions": self.conditions,
            "dtype": self.dtype.name,
        }

    def carry_inverse(self, x, log_det, context):
        mean, log_sigma = _gaussian(self._network(x, *self._given(context)))
        return (x - mean) * tf.exp(-log_sigma), log_det.plus(-log_sigma)

    def carry_forward(self, z, log_det, context):
        def place(z, maps):
            mean, log_sigma = _gaussian(maps)
            return z * tf.exp(log_sigma) + mean

        x, maps = self._network.sequential(z, place, *self._given(context))
        return x, log_det.plus(lambda: _gaussian(maps)[1])

    def _given(self, context):
        """Returns what stays and the flow's condition, where the network goes by them."""
        wanted = {"kept": self._kept_shape, "condition": self.conditions}
        for name, shape in wanted.items():
            if shape is not None and getattr(context, name) is None:
                raise ValueError(f"context must have {name}, {shape}; got None.")
        return context.kept, context.condition


@register
class ChannelAutoregressive(ExitPrior):
    """Channels are Gaussian given what stays and the channels before them.

    Glow's channel split, at L levels and C image channels, samples in (3 * 2^L - 2) C steps.

    Published for three levels: `hidden=32, kernel=(5, 5, 3), dilation=(2, 1, 1)`.
    The defaults are small, for a laptop.

    ```python
    import tfp_lcma as lcma

    prior = lcma.priors.ChannelAutoregressive(hidden=4)
    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, exit_prior=prior)
    ```

    References:
        Mahajan et al.: Normalizing Flows With Multi-Scale Autoregressive Priors;
        visinf/mar-scf, mar_prior/corr_prior.py.
    """

    def __init__(
        self,
        *,
        hidden: int | Sequence[int] = 8,
        kernel: int | Sequence[int] = 3,
        dilation: int | Sequence[int] = 1,
        forget_bias: float = 0.0,
    ):
        """Creates the prior.

        Args:
            hidden: Number of channels of the networks' LSTM; one number, or one for every level.
            kernel: Height and width of their kernels; one, or one for every level.
            dilation: Dilation of the LSTM's convolutions; one, or one for every level.
            forget_bias: What the forget gates' bias starts at.

        Raises:
            ValueError: If a size is no whole number >= 1, or a kernel's is even.
        """
        self.hidden = _per_level(hidden, "hidden")
        self.kernel = _per_level(kernel, "kernel", check_odd)
        self.dilation = _per_level(dilation, "dilation")
        self.forget_bias = float(forget_bias)

    def get_config(self) -> dict:
        return {
            "hidden": self.hidden,
            "kernel": self.kernel,
            "dilation": self.dilation,
            "forget_bias": self.forget_bias,
        }

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return ChannelAutoregressiveExit(
            leaving_shape,
            kept_shape,
            hidden=_at(level, self.hidden, "hidden"),
            kernel=_at(level, self.kernel, "kernel"),
            dilation=_at(level, self.dilation, "dilation"),
            forget_bias=self.forget_bias,
            conditions=conditions,
            dtype=dtype,
        )


def _gaussian(maps):
    """Splits the network's two maps into the mean and a smoothly bounded log-sigma."""
    mean, raw = tf.unstack(maps, axis=-1)
    return mean, LOG_SIGMA_BOUND * tf.tanh(raw / LOG_SIGMA_BOUND)


def _per_level(value, argument, check=check_count):
    """Returns a size, or a tuple of one size a level, checked."""
    if not isinstance(value, list | tuple):
        return check(value, argument)
    if not value:
        raise ValueError(f"{argument} must be a number or one for every level; got {value!r}.")
    return tuple(check(size, f"{argument}[{level}]") for level, size in enumerate(value))


def _at(level, value, argument):
    """Returns a level's size."""
    if isinstance(value, int):
        return value
    if level >= len(value):
        raise ValueError(
            f"{argument} must be a number or one for every level; got {value}, none for "
            f"level {level}."
        )
    return value[level]
