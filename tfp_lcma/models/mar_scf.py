"""mAR-SCF: split-coupling flows whose factored-out channels are modelled one after the other."""

from collections.abc import Sequence

from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models import parts
from tfp_lcma.models.split_coupling import split_coupling_flow
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressive
from tfp_lcma.priors.exit_prior import ExitPrior


def mar_scf(
    event_shape: Sequence[int],
    *,
    levels: int = 3,
    steps: int = 4,
    width: int = 96,
    coupling: str | Transform = "mixture_logistic",
    network: str | Network | None = None,
    blocks: int = 2,
    hidden: int | Sequence[int] = 8,
    kernel: int | Sequence[int] = 3,
    dilation: int | Sequence[int] = 1,
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds mAR-SCF.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> factorization: half of the dimensions are factored out, each channel
               Gaussian given the channels before it and what stays
    last    the same; everything is factored out, each channel given those before it
    ```

    Published, beside the defaults of `levels` and `coupling`: `blocks=10`, `hidden=32, kernel=(5,
    5, 3), dilation=(2, 1, 1)`, and for affine couplings `steps=32, width=512`.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.mar_scf((16, 16, 1), levels=2, steps=2, width=8, coupling="affine")
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
        hidden: Channels of the prior's LSTM; one number, or one for every level.
        kernel: Height and width of the prior's kernels; one, or one for every level.
        dilation: Dilation of the prior's LSTM; one, or one for every level.
        factorization: Which dimensions are factored out at a level; None: none before the end.
        exit_prior: The prior in place of the autoregressive one, for comparisons;
            `hidden`, `kernel` and `dilation` then mean nothing.
        conditions: Number of classes, or the shape `(k,)` of a vector, that couplings
            and the prior are conditioned on; None if unconditional.
        memory: What a gradient keeps: "keep", all activations, which is faster and has
            second derivatives; or "invert", the ends of levels, from which the steps
            are inverted. May be changed later: `flow.memory = "invert"`.
        unroll: Whether graphs run a level's steps one after the other rather than in
            a loop; None, as is faster to start.
        dtype: Keras dtype policy of the couplings' networks, such as "float32",
            "float64" or "mixed_bfloat16"; None: Keras' global policy. The prior
            computes in the type of the activations, float32, or float64 under "float64".

    Returns:
        The flow, fully built. Its actnorms start from the first batch of
        `FlowModel.fit`, its prior as N(0, I).

    Raises:
        ValueError: If an argument is out of range or the image cannot be halved
            as often as the levels ask.

    References:
        Mahajan, Bhattacharyya, Fritz, Schiele, Roth: Normalizing Flows With
        Multi-Scale Autoregressive Priors; visinf/mar-scf, marscf_main.py. Its
        exchange of halves after a mixture coupling is left out: a 1x1 convolution
        follows anyway.
    """
    parts.check_sizes(width=width, blocks=blocks)
    transform = parts.transform(coupling)
    prior = ChannelAutoregressive(hidden=hidden, kernel=kernel, dilation=dilation)
    return split_coupling_flow(
        event_shape,
        levels=levels,
        steps=steps,
        transform=transform,
        network=parts.network_beside(transform, network, width=width, blocks=blocks),
        convolution="lu",
        factorization=factorization,
        exit_prior=exit_prior or prior,
        conditions=conditions,
        memory=memory,
        unroll=unroll,
        dtype=dtype,
    )
