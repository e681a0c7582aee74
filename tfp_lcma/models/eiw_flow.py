"""EIW-Flow: what is factored out of a level is a learned choice of its channels."""

from collections.abc import Sequence

from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.entropy import EntropyInformed
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.models import parts
from tfp_lcma.models.split_coupling import split_coupling_flow
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.conditional_gaussian import ConditionalGaussian
from tfp_lcma.priors.exit_prior import ExitPrior


def eiw_flow(
    event_shape: Sequence[int],
    *,
    levels: int = 3,
    steps: int = 8,
    width: int = 128,
    coupling: str | Transform = "affine",
    network: str | Network | None = None,
    blocks: int = 2,
    factorization: Factorization | None = EntropyInformed(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds an entropy-informed flow.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> learned shuffle -> split: half of the channels are factored out
    last    the steps alone; everything is factored out
    ```

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.eiw_flow((16, 16, 1), levels=2, steps=2, width=8)
    ```

    Args:
        event_shape: `(height, width, channels)` of an image.
        levels: Number of levels; height and width must be divisible by `2**levels`.
        steps: Flow steps of a level.
        width: Hidden channels of the couplings' networks, if `network` is a name; a
            multiple of 4, the number of heads, for those with attention.
        coupling: "affine", "sigmoid_affine", "additive", "rational_quadratic" or
            "mixture_logistic", whose forward map is a search for roots; or a transform from
            `tfp_lcma.transforms`.
        network: What computes couplings' parameters: "convolutional", "residual", "gated",
            "transformer" or "densenet"; a specification from `tfp_lcma.networks`; or the class of a
            Keras layer of your own. None: "gated" for a mixture of logistics, else "convolutional".
        blocks: Blocks of a network that has blocks.
        factorization: The shuffle, or any other split; None: none before the end.
        exit_prior: The prior of dimensions that are factored out; None: `ConditionalGaussian()`.
        conditions: Number of classes, or the shape `(k,)` of a vector, that couplings
            and exit priors are conditioned on; None if unconditional.
        memory: What a gradient keeps: "keep", all activations, which is faster and has
            second derivatives; or "invert", the ends of levels, from which the steps
            are inverted. May be changed later: `flow.memory = "invert"`.
        unroll: Whether graphs run a level's steps one after the other rather than in
            a loop; None, as is faster to start.
        dtype: Keras dtype policy of the networks, such as "float32", "float64" or
            "mixed_bfloat16"; None: Keras' global policy. Activations and log-dets
            are float32, or float64 under "float64".

    Returns:
        The flow, fully built. Its actnorms start from the first batch of
        `FlowModel.fit`; its shuffles start at a random order, this package's own
        routers as Glow's split.

    Raises:
        ValueError: If an argument is out of range or the image cannot be halved
            as often as the levels ask.

    References:
        Entropy-Informed Weighting Channel Normalizing Flow. The shuffle and its
        regulariser are those of its authors' code (`EntropyInformed`), and so is
        `network="densenet"`. This package's own are what stands in a step, Glow's, without the
        noise channels that make theirs a bound; the order of channels before they are squeezed
        once more, where theirs orders them after; and the exits' prior, where theirs is N(0, I).
    """
    parts.check_sizes(width=width, blocks=blocks)
    transform = parts.transform(coupling)
    return split_coupling_flow(
        event_shape,
        levels=levels,
        steps=steps,
        transform=transform,
        network=parts.network_beside(transform, network, width=width, blocks=blocks),
        convolution="lu",
        factorization=factorization,
        exit_prior=exit_prior or ConditionalGaussian(),
        conditions=conditions,
        memory=memory,
        unroll=unroll,
        dtype=dtype,
    )
