"""The residual flow: actnorm and x + g(x), step after step, in levels."""

from collections.abc import Sequence

import keras

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.multi_scale import MultiScale, level_shapes
from tfp_lcma.bijectors.normalization import ActNorm
from tfp_lcma.bijectors.residual import ResidualBlock
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.networks.lipschitz import LipschitzNetwork
from tfp_lcma.priors.standard_normal import ExitPrior
from tfp_lcma.validation import check_count


def residual_flow(
    event_shape: Sequence[int],
    *,
    levels: int = 2,
    steps: int = 4,
    width: int = 32,
    factorization: Factorization | None = None,
    exit_prior: ExitPrior | None = None,
    coefficient: float = 0.9,
    log_det: str = "roulette",
    terms: int = 2,
    probes: int = 1,
    inference_terms: int = 10,
    inference_probes: int = 4,
    dtype: str | None = None,
) -> MultiScale:
    """Builds a residual flow; with `log_det="truncated"` it is an i-ResNet.

    ```none
    level   steps x (actnorm -> residual block)
            -> factorization: half of the dimensions leave
    last    the same; everything leaves
    ```

    Log-likelihoods are estimates, unbiased under "roulette", but for
    `log_det="exact"`. Blocks tell how far off: `event_log_det_estimate`.

    Args:
      event_shape: `(height, width, channels)` of an image.
      levels: Number of levels; height and width must be divisible by
        `2 ** (levels - 1)`.
      steps: Residual blocks of a level.
      width: Hidden channels of the blocks' networks.
      factorization: Which dimensions leave at a level; None: nobody before the
        end, as in the papers.
      exit_prior: The prior of leaving dimensions; None: standard normal.
      coefficient: Bound of every block's Lipschitz constant, in (0, 1). A larger
        one allows more, and costs more terms and longer sampling.
      log_det: "roulette", "truncated" or "exact"; see `ResidualBlock`.
      terms: Terms of the log-det's series that are always summed in training.
      probes: Probes a row in training.
      inference_terms: Terms that are always summed otherwise.
      inference_probes: Probes otherwise.
      dtype: Keras dtype policy, such as "float32" or "float64"; None: Keras'
        global policy. Everything is computed in the type of the variables: in
        half precision the iteration that samples would not come to rest.

    Returns:
      The flow, fully built. Its actnorms start from the first batch of
      `FlowModel.fit`, its residual blocks as the identity.

    Raises:
      ValueError: If an argument is out of range or the image cannot be halved
        as often as the levels ask.

    References:
      Chen, Behrmann, Duvenaud, Jacobsen: Residual flows for invertible generative
      modeling, section 4 and appendix E; the paper has 16 blocks a level, a
      coefficient of 0.98 for every convolution and fully connected blocks at
      the end, which are left out here.
    """
    for name, value in {"levels": levels, "steps": steps, "width": width}.items():
        check_count(value, name)
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    flow_dtype = "float64" if policy.variable_dtype == "float64" else "float32"

    def step(shape, seed) -> list[FlowBijector]:
        network = LipschitzNetwork(width, coefficient, dtype=flow_dtype)
        block = ResidualBlock(
            shape,
            network,
            log_det=log_det,
            terms=terms,
            probes=probes,
            inference_terms=inference_terms,
            inference_probes=inference_probes,
            seed=seed,
            dtype=flow_dtype,
        )
        return [ActNorm(shape, dtype=flow_dtype), block]

    flows, blocks = [], 0
    for shape in level_shapes(event_shape, levels, splits=factorization is not None):
        parts = []
        for _ in range(steps):
            parts += step(shape, seed=blocks)
            blocks += 1
        flows.append(FlowChain(parts))
    return MultiScale(flows, factorization, exit_prior)
