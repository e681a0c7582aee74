"""Glow: actnorm, invertible 1x1 convolution and coupling, step after step, in levels."""

from collections.abc import Sequence

from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models import parts
from tfp_lcma.models.split_coupling import split_coupling_flow
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.conditional_gaussian import ConditionalGaussian
from tfp_lcma.priors.exit_prior import ExitPrior


def glow(
    event_shape: Sequence[int],
    *,
    levels: int = 3,
    steps: int = 8,
    width: int = 128,
    coupling: str | Transform = "affine",
    network: str | Network = "convolutional",
    convolution: str = "lu",
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds Glow.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> factorization: half of the dimensions are factored out, Gaussian
               given the rest
    last    the same; everything is factored out
    ```

    The working tensor stays squeezed up to the split: it is the view whose
    entries the factorization orders.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((32, 32, 3), levels=2, steps=4, width=32)
    ```

    Args:
        event_shape: `(height, width, channels)` of an image.
        levels: Number of levels; height and width must be divisible by `2**levels`.
        steps: Flow steps of a level.
        width: Hidden channels of the couplings' networks, if `network` is a name.
        coupling: "affine", "sigmoid_affine", "additive", "rational_quadratic" or
            "mixture_logistic", whose forward map is a search for roots; or a transform from
            `tfp_lcma.transforms`.
        network: What computes couplings' parameters: "convolutional", "residual",
            "gated", "transformer" or "densenet"; a specification from `tfp_lcma.networks`; or
            the class of a Keras layer of your own.
        convolution: How the 1x1 convolutions hold their matrices, "lu" or "plain".
        factorization: Which dimensions are factored out at a level; None: none before the end.
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
        The flow, fully built. Its actnorms, those inside networks too, start from
        the first batch of `FlowModel.fit`, or from `FlowModel.initialize`.

    Raises:
        ValueError: If an argument is out of range or the image cannot be halved
            as often as the levels ask.

    References:
        Kingma, Dhariwal: Glow, section 3 and figure 2. Couplings start as the
        identity, with a scale of one where openai/glow has sigmoid(2), and their
        log-scales are bounded by a learned multiple of tanh.
    """
    return split_coupling_flow(
        event_shape,
        levels=levels,
        steps=steps,
        transform=parts.transform(coupling),
        network=parts.network(network, width=width),
        convolution=convolution,
        factorization=factorization,
        exit_prior=exit_prior or ConditionalGaussian(),
        conditions=conditions,
        memory=memory,
        unroll=unroll,
        dtype=dtype,
    )
