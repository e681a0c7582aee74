"""Values and gradients of a step of training."""

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors import EventLogDet, SummedLogDet
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.testing.compare import agree, equal
from tfp_lcma.testing.inputs import unwrapped
from tfp_lcma.testing.state import restored
from tfp_lcma.testing.variables import of_routers


def training_step(carry, flow, x, context, kinds=(SummedLogDet, EventLogDet)):
    """Values and gradients of a pass of training for every kind of log-det, by name.

    The loss holds the log-det, the sum or one per dimension, and weighs everything
    differently.
    """
    random = np.random.default_rng(10)
    variables = {
        name: variable.value
        for name, variable in named_variables(flow).items()
        if variable.trainable
    }
    found: dict[str, tf.Tensor] = {}
    for kind in kinds:
        size = x.shape if kind is EventLogDet else x.shape[:1]
        start = tf.constant(random.normal(size=size), x.dtype)
        sources = {"x": x, "log_det": start, **context.tensors()}
        with tf.GradientTape() as tape:
            tape.watch(list(sources.values()))
            z, log_det = carry(x, kind(start), context)
            loss = tf.reduce_sum(z * random.normal(size=z.shape))
            loss += tf.reduce_sum(log_det.values * random.normal(size=log_det.values.shape))
        sources |= variables
        gradients = tape.gradient(loss, sources, unconnected_gradients="zero")
        of = kind.__name__
        found |= {f"{of}: z": z, f"{of}: log-det": log_det.values}
        found |= {f"{of}: gradient of {name}": g for name, g in gradients.items()}
    return found


def step_and_state(step, flow, x, context):
    """What a step of training returns, and the flow's variables after it; they are restored."""
    with restored(flow):
        found = {name: value.numpy() for name, value in step(flow, x, context).items()}
        state = {name: v.numpy() for name, v in named_variables(flow).items()}
        return found | {f"{name} after the step": value for name, value in state.items()}


def in_training(flow, x):
    """The flow and the context of its training; not of routers, whose losses are refused here."""
    flow, context = unwrapped(flow, x)
    return flow, context.replace(training=not of_routers(flow))


def check_same_step(got, expected):
    """All that a step of training found agrees to 1e-6 of its size."""
    equal(list(got), list(expected), "what a step finds")
    for name, value in expected.items():
        agree(got[name], value, 1e-6, name)
