"""RealNVP: couplings with checkerboard and channel masks, in levels."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.actnorm import ActNorm
from tfp_lcma.bijectors.batch_norm import BatchNorm
from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.bijectors.moves import Permutation, Squeeze, squeezed_shape
from tfp_lcma.bijectors.partition import ChannelHalf, Partition, checkerboard
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.factorization import Factorization, view
from tfp_lcma.factorizations.positions import offset_maps
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models import parts
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.exit_prior import ExitPrior

# Which half of the checkerboard a coupling keeps: the even pixels, (0,0) among them, first.
CHECKERBOARD_PARITIES = (0, 1, 0)
LAST_LEVEL_PARITIES = (0, 1, 0, 1)
# Channel couplings, which keep the two halves in turn.
CHANNEL_COUPLINGS = 3


def real_nvp(
    event_shape: Sequence[int],
    *,
    levels: int = 2,
    width: int = 32,
    blocks: int = 2,
    widen: bool = True,
    coupling: str | Transform = "affine",
    network: str | Network = "residual",
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    position_aware: bool = False,
    first_parity: int = 0,
    normalization: str = "actnorm",
    regularizer=None,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds RealNVP.

    ```none
    level   3 checkerboard couplings -> squeeze -> 3 channel couplings
            -> factorization: half of the dimensions are factored out
    last    4 checkerboard couplings; everything is factored out
    ```

    A normalisation of the channels follows every coupling.

    ```python
    import tfp_lcma as lcma

    pretrain = lcma.models.real_nvp((16, 16, 1), width=8, factorization=None)
    ```

    Args:
        event_shape: `(height, width, channels)` of an image.
        levels: Number of levels; height and width must be divisible by `2 ** (levels - 1)`.
        width: Channels of the networks of the first level's checkerboard couplings,
            if `network` is a name.
        blocks: Residual blocks of a network.
        widen: Whether widths double from level to level, and once more at channel
            couplings, as in the paper; else all networks have the same width.
        coupling: "affine", as in the paper, "sigmoid_affine", "additive",
            "rational_quadratic" or "mixture_logistic", whose forward map is a search
            for roots; or a transform from `tfp_lcma.transforms`.
        network: What computes couplings' parameters: "residual", as in the paper,
            "convolutional", "gated", "transformer" or "densenet"; a specification from
            `tfp_lcma.networks`; or the class of a Keras layer of your own.
        factorization: Which dimensions are factored out at a level; None: none
            before the end (the flow to pre-train for LCMA).
        exit_prior: The prior of dimensions that are factored out; None: standard normal.
        conditions: Number of classes, or the shape `(k,)` of a vector, that couplings
            and exit priors are conditioned on; None if unconditional.
        position_aware: Whether the networks of deeper levels see, as constant channels, where in
            its block each entry came from; for factorizations that choose per position.
        first_parity: Parity of row + column of the pixels that the first checkerboard coupling
            keeps: 0, as in the paper, or 1, all masks swapped, those of the channel couplings too.
        normalization: "actnorm" or "batch".
        regularizer: Keras regulariser of the weight-norm gains and of the bounds
            of the log-scales; the paper's is `keras.regularizers.L2(5e-5)`.
        memory: What a gradient keeps: "keep", all activations, which is faster and has
            second derivatives; or "invert", the ends of levels, from which the steps
            are inverted. May be changed later: `flow.memory = "invert"`.
        unroll: Whether graphs run a level's steps one after the other rather than in
            a loop; None, as is faster to start.
        dtype: Keras dtype policy of the networks, such as "float32", "float64" or
            "mixed_bfloat16"; None: Keras' global policy. Activations and log-dets
            are float32, or float64 under "float64".

    Returns:
        The flow, fully built.

    Raises:
        ValueError: If an argument is out of range or the image cannot be halved
            as often as the levels ask.

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections
        3.6 and 4.1.
    """
    parts.check_sizes(levels=levels, width=width, blocks=blocks)
    if first_parity not in (0, 1):
        raise ValueError(f"first_parity must be 0 or 1; got {first_parity!r}.")
    if normalization not in ("actnorm", "batch"):
        raise ValueError(f'normalization must be "actnorm" or "batch"; got {normalization!r}.')
    normalize = ActNorm if normalization == "actnorm" else BatchNorm
    transform = parts.transform(coupling, regularizer=regularizer)
    conditions, (flow_dtype, policy) = check_conditions(conditions), parts.types(dtype)

    def couplings(partitions: Sequence[Partition], width: int) -> Repeated:
        """One step of coupling and normalisation for every partition."""
        made = iter(partitions)
        specified = parts.network(network, width=width, blocks=blocks, regularizer=regularizer)

        def step() -> FlowChain:
            partition = next(made)
            coupling = Coupling(
                partition,
                specified,
                transform,
                conditions=conditions,
                network_dtype=policy,
                dtype=flow_dtype,
            )
            return FlowChain([coupling, normalize(partition.event_shape, dtype=flow_dtype)])

        return Repeated(step, len(partitions), unroll=unroll)

    def level(number: int, shape: tuple[int, int, int]) -> FlowChain:
        last = number == levels - 1
        level_width = width * 2**number if widen else width
        offsets = None
        if position_aware and number > 0 and factorization is not None:
            offsets = offset_maps(factorization, number, event_shape)
        parities = LAST_LEVEL_PARITIES if last else CHECKERBOARD_PARITIES
        boards = [checkerboard(shape, (p + first_parity) % 2, offsets) for p in parities]
        flows = [couplings(boards, level_width)]
        if not last:
            squeezed = squeezed_shape(shape)
            maps = None if offsets is None else view(offsets)
            half = ChannelHalf(squeezed, ("first", "second")[first_parity], True, maps)
            flows += [
                Squeeze(shape),
                couplings([half] * CHANNEL_COUPLINGS, 2 * level_width if widen else level_width),
                # An odd number of exchanges left the halves in each other's place.
                exchange(squeezed),
            ]
        return FlowChain(flows)

    shapes = level_shapes(event_shape, levels, factorization)
    if shapes[-1][:2] == (1, 1):
        raise ValueError(
            f"levels must leave two pixels or more for the last checkerboard; {levels} levels of "
            f"{tuple(event_shape)} leave one."
        )
    flows = [level(number, shape) for number, shape in enumerate(shapes)]
    return MultiScale(flows, factorization, exit_prior, memory=memory)


def exchange(shape: tuple[int, int, int]) -> Permutation:
    """Returns the flow that exchanges the two halves of the channels."""
    index = np.arange(np.prod(shape)).reshape(shape)
    return Permutation(np.roll(index, shape[-1] // 2, axis=-1))
