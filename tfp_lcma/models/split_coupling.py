"""The body that Glow and mAR-SCF share: squeezed levels of actnorm, 1x1 convolution, coupling."""

from collections.abc import Callable, Sequence

import keras

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import Coupling, channel_mask
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.multi_scale import MultiScale, level_shapes
from tfp_lcma.bijectors.normalization import ActNorm
from tfp_lcma.bijectors.reshaping import Squeeze, Unsqueeze, squeezed_shape
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.priors.standard_normal import ExitPrior


def split_coupling_flow(
    event_shape: Sequence[int],
    *,
    levels: int,
    steps: int,
    coupling: type[Coupling],
    network: Callable[[int], keras.layers.Layer],
    convolution: str,
    factorization: Factorization | None,
    exit_prior: ExitPrior,
    dtype: str,
) -> MultiScale:
    """Builds the flow.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> factorization: half of the dimensions leave
    last    the same; everything leaves
    ```

    The working tensor stays squeezed up to the split: it is the view whose
    entries the factorization orders.

    Args:
      event_shape: `(height, width, channels)` of an image.
      levels: Number of levels; height and width must be divisible by `2**levels`.
      steps: Flow steps of a level.
      coupling: Class of the couplings.
      network: From a number of output channels to a coupling's network.
      convolution: How the 1x1 convolutions hold their matrices, "lu" or "plain".
      factorization: Which dimensions leave at a level; None: nobody before the end.
      exit_prior: The prior of leaving dimensions.
      dtype: Type of activations and log-dets, "float32" or "float64".

    Returns:
      The flow, fully built.

    Raises:
      ValueError: If the image cannot be halved as often as the levels ask.
    """
    shape = image_shape(event_shape, "event_shape")
    if any(side % 2**levels for side in shape[:2]):
        raise ValueError(
            f"event_shape {shape} cannot have {levels} levels: height and width must be "
            f"divisible by {2**levels}."
        )

    def step(shape) -> list[FlowBijector]:
        parameters = coupling.parameters_per_channel * shape[-1] // 2
        return [
            ActNorm(shape, dtype=dtype),
            InvertibleConvolution(shape, parameterization=convolution, dtype=dtype),
            coupling(channel_mask(shape, "first"), network(parameters), dtype=dtype),
        ]

    flows = []
    for shape in level_shapes(event_shape, levels, splits=factorization is not None):
        parts = [Squeeze(shape)]
        for _ in range(steps):
            parts += step(squeezed_shape(shape))
        flows.append(FlowChain([*parts, Unsqueeze(shape)]))
    return MultiScale(flows, factorization, exit_prior)
