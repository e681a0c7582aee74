"""mAR-SCF: split-coupling flows whose leaving channels are modelled one after the other."""

from collections.abc import Sequence

from tfp_lcma.bijectors.multi_scale import MultiScale
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models.split_coupling import split_coupling_flow
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressive
from tfp_lcma.priors.standard_normal import ExitPrior


def mar_scf(
    event_shape: Sequence[int],
    *,
    levels: int = 3,
    steps: int = 4,
    width: int = 96,
    coupling: str = "mixture_logistic",
    blocks: int = 2,
    hidden: int | Sequence[int] = 8,
    kernel: int | Sequence[int] = 3,
    dilation: int | Sequence[int] = 1,
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds mAR-SCF.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> factorization: half of the dimensions leave, each channel Gaussian
               given the channels that left before it and what goes on
    last    the same; everything leaves, each channel given those before it
    ```

    Published, beside the defaults of `levels` and `coupling`: `blocks=10`,
    `hidden=32, kernel=(5, 5, 3), dilation=(2, 1, 1)`, and for affine couplings
    `steps=32, width=512`.

    Args:
      event_shape: `(height, width, channels)` of an image.
      levels: Number of levels; height and width must be divisible by `2**levels`.
      steps: Flow steps of a level.
      width: Hidden channels of the couplings' networks; under "mixture_logistic"
        a multiple of 4, the number of heads of their attention.
      coupling: "affine", "additive" or "mixture_logistic". The first two have
        Glow's network, the third has gated convolutions with self-attention, and
        a search for roots as its forward map.
      blocks: Gated blocks of a network under "mixture_logistic".
      hidden: Channels of the prior's LSTM; one number, or one for every level.
      kernel: Height and width of the prior's kernels; one, or one for every level.
      dilation: Dilation of the prior's LSTM; one, or one for every level.
      factorization: Which dimensions leave at a level; None: nobody before the end.
      exit_prior: The prior of leaving dimensions in place of the autoregressive
        one, for comparisons; `hidden`, `kernel` and `dilation` then mean nothing.
      conditions: Number of classes, or the shape `(k,)` of a vector, that the
        couplings and the prior are told; None: the flow is unconditional.
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
    prior = ChannelAutoregressive(hidden=hidden, kernel=kernel, dilation=dilation)
    return split_coupling_flow(
        event_shape,
        levels=levels,
        steps=steps,
        width=width,
        coupling=coupling,
        gated_blocks=blocks,
        convolution="lu",
        factorization=factorization,
        exit_prior=exit_prior or prior,
        conditions=conditions,
        dtype=dtype,
    )
