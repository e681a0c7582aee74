"""What the suite asks of repeated steps, beyond the public contract: the same as one by one."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors import Context, EventLogDet, FlowChain
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, latents
from tfp_lcma.testing.state import restored
from tfp_lcma.testing.training_step import training_step


def repeated_step(flow, x, z):
    """Values and gradients of a pass of training and of one back, by name."""
    kinds = (EventLogDet,)  # gradients by inversion are checked under either
    found = training_step(flow.carry_inverse, flow, x, Context(training=True), kinds)
    variables = {n: v.value for n, v in named_variables(flow).items() if v.trainable}
    with tf.GradientTape() as tape:
        back, log_det = flow.forward_and_event_log_det(z)
        loss = tf.reduce_sum(back**2) + tf.reduce_sum(log_det**2)
    gradients = tape.gradient(loss, variables)
    found |= {"x": back, "log-det back": log_det}
    return found | {f"gradient back of {name}": g for name, g in gradients.items()}


def check_steps_one_by_one(flow, steps):
    """A repeated flow is its steps, one after the other: values, log-dets, gradients, state."""
    x, z = data(flow, 3), latents(flow, 3)
    chain = FlowChain(steps)
    own = [named_variables(step) for step in steps]
    owner = {id(v): (k, name) for k, names in enumerate(own) for name, v in names.items()}

    def stacked(found, prefix, suffix=""):
        """Joins what a chain's variables have to what the stacks of a repeated flow have."""
        slices = {}
        for name, variable in named_variables(chain).items():
            k, of = owner[id(variable)]
            if f"{prefix}{name}{suffix}" in found:
                value = found.pop(f"{prefix}{name}{suffix}")
                slices.setdefault(f"{prefix}{of}{suffix}", {})[k] = value
        joined = {of: np.stack([s[k] for k in range(len(steps))]) for of, s in slices.items()}
        return found | joined

    with restored(chain):
        expected = {n: v.numpy() for n, v in repeated_step(chain, x, z).items()}
        expected |= {f"{n} after": v.numpy() for n, v in named_variables(chain).items()}
    expected = stacked(expected, "EventLogDet: gradient of ")
    expected = stacked(stacked(expected, "gradient back of "), "", " after")
    graph = tf.function(lambda x, z: repeated_step(flow, x, z), autograph=False)
    ways = [("in a graph", lambda flow, x, z: graph(x, z))]
    if not flow.unroll:  # eagerly it is the same, in a loop or not
        ways.insert(0, ("eagerly", repeated_step))
    for way, function in ways:
        with restored(flow):
            got = {n: v.numpy() for n, v in function(flow, x, z).items()}
            got |= {f"{n} after": v.numpy() for n, v in named_variables(flow).items()}
        assert sorted(got) == sorted(expected), f"{way}: {sorted(set(got) ^ set(expected))}"
        for name, value in expected.items():
            close(got[name], value, 1e-6, f"{way}: {name}")


def check_parameter_count(flow, steps):
    """A repeated flow has the parameters of its steps and no others."""

    def count(variables):
        return sum(int(np.prod(v.shape)) for v in variables)

    assert count(flow.trainable_variables) == sum(count(s.trainable_variables) for s in steps)
    assert count(flow.variables) == sum(count(step.variables) for step in steps)


def check_every_step_starts(flow, steps):
    """One starting pass starts every normalisation of every step, by what reaches it."""
    x, chain = 3 * data(flow, 32) + 2, FlowChain(steps)
    with restored(flow, chain):
        for made in (flow, chain):
            for flag in made.start_flags:
                flag.assign(np.zeros(flag.shape))
            assert made.is_initialized == (not made.start_flags)
            made.inverse_and_log_det(x, context=Context(starting=True))
            assert made.is_initialized
        got = named_variables(flow)
        assert all(flag.shape == (len(steps),) for flag in flow.start_flags)
        for k, step in enumerate(steps):
            for name, variable in named_variables(step).items():
                close(got[name][k], variable, 1e-6, f"{name} of step {k} after the start")


# Asked of every flow, the others of every class of flow at least once;
EXACTNESS = ("round_trips", "log_det", "gradients", "gradient_by_inversion")
# but for what the base class makes of the two methods that a flow writes.
DERIVED = (
    "tfp_methods",
    "batch_shapes",
    "never_stale",
    "one_pass_in_a_chain",
    "no_second_derivative",
    "traced_gradient_by_inversion",
)
# Each takes a repeated flow and its steps.
REPEATED_CHECKS = {
    check.__name__.removeprefix("check_"): check
    for check in (check_steps_one_by_one, check_parameter_count, check_every_step_starts)
}
