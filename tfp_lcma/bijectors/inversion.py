"""A gradient that finds a flow's activations again by inverting it, rather than keeping them."""

from typing import Any

import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet, Moved
from tfp_lcma.custom_gradient import with_gradient, without_second_gradient
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.networks.stack import refuse_losses

NO_SECOND = (
    'memory must be "keep" for second derivatives: a gradient by inversion has none. Set '
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
    kind = type(log_det)
    variables = list({id(v): v for layer in flow.layers for v in layer.variables}.values())
    tensors = context.tensors()
    passed = dict[str, Any]()

    def taken_apart(inputs):
        x, values, *others = inputs
        count = len(variables)
        lent = list(zip(variables, others[:count], strict=True))
        given = dict(zip(tensors, others[count:], strict=True))
        return x, kind(values), lent, context.replace(**given)

    def forward(*inputs):
        x, log_det, lent, inner = taken_apart(inputs)
        with standing_in(lent) as scope:
            before = [scope.get_current_value(variable) for variable in variables]
            z, log_det, memory = flow.remember(x, log_det, inner)
            after = [scope.get_current_value(variable) for variable in variables]
        refuse_losses(scope, 'a flow with memory="invert"')
        pairs = zip(variables, before, after, strict=True)
        changed = [(variable, new) for variable, old, new in pairs if new is not old]
        passed.update(inputs=inputs, z=z, memory=memory, changed=[v for v, _ in changed])
        return [z, log_det.values, *(new for _, new in changed)]

    def gradient(dz, dlog_det, *_):
        _, log_det, lent, inner = taken_apart(passed["inputs"])
        dz = tf.zeros_like(passed["z"]) if dz is None else dz
        dlog_det = tf.zeros_like(log_det.values) if dlog_det is None else dlog_det
        # Inversion could begin at once, and all activations be kept after all.
        with tf.control_dependencies([dz, dlog_det]):
            z = tf.identity(passed["z"])
        with standing_in(lent):
            back = flow.carry_backward(z, dz, kind(dlog_det), inner, passed["memory"])
        found = [back.gradients.get(id(variable)) for variable in variables]
        found += [back.gradients.get(name) for name in tensors]
        return without_second_gradient([back.dx, back.dlog_det.values, *found], NO_SECOND)

    values = [tf.convert_to_tensor(variable.value) for variable in variables]
    z, total, *states = with_gradient(
        forward, gradient, x, log_det.values, *values, *tensors.values()
    )
    for variable, value in zip(passed["changed"], states, strict=True):
        variable.assign(value)
    z.set_shape((x.shape[0], *flow.latent_shape))
    return z, kind(total)
