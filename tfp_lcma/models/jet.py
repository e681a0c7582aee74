"""Jet: couplings of channels and of positions on a grid of patches, with vision transformers."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.coupling import Coupling
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.halves import Halves
from tfp_lcma.bijectors.patches import Patches
from tfp_lcma.bijectors.repeated import Repeated
from tfp_lcma.bijectors.transforms import Transform
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.static import Channel
from tfp_lcma.models import parts
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.condition import Conditions, check_conditions
from tfp_lcma.networks.specification import Network
from tfp_lcma.priors.exit_prior import ExitPrior

# So many couplings of the patches' dimensions, then one of the patches themselves.
CHANNEL_COUPLINGS = 4


def jet(
    event_shape: Sequence[int],
    *,
    patch: int = 4,
    levels: int = 1,
    couplings: int = 10,
    width: int = 64,
    blocks: int = 2,
    heads: int = 4,
    coupling: str | Transform = "sigmoid_affine",
    network: str | Network = "transformer",
    factorization: Factorization | None = Channel(),  # noqa: B008, it is immutable
    exit_prior: ExitPrior | None = None,
    conditions: Conditions = None,
    memory: str = "keep",
    unroll: bool | None = None,
    dtype: str | None = None,
) -> MultiScale:
    """Builds Jet, or JetFormer's flow where some of a patch's dimensions are factored out.

    ```none
    patches -> four channel couplings -> one spatial coupling -> four channel couplings -> ...
    channel couplings   halves of the patches' dimensions, in random orders that stay fixed
    spatial couplings   halves of the patches, in turn: a checkerboard, vertical stripes,
                        horizontal stripes, each followed by its inverse
    level               so many couplings -> factorization: some dimensions of every patch are
                        factored out;  at the last level everything is
    ```

    Published for 64x64 images: `couplings=32, width=512, heads=8`, one level.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.jet((8, 8, 1), patch=2, levels=2, couplings=5, width=16)
    ```

    Args:
        event_shape: `(height, width, channels)` of an image.
        patch: Side of a patch; both sides of the grid of patches must be even.
        levels: Number of levels; after every level but the last some of a patch's dimensions
            are factored out. One is Jet.
        couplings: Couplings of a level; their kinds go on in turn from level to level.
        width: Channels of a token in the couplings' networks, a multiple of `heads`, if `network`
            is a name.
        blocks: Blocks of a network that has blocks.
        heads: Heads of its attention.
        coupling: "sigmoid_affine", as in the paper, "affine", "additive", "rational_quadratic" or
            "mixture_logistic", whose forward map is a search for roots; or a transform from
            `tfp_lcma.transforms`.
        network: What computes couplings' parameters: "transformer", as in the paper,
            "convolutional", "residual", "gated" or "densenet"; a specification from
            `tfp_lcma.networks`; or the class of a Keras layer of your own.
        factorization: Which of a patch's dimensions are factored out at a level: `Channel()`, the
            last ones, as in JetFormer; None: none before the end (the flow to pre-train for LCMA).
        exit_prior: The prior of dimensions that are factored out; None: standard normal.
        conditions: Number of classes, or the shape `(k,)` of a vector, that couplings
            and exit priors are conditioned on; None if unconditional.
        memory: What a gradient keeps: "keep", all activations, which is faster and has
            second derivatives; or "invert", the ends of levels, from which the steps
            are inverted. May be changed later: `flow.memory = "invert"`.
        unroll: Whether graphs run a level's couplings one after the other rather than in
            a loop; None, as is faster to start.
        dtype: Keras dtype policy of the networks, such as "float32", "float64" or
            "mixed_bfloat16"; None: Keras' global policy. Activations and log-dets
            are float32, or float64 under "float64".

    Returns:
        The flow, fully built. It starts as the identity, and nothing in it starts from the data.

    Raises:
        ValueError: If an argument is out of range, or the image has no even grid of such patches,
            or a level has an odd number of a patch's dimensions.

    References:
        Kolesnikov, Pinto, Tschannen: Jet: A modern transformer-based normalizing flow, section 3;
        Tschannen, Pinto, Kolesnikov: JetFormer; google-research/big_vision,
        models/proj/jet/jet.py. Their networks have no bound on the input, and start positions
        with another spread; see `TransformerNetwork`.
    """
    parts.check_sizes(
        patch=patch, levels=levels, couplings=couplings, width=width, blocks=blocks, heads=heads
    )
    transform = parts.transform(coupling)
    specified = parts.network(network, width=width, blocks=blocks, heads=heads)
    conditions, (flow_dtype, policy) = check_conditions(conditions), parts.types(dtype)

    def level(number: int, shape: tuple[int, int, int]) -> FlowChain:
        moves: list[FlowBijector] = [Patches(shape, patch)] if number == 0 else []
        grid = moves[0].latent_shape if moves else shape
        _check_halves(number, grid)
        numbers = iter(range(number * couplings, (number + 1) * couplings))

        def step() -> Coupling:
            return Coupling(
                Halves(coupling_order(grid, next(numbers))),
                specified,
                transform,
                conditions=conditions,
                network_dtype=policy,
                dtype=flow_dtype,
            )

        return FlowChain([*moves, Repeated(step, couplings, unroll=unroll)])

    shapes = level_shapes(event_shape, levels, factorization, patch)
    flows = [level(number, shape) for number, shape in enumerate(shapes)]
    return MultiScale(flows, factorization, exit_prior, memory=memory, patch=patch)


def coupling_order(grid: Sequence[int], number: int) -> np.ndarray:
    """Returns the dimensions of a grid of patches in the order in which a coupling halves them.

    Args:
        grid: Shape `(rows, columns, dimensions)` of the grid.
        number: Index of the coupling.

    Returns:
        Flat indices, of the grid's shape: the first half is kept, the second moved.
    """
    index = np.arange(np.prod(grid)).reshape(grid)
    cycle, place = divmod(number, CHANNEL_COUPLINGS + 1)
    if place < CHANNEL_COUPLINGS:
        order = np.random.default_rng(number).permutation(grid[-1])
        halves = np.split(index[..., order], 2, axis=-1)
    else:
        rows, columns = np.indices(grid[:2])
        stripes = (rows + columns, columns, rows)[cycle // 2 % 3]
        kept = stripes % 2 == cycle % 2
        halves = [index[kept], index[~kept]]
    return np.concatenate([half.ravel() for half in halves]).reshape(grid)


def _check_halves(level, grid):
    """Raises a ValueError unless the dimensions and the positions of a grid can be halved."""
    rows, columns, dimensions = grid
    if rows % 2 or columns % 2:
        raise ValueError(
            f"patch must leave an even number of rows and columns of patches; got {rows} and "
            f"{columns}."
        )
    if dimensions % 2:
        leaves = "patch must have" if level == 0 else "factorization must leave"
        raise ValueError(
            f"{leaves} an even number of a patch's dimensions to level {level}, to be halved by "
            f"couplings; got {dimensions}."
        )
