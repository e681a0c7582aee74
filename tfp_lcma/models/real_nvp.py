"""RealNVP: couplings with checkerboard and channel masks, in levels."""

from collections.abc import Sequence

import keras
import numpy as np

from tfp_lcma.bijectors.coupling import AdditiveCoupling, channel_mask, checkerboard_mask
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.multi_scale import MultiScale, level_shapes
from tfp_lcma.bijectors.normalization import ActNorm, BatchNorm
from tfp_lcma.bijectors.reshaping import Squeeze, Unsqueeze, squeezed_shape
from tfp_lcma.factorizations.factorization import Factorization, view
from tfp_lcma.factorizations.positions import offset_maps
from tfp_lcma.models.couplings import coupling_kind
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.residual_network import ResidualNetwork
from tfp_lcma.priors.standard_normal import ExitPrior

# Which half of the checkerboard a coupling keeps: the even pixels, (0,0) among them, first.
CHECKERBOARD_PARITIES = (0, 1, 0)
LAST_LEVEL_PARITIES = (0, 1, 0, 1)
# Which half of the channels a coupling keeps, the first half first.
CHANNEL_HALVES = (0, 1, 0)


def real_nvp(
    event_shape: Sequence[int],
    *,
    levels: int = 2,
    width: int = 32,
    blocks: int = 2,
    widen: bool = True,
    coupling: str = "affine",
    factorization: Factorization | None = None,
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    position_aware: bool = False,
    first_parity: int = 0,
    normalization: str = "actnorm",
    regularizer=None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds RealNVP.

    ```none
    level   3 checkerboard couplings -> squeeze -> 3 channel couplings -> unsqueeze
            -> factorization: half of the dimensions leave
    last    4 checkerboard couplings; everything leaves
    ```

    A normalisation of the channels follows every coupling.

    Args:
      event_shape: `(height, width, channels)` of an image.
      levels: Number of levels; height and width must be divisible by
        `2 ** (levels - 1)`.
      width: Channels of the networks of the first level's checkerboard couplings.
      blocks: Residual blocks of a network.
      widen: Whether widths double from level to level, and once more at channel
        couplings, as in the paper; else all networks have the same width.
      coupling: "affine", as in the paper, "additive" or "mixture_logistic", whose
        forward map is a search for roots.
      factorization: Which dimensions leave at a level; None: nobody before the
        end (the flow to pre-train for LCMA).
      exit_prior: The prior of leaving dimensions; None: standard normal.
      conditions: Number of classes, or the shape `(k,)` of a vector, that the
        couplings and exit priors are told; None: the flow is unconditional.
      position_aware: Whether the networks of deeper levels see, as constant
        channels, where in its block each entry came from; for factorizations
        that choose per position.
      first_parity: Parity of row + column of the pixels that the first
        checkerboard coupling keeps: 0, as in the paper, or 1, all masks swapped,
        those of the channel couplings too.
      normalization: "actnorm" or "batch".
      regularizer: Keras regulariser of the weight-norm gains and of the bounds
        of the log-scales; the paper's is `keras.regularizers.L2(5e-5)`.
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
    for name, value in {"levels": levels, "width": width, "blocks": blocks}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be a whole number >= 1; got {value!r}.")
    if first_parity not in (0, 1):
        raise ValueError(f"first_parity must be 0 or 1; got {first_parity!r}.")
    if normalization not in ("actnorm", "batch"):
        raise ValueError(f'normalization must be "actnorm" or "batch"; got {normalization!r}.')
    kind = coupling_kind(coupling)
    conditions = check_conditions(conditions)
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    flow_dtype = "float64" if policy.variable_dtype == "float64" else "float32"

    # Additive couplings have no log-scale whose bound could be regularised.
    options = {} if kind is AdditiveCoupling else {"regularizer": regularizer}

    def normalized_coupling(mask, network_width, offsets) -> list[FlowBijector]:
        shape = mask.shape
        halved = bool((mask == mask[:1, :1]).all())
        context = [] if halved else [mask[..., :1]]
        if offsets is not None:
            context.append(offsets)
        network = ResidualNetwork(
            filters=kind.parameters_per_channel * (shape[-1] // 2 if halved else shape[-1]),
            width=network_width,
            blocks=blocks,
            context=np.concatenate(context, axis=-1) if context else None,
            conditions=conditions,
            regularizer=regularizer,
            dtype=policy,
        )
        normalize = ActNorm if normalization == "actnorm" else BatchNorm
        return [
            kind(mask, network, **options, dtype=flow_dtype),
            normalize(shape, dtype=flow_dtype),
        ]

    shapes = level_shapes(event_shape, levels, splits=factorization is not None)
    flows = []
    for level, shape in enumerate(shapes):
        level_width = width * 2**level if widen else width
        last = level == levels - 1
        offsets = None
        if position_aware and level > 0 and factorization is not None:
            offsets = offset_maps(factorization, level, event_shape)
        parts = []
        for parity in LAST_LEVEL_PARITIES if last else CHECKERBOARD_PARITIES:
            mask = checkerboard_mask(shape, (parity + first_parity) % 2)
            parts += normalized_coupling(mask, level_width, offsets)
        if not last:
            parts.append(Squeeze(shape))
            squeezed_offsets = None if offsets is None else view(offsets)
            for half in CHANNEL_HALVES:
                keep = ("first", "second")[half != first_parity]
                mask = channel_mask(squeezed_shape(shape), keep)
                channel_width = 2 * level_width if widen else level_width
                parts += normalized_coupling(mask, channel_width, squeezed_offsets)
            parts.append(Unsqueeze(shape))
        flows.append(FlowChain(parts))
    return MultiScale(flows, factorization, exit_prior)
