"""Flows one after the other."""

import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.backward import Backward, Gradients, add_gradients
from tfp_lcma.bijectors.channel_flow import ChannelFlow, ChannelRun
from tfp_lcma.bijectors.checks import common_conditions, common_dtype
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import NoLogDet
from tfp_lcma.serialization import register


@register
class FlowChain(FlowBijector):
    """Flows one after the other: the inverse runs them first to last.

    ```none
    inverse   z = f_n(... f_2(f_1(x)))
    forward   x = f_1^{-1}(f_2^{-1}(... z))
    log-det   the members' sum, each carried on to the coordinates of the output
    ```

    The order is that of `tfb.Chain`, whose last member acts first on the latent.

    ```python
    import tfp_lcma as lcma

    shape = (4, 4, 2)
    half = lcma.bijectors.ChannelHalf(shape, exchange=True)
    flow = lcma.bijectors.FlowChain(
        [
            lcma.bijectors.ActNorm(shape),
            lcma.bijectors.InvertibleConvolution(shape),
            lcma.bijectors.Coupling(half, lcma.networks.Convolutional(8)),
        ]
    )
    flow.event_shape  # (4, 4, 2)
    ```
    """

    def __init__(self, bijectors: Sequence[FlowBijector], name: str | None = None):
        """Chains flows.

        Args:
            bijectors: The flows, from the data's side to the latent's.
            name: Name of the bijector.

        Raises:
            ValueError: If the list is empty, holds something other than a
                `FlowBijector`, or mixes types.
        """
        bijectors = list(bijectors)
        if not bijectors:
            raise ValueError("bijectors must hold at least one FlowBijector; got an empty list.")
        for position, bijector in enumerate(bijectors):
            if not isinstance(bijector, FlowBijector):
                raise ValueError(
                    f"bijectors[{position}] must be a FlowBijector, whose log-det is per "
                    f"dimension; got {type(bijector).__name__}."
                )
        super().__init__(
            bijectors[0].event_shape,
            dtype=common_dtype(bijectors),
            conditions=common_conditions(bijectors),
            latent_shape=bijectors[-1].latent_shape,
            name=name,
        )
        self.bijectors = bijectors
        self._runs = self._no_dependency(_runs(bijectors))
        self.routes_change = any(bijector.routes_change for bijector in bijectors)
        self.iterates = any(bijector.iterates for bijector in bijectors)
        self.defined_everywhere = all(bijector.defined_everywhere for bijector in bijectors)
        self.gathers_statistics = any(bijector.gathers_statistics for bijector in bijectors)

    @property
    def exit_map(self) -> np.ndarray | None:
        """The last member's, whose coordinates the chain's latents are in."""
        return self.bijectors[-1].exit_map

    @property
    def remembers(self) -> bool:
        return any(flow.remembers for flow in self._runs)

    def outline(self):
        return [row for bijector in self.bijectors for row in bijector.outline()]

    def get_config(self) -> dict:
        return {"bijectors": list(self.bijectors), "name": self.name}

    def within_support(self, x, context):
        # What a member takes is known where the members before it have brought the data to.
        last = max(i for i, flow in enumerate(self.bijectors) if not flow.defined_everywhere)
        infinite = tf.math.is_inf(x)
        inside = ~tf.reduce_any(infinite, axis=(1, 2, 3))
        y = tf.where(infinite, tf.zeros((), x.dtype), x)
        for flow in self.bijectors[:last]:
            if not flow.defined_everywhere:
                y, found = flow.within_support(y, context)
                inside &= found
            y, _ = flow.carry_inverse(y, NoLogDet(), context)
        y, found = self.bijectors[last].within_support(y, context)
        for flow in reversed(self.bijectors[:last]):
            y, _ = flow.carry_forward(y, NoLogDet(), context)
        inside &= found
        return tf.where(inside[:, None, None, None], x, y), inside

    def carry_inverse(self, x, log_det, context):
        for flow in self._runs:
            x, log_det = flow.carry_inverse(x, log_det, context)
        return x, log_det

    def carry_forward(self, z, log_det, context):
        for flow in reversed(self._runs):
            z, log_det = flow.carry_forward(z, log_det, context)
        return z, log_det

    def log_density(self, x, log_det, context):
        *others, last = self._runs
        for flow in others:
            x, log_det = flow.carry_inverse(x, log_det, context)
        return last.log_density(x, log_det, context)

    def remember(self, x, log_det, context):
        memories = []
        for flow in self._runs:
            x, log_det, memory = flow.remember(x, log_det, context)
            memories.append(memory)
        return x, log_det, tuple(memories)

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        gradients: Gradients = {}
        for flow, kept in zip(reversed(self._runs), reversed(memory), strict=True):
            # Inversion could run ahead, and all activations be kept after all.
            with tf.control_dependencies([dz]):
                z = tf.identity(z)
            z, dz, dlog_det, added = flow.carry_backward(z, dz, dlog_det, context, kept)
            gradients = add_gradients(gradients, added)
        return Backward(z, dz, dlog_det, gradients)

    def route(self, index):
        for bijector in self.bijectors:
            index = bijector.route(index)
        return index


def _runs(bijectors):
    """Joins channel flows that follow each other."""
    joined: list[FlowBijector] = []
    for at_once, run in itertools.groupby(bijectors, lambda flow: isinstance(flow, ChannelFlow)):
        flows = list(run)
        joined += [ChannelRun(flows)] if at_once and len(flows) > 1 else flows
    return joined
