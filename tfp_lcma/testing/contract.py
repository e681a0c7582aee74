"""The contract of a flow, asked of a user's own in one call."""

import contextlib
from collections.abc import Sequence

from tfp_lcma.bijectors import FlowBijector
from tfp_lcma.testing.conditions import check_conditions
from tfp_lcma.testing.configuration import check_configuration
from tfp_lcma.testing.exactness import check_finite, check_log_det, check_round_trips
from tfp_lcma.testing.inputs import given_a_condition
from tfp_lcma.testing.inversion import (
    check_gradient_by_inversion,
    check_no_second_derivative,
    check_traced_gradient_by_inversion,
)
from tfp_lcma.testing.moves import check_carry, check_moves
from tfp_lcma.testing.one_pass import check_one_pass, check_one_pass_in_a_chain
from tfp_lcma.testing.passes import both_ways, derivatives
from tfp_lcma.testing.state import perturbed, restored
from tfp_lcma.testing.tfp_methods import (
    check_batch_shapes,
    check_batches,
    check_eager_equals_graph,
    check_tfp_methods,
    traced_distribution,
)
from tfp_lcma.testing.variables import check_gradients, check_never_stale, check_variables

CHECKS = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_round_trips,
        check_log_det,
        check_tfp_methods,
        check_batches,
        check_batch_shapes,
        check_eager_equals_graph,
        check_finite,
        check_conditions,
        check_moves,
        check_carry,
        check_gradients,
        check_variables,
        check_never_stale,
        check_one_pass,
        check_one_pass_in_a_chain,
        check_gradient_by_inversion,
        check_traced_gradient_by_inversion,
        check_no_second_derivative,
        check_configuration,
    )
}
PROPERTIES = tuple(CHECKS)


def assert_flow_contract(
    flow: FlowBijector, *, properties: Sequence[str] | None = None, perturb: bool = True
) -> None:
    """Holds a flow to all that this package, TFP and Keras rely on.

    Among that: both directions undo each other; the log-det is that of the Jacobian; what is
    computed does not depend on the batch, on tracing or on an earlier call; every variable is
    found and has a gradient; gradients by inversion are the plain ones; the flow is saved. A part
    of a flow, a coupling's network or transform, a factorization, an exit prior, is held to it in
    a small flow that is made of it:

    ```python
    import tfp_lcma as lcma

    flow = lcma.models.glow((4, 4, 1), levels=2, steps=1, width=4, coupling="additive")
    lcma.testing.assert_flow_contract(flow)
    ```

    A Jacobian is computed of an image: let it be a small one, of up to some hundred numbers, yet
    so large that every variable counts (attention over one position has no use for its queries).
    A flow in float64 is held to errors of about 1e-8, one in float32 to 2e-4. A conditional flow
    is asked under a condition that is drawn. A log-det that is an estimate is none of the
    Jacobian's: `residual_flow` is asked with `log_det="exact"`.

    Args:
        flow: Any `FlowBijector`. Its variables are afterwards as they were.
        properties: Names among `PROPERTIES`, to be asked for these alone; None: all of them.
        perturb: Whether the flow starts on data and its weights are moved by noise while it is
            asked: as it was made, it is nearly the identity, which hides faults. False: its
            weights are asked as they are.

    Raises:
        AssertionError: The flow breaks the contract. The message has a line for every property
            that is broken: what was compared, by how much it is off, and where.
        ValueError: An argument is not as described.
    """
    if not isinstance(flow, FlowBijector):
        raise ValueError(
            f"flow must be a FlowBijector; got {type(flow).__name__}. "
            "FlowChain([...]) makes one of several."
        )
    names = list(PROPERTIES if properties is None else properties)
    unknown = sorted(set(names) - set(PROPERTIES))
    if unknown or isinstance(properties, str):
        raise ValueError(f"properties must be among {PROPERTIES}; got {properties!r}.")
    asked = given_a_condition(flow)
    with contextlib.ExitStack() as stack:
        stack.callback(_forget)
        stack.enter_context(perturbed(asked) if perturb else restored(asked))
        _forget()
        broken = {name: error for name in names if (error := _fault(CHECKS[name], asked))}
    if broken:
        within = ", within lcma.testing.perturbed(flow)" if perturb else ""
        lines = [f"{flow.name} breaks {len(broken)} of {len(names)} properties of a flow:"]
        for name, error in broken.items():
            what = str(error) if isinstance(error, AssertionError) else repr(error)
            lines += [f"- {name}: {(CHECKS[name].__doc__ or '').splitlines()[0]}", f"  {what}"]
        lines += [
            "Batches are the first rows of lcma.testing.data(flow, n) and "
            f"lcma.testing.latents(flow, n){within}."
        ]
        raise AssertionError("\n".join(lines)) from next(iter(broken.values()))


def _fault(check, flow):
    """The error that a check raises, None if it passes; a flow may raise what it likes."""
    try:
        check(flow)
    except Exception as error:
        return error
    return None


def _forget():
    """Lets go of what the flow of another call returned."""
    for function in (both_ways, derivatives, traced_distribution):
        function.forget()
