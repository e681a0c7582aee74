"""EIW-Flow: what is most like noise leaves, as every image decides."""

from collections.abc import Sequence

from tfp_lcma.bijectors.multi_scale import MultiScale
from tfp_lcma.factorizations.entropy import EntropyInformed
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.models.split_coupling import split_coupling_flow
from tfp_lcma.networks.condition import Conditions
from tfp_lcma.priors.conditional_gaussian import ConditionalGaussian
from tfp_lcma.priors.standard_normal import ExitPrior


def eiw_flow(
    event_shape: Sequence[int],
    *,
    levels: int = 3,
    steps: int = 8,
    width: int = 128,
    coupling: str = "affine",
    blocks: int = 2,
    factorization: Factorization | None = EntropyInformed(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds an entropy-informed flow.

    ```none
    level   squeeze -> steps x (actnorm -> 1x1 convolution -> coupling)
            -> shuffle by entropy -> split: half of the channels leave
    last    the steps alone; everything leaves
    ```

    Args:
      event_shape: `(height, width, channels)` of an image.
      levels: Number of levels; height and width must be divisible by `2**levels`.
      steps: Flow steps of a level.
      width: Hidden channels of the couplings' networks; under "mixture_logistic"
        a multiple of 4, the number of heads of their attention.
      coupling: "affine", "additive" or "mixture_logistic", whose forward map is a
        search for roots.
      blocks: Gated blocks of a network under "mixture_logistic".
      factorization: The shuffle, or any other split; None: nobody leaves before
        the end.
      exit_prior: The prior of leaving dimensions; None: `ConditionalGaussian()`.
      conditions: Number of classes, or the shape `(k,)` of a vector, that the
        couplings and exit priors are told; None: the flow is unconditional.
      dtype: Keras dtype policy of the networks, such as "float32", "float64" or
        "mixed_bfloat16"; None: Keras' global policy. Activations and log-dets
        are float32, or float64 under "float64".

    Returns:
      The flow, fully built. Its actnorms start from the first batch of
      `FlowModel.fit`; its shuffles start as Glow's split.

    Raises:
      ValueError: If an argument is out of range or the image cannot be halved
        as often as the levels ask.

    References:
      Entropy-Informed Weighting Channel Normalizing Flow, whose order of parts
      this is. The shuffle and its regulariser are this package's, see
      `EntropyInformed`; so is the choice of what stands in a step.
    """
    return split_coupling_flow(
        event_shape,
        levels=levels,
        steps=steps,
        width=width,
        coupling=coupling,
        gated_blocks=blocks,
        convolution="lu",
        factorization=factorization,
        exit_prior=exit_prior or ConditionalGaussian(),
        conditions=conditions,
        dtype=dtype,
    )
