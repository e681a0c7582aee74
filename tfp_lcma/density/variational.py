"""Variational dequantisation: noise of a learned density, given the image."""

import math

import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.flow_bijector import FlowBijector, standard_normal_log_prob
from tfp_lcma.bijectors.names import check_variables_held
from tfp_lcma.density.dequantization import Dequantization, plus_noise
from tfp_lcma.density.noise_flow import noise_flow
from tfp_lcma.serialization import register

# With it, a sigmoid is within 0.01 of the normal distribution function: noise starts near uniform.
_SLOPE = 1.702


@register
class Variational(Dequantization):
    r"""Noise of a conditional flow, given the image, squashed into the unit interval.

    ```math
    u &= \sigma(1.702 \, f(e; x)), \quad e \sim N(0, I) \\
    \log q(u \mid x) &= \log N(e; 0, I) - \log |\det df/de| - \sum \log du/df \\
    \log P(x) &\ge \mathbb{E}_u [\log p(x + u) - \log q(u \mid x)]
    ```

    Where q is the density of u under the model, given x, the bound is log P(x) itself; it is
    trained jointly with the model's flow, by gradients that go through x + u. The noise starts
    all but uniform.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((8, 8, 1), levels=2, steps=2, width=16)
    model = lcma.FlowModel(flow, bins=17, dequantization=lcma.density.Variational())
    ```

    Attributes:
        flow: f^(-1): its inverse makes noise of a standard normal e. None until a model has it.

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++: Improving flow-based generative models with
        variational dequantization and architecture design, section 3.1.
    """

    def __init__(self, flow: FlowBijector | None = None):
        """Creates the dequantisation.

        Args:
            flow: A flow over noise in the shape of the images, with the images' shape as its
                `conditions`: it is given them at -1 to 1. None: `noise_flow(event_shape)`, of
                the model's shape and type.

        Raises:
            ValueError: If `flow` is no such flow, does not take all numbers, or has statistics
                of batches.
        """
        if flow is not None:
            _check(flow)
        self.flow = flow
        self._bins: int | None = None

    def get_config(self) -> dict:
        return {"flow": self.flow}

    @property
    def flows(self) -> list[FlowBijector]:
        return [] if self.flow is None else [self.flow]

    def for_model(self, flow, bins):
        own = self.flow
        if own is None:
            memory = getattr(flow, "memory", "keep")
            own = noise_flow(flow.event_shape, memory=memory, dtype=_policy_of(flow))
        if own.event_shape != flow.event_shape or own.dtype != flow.dtype:
            raise ValueError(
                "dequantization must have a flow of the model's event shape and type, "
                f"{flow.event_shape} and {flow.dtype.name}; got {own.event_shape} and "
                f"{own.dtype.name}."
            )
        found = type(self)(own)
        found._bins = bins
        return found

    def add_noise(self, images, uniform, log_det, context):
        if self.flow is None or self._bins is None:
            raise ValueError(
                "dequantization must be that of a model, FlowModel(..., dequantization=...)"
                ".dequantization, to be asked for noise; got one without a model."
            )
        whole = tf.floor(tf.cast(images, uniform.dtype))
        context = context.replace(condition=(2 * whole + 1) / self._bins - 1)
        e = noise.normal_of(uniform)
        log_det = log_det.plus(lambda: -standard_normal_log_prob(e))
        v, log_det = self.flow.carry_inverse(e, log_det, context)
        v *= _SLOPE
        return plus_noise(images, tf.sigmoid(v)), log_det.plus(lambda: _log_slope(v))


def _log_slope(v: tf.Tensor) -> tf.Tensor:
    """Returns the log-derivative of sigmoid(1.702 f) by f, at v = 1.702 f."""
    # Finite however far v goes, and so is its gradient.
    return math.log(_SLOPE) - tf.nn.softplus(v) - tf.nn.softplus(-v)


def _check(flow: FlowBijector) -> None:
    if not isinstance(flow, FlowBijector):
        raise ValueError(f"flow must be a FlowBijector or None; got {type(flow).__name__}.")
    if flow.conditions != flow.event_shape or flow.latent_shape != flow.event_shape:
        raise ValueError(
            f"flow must keep the shape of the images, and have it, {flow.event_shape}, as its "
            f"conditions, such as a bijectors.ImageConditioned; got conditions={flow.conditions} "
            f"and latents of shape {flow.latent_shape}."
        )
    if not flow.defined_everywhere:
        raise ValueError(f"flow must take all numbers; {type(flow).__name__} takes bounded ones.")
    if flow.gathers_statistics:
        raise ValueError(
            "flow must have no statistics of batches, such as BatchNorm's: the noise of an image "
            f"would depend on the images beside it; got {type(flow).__name__} with some."
        )
    check_variables_held(flow, "flow")


def _policy_of(flow: FlowBijector) -> str:
    """Returns the Keras policy of a flow's networks: the mixed one if there is one."""
    layers = [layer for kind in flow.kinds for layer in kind.layers]
    inner = [one for layer in layers for one in layer._flatten_layers()]
    mixed = {one.dtype_policy.name for one in inner if one.compute_dtype != one.variable_dtype}
    return mixed.pop() if len(mixed) == 1 else flow.dtype.name
