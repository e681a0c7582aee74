"""A gradient that finds a flow's activations again by inverting it, rather than keeping them."""

import weakref
from typing import Any

import keras
import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet, Moved
from tfp_lcma.custom_gradient import (
    gradient_is_compiled,
    in_forward_mode,
    with_gradient,
    without_second_gradient,
)
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.networks.stack import refuse_losses

NO_SECOND = (
    'memory must be "keep" for second derivatives and in forward mode: a gradient by inversion has '
    "neither. Set "
    'flow.memory = "keep".'
)


def carry_inverse_by_inversion(
    flow: FlowBijector, x: tf.Tensor, log_det: LogDet, context: Context
) -> tuple[tf.Tensor, LogDet]:
    """Does what `flow.carry_inverse` does, and keeps nothing but the result for the gradient.

    The backward pass walks the flow from its latents back (`carry_backward`),
    under the values of all variables that the forward pass read. State, such as
    moving averages and counters, is updated once, after the pass.

    References:
        Gomez, Ren, Urtasun, Grosse: The reversible residual network, section 3.2.
    """
    if isinstance(log_det, Moved):
        return flow.carry_inverse(x, log_det, context)
    if in_forward_mode([x, log_det.values, *context.tensors().values(), *_values(flow)]):
        raise ValueError(NO_SECOND)
    context = context.replace(compiled=context.compiled or gradient_is_compiled())
    kind = type(log_det)
    tensors = context.tensors()
    changed: list[keras.Variable] = []
    # What the gradient needs of the pass: tensors alone.
    passed = dict[str, Any]()
    # A graph keeps the gradient of its pass, and a graph may be kept for ever, as Keras does with
    # a traced step of training. It must not keep the flow.
    owner = (lambda: flow) if tf.executing_eagerly() else weakref.ref(flow)

    def taken_apart(flow, inputs):
        x, values, *others = inputs
        variables = _variables(flow)
        count = len(variables)
        lent = list(zip(variables, others[:count], strict=True))
        given = dict(zip(tensors, others[count:], strict=True))
        return x, kind(values), lent, context.replace(**given)

    def forward(*inputs):
        x, log_det, lent, inner = taken_apart(flow, inputs)
        with standing_in(lent) as scope:
            before = [scope.get_current_value(variable) for variable, _ in lent]
            z, log_det, memory = flow.remember(x, log_det, inner)
            after = [scope.get_current_value(variable) for variable, _ in lent]
        refuse_losses(scope, 'a flow with memory="invert"', flow.layers)
        pairs = zip(_variables(flow), before, after, strict=True)
        news = [(variable, new) for variable, old, new in pairs if new is not old]
        changed.extend(variable for variable, _ in news)
        passed.update(inputs=inputs, z=z, memory=memory)
        return [z, log_det.values, *(new for _, new in news)]

    def gradient(dz, dlog_det, *_):
        flow = owner()
        if flow is None:
            raise ValueError("The flow must be kept for as long as gradients are taken.")
        _, log_det, lent, inner = taken_apart(flow, passed["inputs"])
        dz = tf.zeros_like(passed["z"]) if dz is None else dz
        dlog_det = tf.zeros_like(log_det.values) if dlog_det is None else dlog_det
        # Inversion could begin at once, and all activations be kept after all.
        with tf.control_dependencies([dz, dlog_det]):
            z = tf.identity(passed["z"])
        with standing_in(lent):
            back = flow.carry_backward(z, dz, kind(dlog_det), inner, passed["memory"])
        found = [back.gradients.get(id(variable)) for variable, _ in lent]
        found += [back.gradients.get(name) for name in tensors]
        return without_second_gradient([back.dx, back.dlog_det.values, *found], NO_SECOND)

    z, total, *states = with_gradient(
        forward, gradient, x, log_det.values, *_values(flow), *tensors.values()
    )
    for variable, value in zip(changed, states, strict=True):
        variable.assign(value)
    z.set_shape((x.shape[0], *flow.latent_shape))
    return z, kind(total)


def _variables(flow: FlowBijector) -> list[keras.Variable]:
    """Returns all variables of a flow's layers, each once."""
    return list({id(v): v for layer in flow.layers for v in layer.variables}.values())


def _values(flow: FlowBijector) -> list[tf.Tensor]:
    """Returns what these variables hold now."""
    return [tf.convert_to_tensor(variable.value) for variable in _variables(flow)]
