"""A step of a flow, many times over, each time with its own numbers, as one loop."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_is_shared
from tfp_lcma.bijectors.alike import check_alike, constant_keys, differing_constants, made
from tfp_lcma.bijectors.checks import check_takes_all_numbers
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.names import check_variables_held, named_variables
from tfp_lcma.bijectors.outline import Row
from tfp_lcma.bijectors.stepping import Stepping, carry, carry_back, remember
from tfp_lcma.custom_gradient import gradient_is_compiled
from tfp_lcma.networks.stack import Stack
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# Up to so many steps the graph without a loop starts about as soon, and runs faster.
UNROLLED_STEPS = 4


@register
class Repeated(FlowBijector):
    """A flow's step, `times` times over.

    ```none
    inverse   z = step_K(... step_2(step_1(x)))
    forward   x = step_1^{-1}(step_2^{-1}(... z))
    log-det   the steps' sum
    ```

    The variables of all steps are stacked along a leading axis, and one loop
    runs over them, so that graphs, tracing, compilation and the optimiser's
    bookkeeping do not grow with the number of steps. Steps may differ in their
    constant arrays, such as masks, which are stacked too, and in nothing else.

    ```python
    import tfp_lcma as lcma

    shape = (4, 4, 8)
    half = lcma.bijectors.ChannelHalf(shape, exchange=True)
    steps = lcma.bijectors.Repeated(
        lambda: lcma.bijectors.Coupling(half, lcma.networks.Convolutional(8)), times=16
    )
    ```

    Attributes:
        times: Number of steps.
        unroll: How a graph runs the steps: True, one after the other; False, in a
            loop; None, one after the other if they are few, or if XLA compiles their
            gradient for a CPU, else in a loop. The same variables and
            results either way; functions that were traced already do not change. Steps with
            statistics of a batch that several replicas share always run without a loop.
    """

    def __init__(
        self,
        step: Callable[[], FlowBijector] | FlowBijector,
        times: int,
        *,
        unroll: bool | None = None,
        constants: Sequence[tuple[str, np.ndarray]] | None = None,
        name: str | None = None,
    ):
        """Creates the flow.

        Args:
            step: Called `times` times to make the steps; or one flow, to be made
                anew from its configuration.
            times: Number of steps.
            unroll: Whether graphs run the steps without a loop; see the class.
            constants: For a `step` that is a flow, the arrays in which steps differ,
                stacked along a leading axis, as `get_config` gives them.
            name: Name of the bijector.

        Raises:
            ValueError: If the steps are no flows, reshape, take bounded numbers only, or differ
                in more than their constant arrays.
        """
        self.times, self.unroll = check_count(times, "times"), unroll
        steps = [made(step) for _ in range(self.times)]
        template, shape = steps[0], steps[0].event_shape
        if template.latent_shape != shape:
            raise ValueError(
                f"step must keep the shape of its input to be repeated; got {shape} to "
                f"{template.latent_shape}."
            )
        check_takes_all_numbers(template, "step")
        variables = [named_variables(one) for one in steps]
        for others in variables[1:]:
            check_alike(_shapes(variables[0]), _shapes(others), "variables")
        check_variables_held(template, "step")
        flags = {id(flag) for flag in template.start_flags}
        stack = Stack(
            {name: [one[name] for one in variables] for name in variables[0]},
            start_flags=[name for name, v in variables[0].items() if id(v) in flags],
            dtype=template.dtype and template.dtype.name,
            name="steps",
        )
        if constants is None:
            differing = differing_constants(steps)
        else:
            keys = constant_keys(template)
            differing = {keys[key]: np.asarray(array) for key, array in constants}
        # A plain object: no tracker must see a step's own variables, which stand for slices.
        own = tuple(variables[0].values())
        self._stepping = Stepping(template, self.times, own, stack, differing)
        self._stack, self._differing = stack, differing
        index = np.arange(np.prod(shape)).reshape(shape)
        for one in steps:
            index = one.route(index)
        self._routed = index
        super().__init__(
            shape,
            dtype=template.dtype and template.dtype.name,
            layers=[stack],
            conditions=template.conditions,
            name=name,
        )
        self.iterates = template.iterates
        self.searches = any(part.searches for part in template.parts)
        self.gathers_statistics = template.gathers_statistics

    @property
    def step(self) -> FlowBijector:
        """One step, whose variables have no meaning of their own."""
        return self._stepping.step

    @property
    def remembers(self) -> bool:
        return self.step.remembers

    def outline(self):
        steps = [
            row.inside()._replace(variables=self.times * row.variables)
            for row in self.step.outline()
        ]
        return [Row(f"{self.times} steps of", None, 0), *steps]

    def get_config(self) -> dict:
        return {
            "step": self.step,
            "times": self.times,
            "unroll": self.unroll,
            "constants": [
                [key, self._differing[at]]
                for key, at in constant_keys(self.step).items()
                if at in self._differing
            ],
        }

    def route(self, index):
        return index.reshape(-1)[self._routed]

    def reset_statistics(self):
        self._stepping.change_all(self.step.reset_statistics)

    def carry_inverse(self, x, log_det, context):
        z, log_det, _ = self._run(carry, x, log_det, context, range(self.times))
        return z, log_det

    def carry_forward(self, z, log_det, context):
        backwards = range(self.times - 1, -1, -1)
        x, log_det, _ = self._run(carry_back, z, log_det, context, backwards)
        return x, log_det

    def remember(self, x, log_det, context):
        return self._run(remember, x, log_det, context, range(self.times))

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        # What a loop remembers is a dictionary, what steps in a row remember a list.
        looped = isinstance(memory, dict)
        stepping = self._stepping
        run = stepping.backward_in_a_loop if looped else stepping.backward_in_a_row
        return run(z, dz, dlog_det, context, memory)

    def _run(self, one, value, log_det, context, order):
        unroll = self.unroll
        if unroll is None:
            # On a CPU, XLA's gradients of convolutions are some twenty times slower in a loop.
            compiled = context.compiled or gradient_is_compiled()
            slow_loop = compiled and not tf.config.list_physical_devices("GPU")
            unroll = self.times <= UNROLLED_STEPS or slow_loop
        # Replicas cannot wait for each other within a loop.
        waits = self.gathers_statistics and context.training and batch_is_shared()
        in_a_row = unroll or waits or tf.executing_eagerly()
        run = self._stepping.in_a_row if in_a_row else self._stepping.in_a_loop
        return run(one, value, log_det, context, order)

    def _own_kinds(self):
        return [self, *self.step.kinds]


def _shapes(variables):
    return {name: (tuple(v.shape), v.dtype) for name, v in variables.items()}
