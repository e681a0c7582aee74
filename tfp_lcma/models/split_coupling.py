"""The body that Glow, mAR-SCF and EIW-Flow share: squeezed levels of repeated coupling steps."""

from collections.abc import Sequence

from tfp_lcma.bijectors.actnorm import ActNorm
from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.convolution import InvertibleConvolution
from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.bijectors.moves import Squeeze, squeezed_shape
from tfp_lcma.bijectors.partition import ChannelHalf
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.models.parts import check_sizes, types
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.exit_prior import ExitPrior


def split_coupling_flow(
    event_shape: Sequence[int],
    *,
    levels: int,
    steps: int,
    transform: Transform,
    network: Network,
    convolution: str,
    factorization: Factorization | None,
    exit_prior: ExitPrior,
    conditions: Conditions,
    memory: str,
    unroll: bool | None,
    dtype: str | None,
) -> MultiScale:
    """Builds the flow.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> factorization: some dimensions are factored out
    last    the same; everything is factored out
    ```

    A level ends squeezed: that is the view whose entries the factorization orders.

    Args:
        event_shape: `(height, width, channels)` of an image.
        levels: Number of levels; height and width must be divisible by `2**levels`.
        steps: Flow steps of a level.
        transform: What couplings do with their parameters.
        network: What computes them.
        convolution: How the 1x1 convolutions hold their matrices, "lu" or "plain".
        factorization: Which dimensions are factored out at a level; None: none before the end.
        exit_prior: The prior of dimensions that are factored out.
        conditions: What couplings and exit priors are conditioned on; None if unconditional.
        memory: "keep" or "invert", see `MultiScale`.
        unroll: Whether graphs run the steps without a loop, see `Repeated`.
        dtype: Keras dtype policy of the networks; None: Keras' global policy.

    Returns:
        The flow, fully built.

    Raises:
        ValueError: If an argument is out of range or the image cannot be halved
            as often as the levels ask.
    """
    check_sizes(levels=levels, steps=steps)
    conditions, (flow_dtype, policy) = check_conditions(conditions), types(dtype)
    shape = image_shape(event_shape, "event_shape")
    if any(side % 2**levels for side in shape[:2]):
        raise ValueError(
            f"event_shape {shape} cannot have {levels} levels: height and width must be "
            f"divisible by {2**levels}."
        )

    def step(shape) -> FlowChain:
        half = ChannelHalf(shape)
        return FlowChain(
            [
                ActNorm(shape, dtype=flow_dtype),
                InvertibleConvolution(shape, parameterization=convolution, dtype=flow_dtype),
                Coupling(
                    half,
                    network,
                    transform,
                    conditions=conditions,
                    network_dtype=policy,
                    dtype=flow_dtype,
                ),
            ]
        )

    def level(shape) -> FlowChain:
        squeezed = squeezed_shape(shape)
        return FlowChain([Squeeze(shape), Repeated(lambda: step(squeezed), steps, unroll=unroll)])

    shapes = level_shapes(event_shape, levels, factorization)
    return MultiScale([level(shape) for shape in shapes], factorization, exit_prior, memory=memory)
