"""A small conditional flow of the noise of dequantisation, given the image."""

from collections.abc import Sequence

import keras
import numpy as np

from tfp_lcma.bijectors.actnorm import ActNorm
from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.image_conditioned import ImageConditioned
from tfp_lcma.bijectors.moves import Squeeze, squeezed_shape
from tfp_lcma.bijectors.partition import ChannelHalf, Mask, Partition
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.convolutional_network import Convolutional
from tfp_lcma.networks.image_features import ImageFeatures
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.conditional_gaussian import GaussianExit
from tfp_lcma.validation import check_count


def noise_flow(
    event_shape: Sequence[int],
    *,
    steps: int = 4,
    width: int = 32,
    blocks: int = 2,
    network: Network | None = None,
    memory: str = "keep",
    dtype: str | None = None,
) -> ImageConditioned:
    """Builds the flow of `Variational`: from standard normal noise to the noise of an image.

    ```none
    context  the image at +-1 -> convolutions -> features
    flow     squeeze -> steps x (actnorm -> 1x1 convolution -> coupling given the features)
             -> shift and scale given the features
    ```

    Where height and width are not both even nothing is squeezed; where channels do not halve,
    couplings keep every second dimension; a single one has no couplings.

    ```python
    import tfp_lcma as lcma

    q = lcma.density.noise_flow((8, 8, 1), steps=2, width=16)
    model = lcma.FlowModel(
        lcma.models.glow((8, 8, 1), levels=2, steps=2, width=16),
        dequantization=lcma.density.Variational(q),
    )
    ```

    Args:
        event_shape: `(height, width, channels)` of the images.
        steps: Number of couplings.
        width: Channels of the features, and hidden ones of the couplings' networks.
        blocks: Residual blocks of the network of the features.
        network: What computes the couplings' parameters; None: `networks.Convolutional(width)`.
        memory: What a gradient keeps, "keep" or "invert"; see `MultiScale`.
        dtype: Keras dtype policy of the networks; None: Keras' global policy.

    Returns:
        The flow, whose condition is the image. Its inverse is the way that noise takes: it is
        one pass for every kind of coupling, and the one that is trained.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++: Improving flow-based generative models with
        variational dequantization and architecture design, section 3.1 and appendix.
    """
    shape = image_shape(event_shape, "event_shape")
    check_count(steps, "steps")
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    flow_dtype = "float64" if policy.variable_dtype == "float64" else "float32"
    squeezed = shape[0] % 2 == 0 and shape[1] % 2 == 0
    inner = squeezed_shape(shape) if squeezed else shape
    features = ImageFeatures(shape, width, blocks, squeezed, dtype=policy)
    conditions = (*inner[:2], width)

    def step(number: int) -> FlowChain:
        convolution = InvertibleConvolution(inner, dtype=flow_dtype)
        coupling = Coupling(
            _partition(inner, number % 2),
            network or Convolutional(width),
            conditions=conditions,
            network_dtype=policy,
            dtype=flow_dtype,
        )
        mixing = [convolution] if inner[-1] > 1 else []
        return FlowChain([ActNorm(inner, dtype=flow_dtype), *mixing, coupling])

    parts: list[FlowBijector] = [Squeeze(shape)] if squeezed else []
    if np.prod(inner) > 1:
        parts.append(Repeated(map(step, range(steps)).__next__, steps))
    parts.append(GaussianExit(inner, None, conditions=conditions, dtype=flow_dtype))
    # A single level, for its gradient by inversion.
    flow = MultiScale([FlowChain(parts)], memory=memory)
    return ImageConditioned(flow, features, shape)


def _partition(shape: tuple[int, int, int], parity: int) -> Partition:
    """Returns one half of the channels, or every second dimension if they do not halve."""
    if shape[-1] % 2 == 0:
        return ChannelHalf(shape)
    return Mask(np.indices(shape).sum(axis=0) % 2 == parity)
