"""The multi-scale flow: at every level some dimensions leave, the others go on.

```none
   x  [h, w, c]
   |
 level 0 flow            steps at the finest scale
   |
 view  [h/2, w/2, 4c]    every 2x2 block becomes channels
   |
 factorization           orders the 4c entries; log-det 0
   |
   +---- second half ---> exit prior (given the first half) ---> z of level 0
   |
 first half  [h/2, w/2, 2c]
   |
 level 1 flow ... and so on; at the last level everything leaves
```
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import common_conditions, common_dtype, image_shape
from tfp_lcma.bijectors.flow_bijector import CarryingFlow, FlowBijector
from tfp_lcma.bijectors.flow_chain import FlowChain
from tfp_lcma.bijectors.layout import FixedLayout, LevelwiseLayout, follow
from tfp_lcma.bijectors.reshaping import Squeeze
from tfp_lcma.bijectors.running_log_det import EventLogDet
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.priors.standard_normal import ExitPrior, StandardNormal
from tfp_lcma.serialization import register


class LevelRecord(NamedTuple):
    """A level's end in one inverse pass, in that level's coordinates, before the view.

    Attributes:
      activation: `[batch, h, w, c]`.
      event_log_det: Same shape, accumulated from the flow's input on, in nats.
    """

    activation: tf.Tensor
    event_log_det: tf.Tensor


@register
class MultiScale(CarryingFlow):
    """A flow in levels, between which a factorization lets dimensions leave.

    Latents come back in the shape of the image. Where the factorization is one
    permutation for all images, each stands where its dimension came from, so the
    latent looks like the image and `exit_map` is exact; else by the slot it left
    through.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def __init__(
        self,
        flows: Sequence[FlowBijector],
        factorization: Factorization | None = None,
        exit_prior: ExitPrior | None = None,
        name: str | None = None,
    ):
        """Creates the flow.

        Args:
          flows: The flow of every level, finest first; the event shape of each
            must be what the level above lets through (see `level_shapes`).
          factorization: Which dimensions leave; None: nobody before the end,
            and the next level sees all four sub-positions as channels.
          exit_prior: The priors of leaving dimensions; None: `StandardNormal()`.
            They are conditioned on what the flows are.
          name: Name of the bijector.

        Raises:
          ValueError: If the flows' shapes do not follow from each other, or the
            parts differ in their type of numbers.
        """
        flows = list(flows)
        if not flows:
            raise ValueError("flows must hold one flow a level; got an empty list.")
        dtype = common_dtype(flows) or "float32"
        super().__init__(flows[0].event_shape, dtype=dtype, name=name)
        shapes = level_shapes(self.event_shape, len(flows), factorization is not None)
        got = [flow.event_shape for flow in flows]
        if got != shapes:
            raise ValueError(f"flows must have the event shapes {shapes}; got {got}.")
        self.factorization = factorization
        self.exit_prior = exit_prior or StandardNormal()
        self.flows = flows
        self.conditions = common_conditions(flows)
        self.orders, self.exits = [], []
        for level, shape in enumerate(shapes[:-1]):
            view = Squeeze(shape)
            view_shape = tuple(view.inverse_event_shape(shape))
            if factorization is None:
                self.orders.append(view)
                continue
            self.orders.append(FlowChain([view, factorization.bijector(level, view_shape)]))
            half = (*view_shape[:2], view_shape[2] // 2)
            self.exits.append(self._exit(level, half, half, dtype))
        self.exits.append(self._exit(len(flows) - 1, shapes[-1], None, dtype))
        common_dtype([*flows, *self.orders, *self.exits])
        self.routes_change = any(order.routes_change for order in self.orders)
        self.iterates = any(part.iterates for part in (*flows, *self.orders, *self.exits))
        self._followed = None
        if self.routes_change:
            self._layout = LevelwiseLayout(self.flows, self.orders)
        else:
            self._layout = FixedLayout(self.event_shape, self._follow()[1])

    def get_config(self) -> dict:
        return {
            "flows": list(self.flows),
            "factorization": self.factorization,
            "exit_prior": self.exit_prior,
        }

    def carry_inverse(self, x, log_det, condition=None, training=False):
        def carry(flow, value, log_det, condition):
            return flow.carry_inverse(value, log_det, condition, training)

        return self._walk_inverse(x, log_det, condition, carry)

    def carry_forward(self, z, log_det, condition=None, training=False):
        def carry(flow, value, log_det, condition):
            return flow.carry_forward(value, log_det, condition, training)

        return self._walk_forward(z, log_det, condition, carry)

    def transport_inverse(self, t, x):
        def transport(flow, value, t, condition):
            moved = t.moved(lambda t: flow.transport_inverse(t, value))
            return flow.inverse_and_log_det(value, condition)[0], moved

        return self._walk_inverse(x, EventLogDet(t), None, transport)[1].values

    def transport_forward(self, t, z):
        def transport(flow, value, t, condition):
            moved = t.moved(lambda t: flow.transport_forward(t, value))
            return flow.forward_and_log_det(value, condition)[0], moved

        return self._walk_forward(z, EventLogDet(t), None, transport)[1].values

    def inverse_by_level(
        self, x: tf.Tensor, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, list[LevelRecord]]:
        """Returns latents, event log-det and, from the same pass, a record per level."""
        records = []

        def carry(flow, value, log_det, condition):
            value, log_det = flow.carry_inverse(value, log_det, condition, training)
            if any(flow is level for level in self.flows):
                records.append(LevelRecord(value, log_det.values))
            return value, log_det

        z, log_det = self._walk_inverse(x, self._nothing_yet(x), condition, carry)
        return z, log_det.values, records

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Returns the latents of every level: `z` of the image's shape, taken apart.

        Where nobody leaves before the end that is one tensor.
        """
        return self._layout.split(z)

    def join(self, latents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Puts the latents of the levels back into one tensor of the image's shape."""
        return self._layout.join(latents)

    @property
    def level_index(self) -> list[np.ndarray]:
        """For every level, which dimension of the image each entry of its tensor is."""
        return self._follow()[0]

    @property
    def exit_map(self) -> np.ndarray:
        """The level at which each dimension leaves, `[height, width, channels]`, from 0."""
        leaving = self._follow()[1]
        exit_map = np.empty(int(np.prod(self.event_shape)), np.int32)
        for exit_, left in enumerate(leaving):
            exit_map[left] = len(self.flows) - len(leaving) + exit_
        return exit_map.reshape(self.event_shape)

    def _exit(self, level, leaving_shape, kept_shape, dtype):
        return self.exit_prior.bijector(level, leaving_shape, kept_shape, self.conditions, dtype)

    def _walk_inverse(self, x, log_det, condition, step):
        """Takes `x` and the log-det through the levels; `step` says what a flow does to them."""
        latents, carried = [], []
        for level, flow in enumerate(self.flows):
            x, log_det = step(flow, x, log_det, condition)
            if level == len(self.flows) - 1:
                break
            x, log_det = step(self.orders[level], x, log_det, None)
            if self.factorization is None:
                continue
            x, leaving = _halves(x)
            log_det, left = log_det.split(_halves, 2)
            z, left = step(self.exits[level], leaving, left, (x, condition))
            latents.append(z)
            carried.append(left)
        z, log_det = step(self.exits[-1], x, log_det, (None, condition))
        return self.join([*latents, z]), log_det.joined([*carried, log_det], self.join)

    def _walk_forward(self, z, log_det, condition, step):
        """The mirror image of `_walk_inverse`."""
        latents = self.split(z)
        *carried, log_det = log_det.split(self.split, len(latents))
        x, log_det = step(self.exits[-1], latents[-1], log_det, (None, condition))
        for level in reversed(range(len(self.flows))):
            if level < len(self.flows) - 1:
                if self.factorization is not None:
                    leaving, left = step(
                        self.exits[level], latents[level], carried[level], (x, condition)
                    )
                    x = _whole([x, leaving])
                    log_det = log_det.joined([log_det, left], _whole)
                x, log_det = step(self.orders[level], x, log_det, None)
            x, log_det = step(self.flows[level], x, log_det, condition)
        return x, log_det

    def _follow(self):
        """Returns what `follow` does, kept where no order can change."""
        if self._followed is not None:
            return self._followed
        splits = self.factorization is not None
        followed = follow(self.event_shape, self.flows, self.orders, splits)
        if not self.routes_change:
            self._followed = self._no_dependency(followed)
        return followed


def _halves(view):
    return tf.split(view, 2, axis=-1)


def _whole(halves):
    return tf.concat(halves, axis=-1)


def level_shapes(
    event_shape: Sequence[int], levels: int, splits: bool
) -> list[tuple[int, int, int]]:
    """Returns the shape of every level's tensor.

    Args:
      event_shape: Shape of the image.
      levels: Number of levels.
      splits: Whether half of the dimensions leave after each level.

    Raises:
      ValueError: If the image cannot be halved as often as the levels ask.
    """
    shapes = [image_shape(event_shape, "event_shape")]
    for level in range(1, levels):
        height, width, channels = shapes[-1]
        if height % 2 or width % 2:
            divisor = 2 ** (levels - 1)
            raise ValueError(
                f"event_shape {tuple(event_shape)} cannot have {levels} levels: height and width "
                f"must be divisible by {divisor}, but level {level - 1} has {height} and {width}."
            )
        shapes.append((height // 2, width // 2, channels * (2 if splits else 4)))
    return shapes
