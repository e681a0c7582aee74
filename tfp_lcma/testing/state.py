"""A flow's variables put back, and what it returned last kept."""

import contextlib
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors import Context
from tfp_lcma.testing.inputs import data, move_weights


@contextlib.contextmanager
def restored(*flows):
    """After this context all variables of the flows are as they were."""
    variables = [v for flow in flows for layer in flow.layers for v in layer.variables]
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def perturbed(flow):
    """Within this context a flow has started on data, and its weights are moved by noise.

    As it was made, a flow is nearly the identity, which hides faults: a layer that starts from
    zeros gives those before it no gradient. Noise of a kernel goes by how many inputs are summed.

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((4, 4, 1), levels=1, steps=1, width=4)
    with lcma.testing.perturbed(flow):
        x = lcma.testing.data(flow, batch=2)
        z, log_det = flow.inverse_and_event_log_det(x)
    ```

    Args:
        flow: Any `FlowBijector`; its variables are afterwards as they were.
    """
    random = np.random.default_rng(0)
    with restored(flow):
        if not flow.is_initialized:
            flow.inverse_and_log_det(data(flow, 16), context=Context(starting=True))
        for variable in flow.trainable_variables:
            summed = int(np.prod(variable.shape[:-1]))
            noise = random.normal(size=variable.shape) / (10 + 2 * np.sqrt(summed))
            variable.assign_add(tf.cast(noise, variable.dtype))
        yield


@contextlib.contextmanager
def moved(flow, scale=0.05):
    """Within this context the weights of `flow` are moved by noise."""
    with restored(flow):
        move_weights(flow, scale, seed=9)
        yield


class kept:  # noqa: N801 (a decorator)
    """Keeps what a function of a flow returned last: the next check asks it of the same flow."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self._function = function
        self._last: list[Any] = []

    def __call__(self, flow):
        """What the function returned, or returns, of this flow."""
        if not self._last or self._last[0] is not flow:
            self._last[:] = flow, self._function(flow)
        return self._last[1]

    def forget(self):
        """Lets go of the last flow."""
        self._last.clear()
