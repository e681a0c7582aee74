"""The body that Glow and mAR-SCF share: squeezed levels of actnorm, 1x1 convolution, coupling."""

from collections.abc import Sequence

import keras

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import channel_mask
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.multi_scale import MultiScale, level_shapes
from tfp_lcma.bijectors.normalization import ActNorm
from tfp_lcma.bijectors.reshaping import Squeeze, Unsqueeze, squeezed_shape
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.models.couplings import coupling_kind
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.convolutional_network import ConvolutionalNetwork
from tfp_lcma.networks.gated_network import GatedNetwork
from tfp_lcma.priors.standard_normal import ExitPrior
from tfp_lcma.validation import check_count


def split_coupling_flow(
    event_shape: Sequence[int],
    *,
    levels: int,
    steps: int,
    width: int,
    coupling: str,
    gated_blocks: int | None,
    convolution: str,
    factorization: Factorization | None,
    exit_prior: ExitPrior,
    conditions: Conditions,
    dtype: str | None,
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
      width: Hidden channels of the couplings' networks.
      coupling: Name of the couplings.
      gated_blocks: Blocks of the gated network that a mixture of logistics has;
        None: it has Glow's network, as all other couplings do.
      convolution: How the 1x1 convolutions hold their matrices, "lu" or "plain".
      factorization: Which dimensions leave at a level; None: nobody before the end.
      exit_prior: The prior of leaving dimensions.
      conditions: What couplings and exit priors are told; None: nothing.
      dtype: Keras dtype policy of the networks; None: Keras' global policy.

    Returns:
      The flow, fully built.

    Raises:
      ValueError: If an argument is out of range or the image cannot be halved
        as often as the levels ask.
    """
    counts = {"levels": levels, "steps": steps, "width": width}
    if gated_blocks is not None:
        counts["blocks"] = gated_blocks
    for name, value in counts.items():
        check_count(value, name)
    kind, conditions = coupling_kind(coupling), check_conditions(conditions)
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    flow_dtype = "float64" if policy.variable_dtype == "float64" else "float32"
    shape = image_shape(event_shape, "event_shape")
    if any(side % 2**levels for side in shape[:2]):
        raise ValueError(
            f"event_shape {shape} cannot have {levels} levels: height and width must be "
            f"divisible by {2**levels}."
        )

    def network(outputs: int) -> keras.layers.Layer:
        if coupling == "mixture_logistic" and gated_blocks is not None:
            return GatedNetwork(outputs, width, gated_blocks, conditions=conditions, dtype=policy)
        return ConvolutionalNetwork(outputs, width, conditions, dtype=policy)

    def step(shape) -> list[FlowBijector]:
        parameters = kind.parameters_per_channel * shape[-1] // 2
        return [
            ActNorm(shape, dtype=flow_dtype),
            InvertibleConvolution(shape, parameterization=convolution, dtype=flow_dtype),
            kind(channel_mask(shape, "first"), network(parameters), dtype=flow_dtype),
        ]

    flows = []
    for shape in level_shapes(event_shape, levels, splits=factorization is not None):
        parts = [Squeeze(shape)]
        for _ in range(steps):
            parts += step(squeezed_shape(shape))
        flows.append(FlowChain([*parts, Unsqueeze(shape)]))
    return MultiScale(flows, factorization, exit_prior)
