"""The multi-scale flow: at every level some dimensions are factored out, the others stay.

```none
   x  [h, w, c]
   |
 level 0 flow            steps at the finest scale
   |
 view  [h/2, w/2, 4c]    every 2x2 block becomes channels
   |
 factorization           orders the 4c entries; log-det 0
   |
   +---- second part ---> exit prior (given the first part) ---> z of level 0
   |
 first part  [h/2, w/2, 2c]
   |
 level 1 flow ... and so on; at the last level everything is factored out
```
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.chain import FlowChain
from tfp_lcma.bijectors.checks import (
    check_takes_all_numbers,
    common_conditions,
    common_dtype,
    image_shape,
)
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import (
    FlowBijector,
    Identity,
    standard_normal_log_prob,
    unconverted,
)
from tfp_lcma.bijectors.inversion import carry_inverse_by_inversion
from tfp_lcma.bijectors.log_det import LogDet, NoLogDet
from tfp_lcma.bijectors.outline import Row
from tfp_lcma.bijectors.patches import to_view, view_shape
from tfp_lcma.bijectors.pieces import carry_inverse_in_pieces
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.multi_scale.layout import FixedLayout, LevelwiseLayout, follow
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.priors.standard_normal import StandardNormal
from tfp_lcma.serialization import register

MEMORY = ("keep", "invert")


class LevelRecord(NamedTuple):
    """A level's end in one inverse pass, in that level's coordinates, before the view.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1)
    z, log_det, records = flow.inverse_by_level(tf.zeros((1, 8, 8, 1)))
    [tuple(record.activation.shape) for record in records]  # [(1, 8, 8, 1), (1, 4, 4, 2)]
    ```

    Attributes:
        activation: `[batch, h, w, c]`.
        event_log_det: Same shape, accumulated from the flow's input on, in nats.
    """

    activation: tf.Tensor
    event_log_det: tf.Tensor


@register
class MultiScale(FlowBijector):
    """A flow in levels, between which a factorization says which dimensions are factored out.

    Latents come back in the shape of the image. Where the factorization is one
    permutation for all images, each stands where its dimension came from, so the
    latent looks like the image and `exit_map` is exact; else by the slot of its
    exit. A density needs no such layout, and none is made for it.

    In a flow on patches the image becomes a grid of patches before the first split, and stays one:
    levels differ in how many of a patch's dimensions they have.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Checkerboard()
    shapes = lcma.multi_scale.level_shapes((8, 8, 1), 2, split)
    flows = [
        lcma.bijectors.Coupling(
            lcma.bijectors.checkerboard(shape, parity=0), lcma.networks.Convolutional(8)
        )
        for shape in shapes
    ]
    flow = lcma.multi_scale.MultiScale(flows, split, lcma.priors.ConditionalGaussian())
    flow.exit_map.shape  # (8, 8, 1)
    ```

    Attributes:
        flows: The flow of every level, finest first. It may end in its view,
            `[h/2, w/2, 4c]` or the grid of patches, or in the shape that it began with.
        splits: The factorization's flow on the view of every level but the last.
        exits: The exit of every level.
        memory: What a gradient keeps: "keep", all activations, or "invert", the ends
            of levels alone, from which the steps are inverted. It may be assigned;
            functions that were traced already do not change.
        patch: Side of the patches of a flow on patches; None: views are of 2x2 blocks.

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def __init__(
        self,
        flows: Sequence[FlowBijector],
        factorization: Factorization | None = None,
        exit_prior: ExitPrior | None = None,
        *,
        memory: str = "keep",
        patch: int | None = None,
        name: str | None = None,
    ):
        """Creates the flow.

        Args:
            flows: The flow of every level, finest first; the event shape of each
                must be that of what stays at the level above (see `level_shapes`).
            factorization: Which dimensions are factored out; None: none before the
                end, and the next level sees all four sub-positions as channels.
            exit_prior: The priors of dimensions that are factored out; None:
                `StandardNormal()`. They are conditioned on what the flows are.
            memory: "keep" or "invert"; see the class.
            patch: Side of the patches of a flow on patches; None: every level's view is of
                2x2 blocks.
            name: Name of the bijector.

        Raises:
            ValueError: If the flows' shapes do not follow from each other, the parts differ in
                their type of numbers, or a flow below the first takes bounded numbers only.
        """
        flows = list(flows)
        if not flows:
            raise ValueError("flows must hold one flow a level; got an empty list.")
        dtype = common_dtype(flows) or "float32"
        event_shape, conditions = flows[0].event_shape, common_conditions(flows)
        super().__init__(event_shape, dtype=dtype, conditions=conditions, name=name)
        shapes = level_shapes(self.event_shape, len(flows), factorization, patch)
        got = [flow.event_shape for flow in flows]
        if got != shapes:
            raise ValueError(f"flows must have the event shapes {shapes}; got {got}.")
        for level, flow in enumerate(flows[1:], 1):
            check_takes_all_numbers(flow, f"flows[{level}]")
        if not isinstance(exit_prior, ExitPrior | None):
            raise ValueError(
                "exit_prior must be an ExitPrior, such as priors.ConditionalGaussian(), or None; "
                f"got {exit_prior!r}."
            )
        self.factorization = factorization
        self.exit_prior = exit_prior or StandardNormal()
        self.flows = flows
        self.memory, self.patch = memory, patch
        self.splits: list[FlowBijector] = []
        self.exits: list[FlowBijector] = []
        self._staying: list[int | None] = []
        self._orders: list[FlowBijector] = []
        for level, flow in enumerate(flows[:-1]):
            move = to_view(flow.event_shape, level, patch)
            view = move.latent_shape
            if flow.latent_shape not in (view, flow.event_shape):
                raise ValueError(
                    f"flows[{level}] must end in the shape {flow.event_shape} or in its view "
                    f"{view}; got {flow.latent_shape}."
                )
            moves = [] if flow.latent_shape == view else [move]
            self._staying.append(None)
            if factorization is not None:
                split = factorization.bijector(level, view)
                stay = factorization.staying(level, view)
                self._staying[-1] = stay
                self.splits.append(split)
                moves.append(split)
                self.exits.append(
                    self._exit(level, (*view[:2], view[2] - stay), (*view[:2], stay), dtype)
                )
            self._orders.append(_chained(moves, view))
        self.exits.append(self._exit(len(flows) - 1, flows[-1].latent_shape, None, dtype))
        parts = [*flows, *self._orders, *self.exits]
        common_dtype(parts)
        self.routes_change = any(order.routes_change for order in self._orders)
        self.searches = any(part.searches for part in self.parts[1:])
        self.iterates = any(part.iterates for part in parts)
        self.gathers_statistics = any(part.gathers_statistics for part in parts)
        self.defined_everywhere = self.flows[0].defined_everywhere
        self._followed = None
        self._layout: FixedLayout | LevelwiseLayout
        if self.routes_change:
            self._layout = LevelwiseLayout(self.flows, self._orders, self._staying)
        else:
            self._layout = FixedLayout(self.event_shape, self._follow()[1])

    @property
    def memory(self) -> str:
        """What a gradient keeps, "keep" or "invert"."""
        return self._memory

    @memory.setter
    def memory(self, memory: str) -> None:
        if memory not in MEMORY:
            raise ValueError(f'memory must be "keep" or "invert"; got {memory!r}.')
        self._memory = memory

    def get_config(self) -> dict:
        return {
            "flows": list(self.flows),
            "factorization": self.factorization,
            "exit_prior": self.exit_prior,
            "memory": self.memory,
            "patch": self.patch,
        }

    @property
    def start_due(self) -> frozenset[int]:
        levels = range(len(self.flows))
        return frozenset(
            k for k in levels if not all(p.is_initialized for p in self._level(k) if p)
        )

    def within_support(self, x, context):
        return self.flows[0].within_support(x, context.at_level(0))

    def carry_inverse(self, x, log_det, context):
        latents, log_dets = self._inverse_by_exit(x, log_det, context)
        return self.join(latents), log_det.joined(log_dets, self.join)

    def carry_forward(self, z, log_det, context):
        latents = self.split(z)
        *carried, log_det = log_det.split(self.split, len(latents))
        last = len(self.flows) - 1
        x, log_det = self.exits[-1].carry_forward(latents[-1], log_det, context.at_level(last))
        for level in reversed(range(len(self.flows))):
            here = context.at_level(level)
            if level < last:
                if self.factorization is not None:
                    kept = here.replace(kept=x)
                    exit_ = self.exits[level]
                    leaving, left = exit_.carry_forward(latents[level], carried[level], kept)
                    x = _whole([x, leaving])
                    log_det = log_det.joined([log_det, left], _whole)
                x, log_det = self._orders[level].carry_forward(x, log_det, here)
            x, log_det = self.flows[level].carry_forward(x, log_det, here)
        return x, log_det

    def log_density(self, x, log_det, context):
        latents, log_dets = self._inverse_by_exit(x, log_det, context)
        densities = [tf.reduce_sum(standard_normal_log_prob(z), axis=(1, 2, 3)) for z in latents]
        return tf.add_n([*densities, *(part.values for part in log_dets)])

    def outline(self):
        rows = []
        first_exit = len(self.flows) - len(self.exits)
        for level, flow in enumerate(self.flows):
            rows.append(Row(f"level {level}", None, 0))
            inside = flow.outline()
            if level < len(self.splits):
                split, out = self.splits[level], self.factored_out(level)
                *sides, entries = split.latent_shape
                title = f"{type(self.factorization).__name__}: {out} of {entries} factored out"
                held = sum(row.variables for row in split.outline())
                inside.append(Row(title, (*sides, entries - out), held))
            if level >= first_exit:
                exit_ = self.exits[level - first_exit]
                held = sum(row.variables for row in exit_.outline())
                title = f"exit: {type(self.exit_prior).__name__}"
                inside.append(Row(title, exit_.latent_shape, held))
            rows += [row.inside() for row in inside]
        return rows

    def _remark(self):
        return f'; memory="{self.memory}"'

    @unconverted
    def inverse_by_level(
        self, x: tf.Tensor, condition=None, *, context: Context | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, list[LevelRecord]]:
        """Returns latents, event log-det and, from the same pass, a record per level."""
        records: list[LevelRecord] = []

        def record(flow, activation, log_det):
            values = [activation, log_det.values]
            if flow.latent_shape != flow.event_shape:
                view = to_view(flow.event_shape, len(records), self.patch)
                values = [view.forward_and_log_det(value)[0] for value in values]
            records.append(LevelRecord(*values))

        context = self.context_of(x, condition, context)
        start = self._no_event_yet(x)
        latents, log_dets = self._inverse_by_exit(x, start, context, record)
        return self.join(latents), start.joined(log_dets, self.join).values, records

    @unconverted
    def level_inputs(self, x: tf.Tensor, condition=None) -> list[tf.Tensor]:
        """Returns what goes into every level's flow, in one inverse pass."""
        inputs = [x]

        def record(flow, activation, log_det):
            level = len(inputs) - 1
            if level < len(self.flows) - 1:
                view, _ = self._orders[level].inverse_and_log_det(activation)
                stay = self._staying[level]
                inputs.append(view if stay is None else view[..., :stay])

        self._inverse_by_exit(x, NoLogDet(), self.context_of(x, condition), record)
        return inputs

    def factored_out(self, level: int) -> int:
        """Returns how many channels of a level's view are factored out; not of the last level."""
        stay = self._staying[level]
        shape = self.flows[level].event_shape
        return 0 if stay is None else view_shape(shape, level, self.patch)[-1] - stay

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Returns the latents of every exit: `z` of the image's shape, taken apart.

        In a flow without a split that is one tensor.
        """
        return self._layout.split(z)

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Puts the latents of the exits back into one tensor of the image's shape."""
        return self._layout.join(latents)

    def route(self, index):
        return index

    @property
    def level_index(self) -> list[np.ndarray]:
        """For every level, which dimension of the image each entry of its tensor is."""
        index = []
        for level, (flow, reached) in enumerate(zip(self.flows, self._follow()[0], strict=True)):
            if flow.latent_shape != flow.event_shape:
                places = np.arange(np.prod(flow.event_shape)).reshape(flow.event_shape)
                places = to_view(flow.event_shape, level, self.patch).route(places)
                reached = reached.ravel()[np.argsort(places, axis=None)].reshape(flow.event_shape)
            index.append(reached)
        return index

    @property
    def exit_map(self) -> np.ndarray:
        """The level at which each dimension is factored out, `[height, width, channels]`."""
        leaving = self._follow()[1]
        exit_map = np.empty(int(np.prod(self.event_shape)), np.int32)
        for exit_, left in enumerate(leaving):
            exit_map[left] = len(self.flows) - len(leaving) + exit_
        return exit_map.reshape(self.event_shape)

    def _exit(self, level, leaving_shape, kept_shape, dtype):
        return self.exit_prior.bijector(level, leaving_shape, kept_shape, self.conditions, dtype)

    def _inverse_by_exit(
        self, x: tf.Tensor, log_det: LogDet, context: Context, record: Callable | None = None
    ) -> tuple[list[tf.Tensor], list[LogDet]]:
        """Takes data through the levels; returns the latents and log-dets of every exit.

        Args:
            x: `[batch, height, width, channels]`.
            log_det: The log-det so far.
            context: What the pass goes by.
            record: Called with each level's flow, its end and the log-det there.
        """
        latents, carried = [], []
        context = context.replace(dimensions=int(np.prod(self.event_shape)))
        for level, flow in enumerate(self.flows):
            here, at_order, at_exit = self._contexts(level, context)
            if self.memory == "invert" and not (here.starting or here.rows_at_once):
                x, log_det = carry_inverse_by_inversion(flow, x, log_det, here)
            else:
                x, log_det = carry_inverse_in_pieces(flow, x, log_det, here)
            if record is not None:
                record(flow, x, log_det)
            if level == len(self.flows) - 1:
                break
            x, log_det = self._orders[level].carry_inverse(x, log_det, at_order)
            if self.factorization is None:
                continue
            sizes = [self._staying[level], x.shape[-1] - self._staying[level]]

            def halves(view, sizes=sizes):
                return tf.split(view, sizes, axis=-1)

            x, leaving = halves(x)
            log_det, left = log_det.split(halves, 2)
            at_exit = at_exit.replace(kept=x)
            z, left = carry_inverse_in_pieces(self.exits[level], leaving, left, at_exit)
            latents.append(z)
            carried.append(left)
        z, log_det = carry_inverse_in_pieces(self.exits[-1], x, log_det, at_exit)
        return [*latents, z], [*carried, log_det]

    def _level(self, level: int) -> tuple[FlowBijector, FlowBijector | None, FlowBijector | None]:
        """Returns a level's flow, the order of its view and its exit, None where there is none."""
        first_exit = len(self.flows) - len(self.exits)
        return (
            self.flows[level],
            self._orders[level] if level < len(self._orders) else None,
            self.exits[level - first_exit] if level >= first_exit else None,
        )

    def _contexts(self, level: int, context: Context) -> list[Context]:
        """Returns the record as a level's flow, order and exit see it.

        Of a level that is named to start, a part that has started does so again only if no other
        is due: a pre-trained flow keeps its start beside a fresh split.
        """
        here = context.at_level(level)
        if isinstance(context.starting, bool) or not here.starting:
            return [here] * 3
        parts = self._level(level)
        ready = [part is None or part.is_initialized for part in parts]
        if all(ready):
            return [here] * 3
        return [here.replace(starting=not before) for before in ready]

    def _follow(self):
        """Returns what `follow` does, kept where no order can change."""
        if self._followed is not None:
            return self._followed
        followed = follow(self.event_shape, self.flows, self._orders, self._staying)
        if not self.routes_change:
            self._followed = self._no_dependency(followed)
        return followed


def _chained(moves, view_shape):
    """Returns flows one after the other as one flow."""
    if not moves:
        return Identity(view_shape)
    return moves[0] if len(moves) == 1 else FlowChain(moves)


def _whole(parts):
    return tf.concat(parts, axis=-1)


def level_shapes(
    event_shape: Sequence[int],
    levels: int,
    factorization: Factorization | None,
    patch: int | None = None,
) -> list[tuple[int, int, int]]:
    """Returns the shape of every level's tensor.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Checkerboard()
    lcma.multi_scale.level_shapes((8, 8, 3), 3, split)  # [(8, 8, 3), (4, 4, 6), (2, 2, 12)]
    ```

    Args:
        event_shape: Shape of the image.
        levels: Number of levels.
        factorization: What is factored out after each level; None: nothing.
        patch: Side of the patches of a flow on patches; None: its views are of 2x2 blocks.

    Raises:
        ValueError: If the image cannot be halved as often as the levels ask, or has no such
            patches, or `factorization` is none, or none for such views.
    """
    if not isinstance(factorization, Factorization | None):
        raise ValueError(
            "factorization must be a Factorization, such as factorizations.Checkerboard(), or "
            f"None; got {factorization!r}."
        )
    if factorization is not None:
        factorization.check_patch(patch)
    shapes = [image_shape(event_shape, "event_shape")]
    for level in range(1, levels):
        height, width, _ = shapes[-1]
        if patch is None and (height % 2 or width % 2):
            divisor = 2 ** (levels - 1)
            raise ValueError(
                f"event_shape {tuple(event_shape)} cannot have {levels} levels: height and width "
                f"must be divisible by {divisor}, but level {level - 1} has {height} and {width}."
            )
        view = view_shape(shapes[-1], level - 1, patch)
        stay = view[2] if factorization is None else factorization.staying(level - 1, view)
        shapes.append((*view[:2], stay))
    return shapes
