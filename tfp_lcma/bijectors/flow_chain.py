"""Flows one after the other."""

import itertools
from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.channel_flow import (
    ChannelFlow,
    carry_forward_at_once,
    carry_inverse_at_once,
)
from tfp_lcma.bijectors.checks import common_conditions, common_dtype
from tfp_lcma.bijectors.flow_bijector import CarryingFlow, FlowBijector
from tfp_lcma.networks.actnorm import is_initializing
from tfp_lcma.serialization import register


@register
class FlowChain(CarryingFlow):
    """Flows one after the other: the inverse runs them first to last.

    ```none
    inverse   z = f_n(... f_2(f_1(x)))
    forward   x = f_1^{-1}(f_2^{-1}(... z))
    log-det   the members' sum, each carried on to the coordinates of the output
    ```

    The order is that of `tfb.Chain`, whose last member acts first on the latent.
    """

    def __init__(self, bijectors: Sequence[FlowBijector], name: str | None = None):
        """Chains `bijectors`, given from the data's side to the latent's.

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
        super().__init__(bijectors[0].event_shape, dtype=common_dtype(bijectors), name=name)
        self.bijectors = bijectors
        runs = itertools.groupby(bijectors, lambda flow: isinstance(flow, ChannelFlow))
        self._runs = self._no_dependency([(at_once, list(flows)) for at_once, flows in runs])
        self.routes_change = any(bijector.routes_change for bijector in bijectors)
        self.conditions = common_conditions(bijectors)
        self.iterates = any(bijector.iterates for bijector in bijectors)

    @property
    def exit_map(self) -> np.ndarray | None:
        """The last member's, whose coordinates the chain's latents are in."""
        return self.bijectors[-1].exit_map

    def get_config(self) -> dict:
        return {"bijectors": list(self.bijectors), "name": self.name}

    def carry_inverse(self, x, log_det, condition=None, training=False):
        for at_once, flows in self._runs:
            # An actnorm that is to start from the data must see them.
            if at_once and not is_initializing():
                x, log_det = carry_inverse_at_once(flows, x, log_det)
                continue
            for flow in flows:
                x, log_det = flow.carry_inverse(x, log_det, condition, training)
        return x, log_det

    def carry_forward(self, z, log_det, condition=None, training=False):
        for at_once, flows in reversed(self._runs):
            if at_once:
                z, log_det = carry_forward_at_once(flows, z, log_det)
                continue
            for flow in reversed(flows):
                z, log_det = flow.carry_forward(z, log_det, condition, training)
        return z, log_det

    def transport_inverse(self, t, x):
        for bijector in self.bijectors:
            t, x = bijector.transport_inverse(t, x), bijector.inverse(x)
        return t

    def transport_forward(self, t, z):
        for bijector in reversed(self.bijectors):
            t, z = bijector.transport_forward(t, z), bijector.forward(z)
        return t

    def route(self, index):
        for bijector in self.bijectors:
            index = bijector.route(index)
        return index

    def _forward_event_shape(self, input_shape):
        for bijector in reversed(self.bijectors):
            input_shape = bijector.forward_event_shape(input_shape)
        return input_shape

    def _inverse_event_shape(self, output_shape):
        for bijector in self.bijectors:
            output_shape = bijector.inverse_event_shape(output_shape)
        return output_shape

    def _forward_event_shape_tensor(self, input_shape):
        for bijector in reversed(self.bijectors):
            input_shape = bijector.forward_event_shape_tensor(input_shape)
        return input_shape

    def _inverse_event_shape_tensor(self, output_shape):
        for bijector in self.bijectors:
            output_shape = bijector.inverse_event_shape_tensor(output_shape)
        return output_shape
