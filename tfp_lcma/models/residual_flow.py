"""The residual flow: actnorm and x + g(x), step after step, in levels."""

import itertools
from collections.abc import Sequence

from tfp_lcma.bijectors.actnorm import ActNorm
from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.bijectors.residual import ResidualBlock
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models import parts
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.lipschitz import LipschitzNetwork
from tfp_lcma.priors.exit_prior import ExitPrior


def residual_flow(
    event_shape: Sequence[int],
    *,
    levels: int = 2,
    steps: int = 4,
    width: int = 32,
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    coefficient: float = 0.9,
    log_det: str = "roulette",
    terms: int = 2,
    probes: int = 1,
    inference_terms: int = 10,
    inference_probes: int = 4,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds a residual flow; with `log_det="truncated"` it is an i-ResNet.

    ```none
    level   steps x (actnorm -> residual block)
            -> factorization: half of the dimensions are factored out
    last    the same; everything is factored out
    ```

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.residual_flow((8, 8, 1), steps=2, width=8)
    ```

    Log-likelihoods are estimates, unbiased under "roulette", but for
    `log_det="exact"`. `event_log_det_estimate` gives their standard errors.

    Args:
        event_shape: `(height, width, channels)` of an image.
        levels: Number of levels; height and width must be divisible by `2 ** (levels - 1)`.
        steps: Residual blocks of a level.
        width: Hidden channels of the blocks' networks.
        factorization: Which dimensions are factored out at a level; None: none
            before the end, as in the papers.
        exit_prior: The prior of dimensions that are factored out; None: standard normal.
        conditions: Number of classes, or the shape `(k,)` of a vector, that blocks and exit priors
            are conditioned on, by a bias of the blocks' hidden channels, which leaves their
            Lipschitz constants alone; None if unconditional.
        coefficient: Bound of every block's Lipschitz constant, in (0, 1). A larger
            one allows more, and costs more terms and longer sampling.
        log_det: "roulette", "truncated" or "exact"; see `ResidualBlock`.
        terms: Terms of the log-det's series that are always summed in training.
        probes: Probes a row in training.
        inference_terms: Terms that are always summed otherwise.
        inference_probes: Probes otherwise.
        memory: What a gradient keeps: "keep", all activations, which is faster and has
            second derivatives; or "invert", the ends of levels, for the steps,
            whose inverse is a search, their inputs. May be changed later: `flow.memory = "invert"`.
        unroll: Whether graphs run a level's steps one after the other rather than in
            a loop; None, as is faster to start.
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
    parts.check_sizes(levels=levels, steps=steps, width=width)
    conditions, flow_dtype = check_conditions(conditions), parts.types(dtype).flow
    seeds = itertools.count()

    def step(shape) -> FlowChain:
        network = LipschitzNetwork(width, coefficient, conditions=conditions, dtype=flow_dtype)
        block = ResidualBlock(
            shape,
            network,
            log_det=log_det,
            terms=terms,
            probes=probes,
            inference_terms=inference_terms,
            inference_probes=inference_probes,
            seed=next(seeds),
            dtype=flow_dtype,
        )
        return FlowChain([ActNorm(shape, dtype=flow_dtype), block])

    def level(shape) -> Repeated:
        return Repeated(lambda: step(shape), steps, unroll=unroll)

    shapes = level_shapes(event_shape, levels, factorization)
    return MultiScale([level(shape) for shape in shapes], factorization, exit_prior, memory=memory)
