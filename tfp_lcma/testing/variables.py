"""Variables are found, have gradients, and are read as they are now."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors import Repeated
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.networks.channel_router import ChannelRouter
from tfp_lcma.networks.channel_weights import ChannelWeights
from tfp_lcma.testing.compare import agree, require
from tfp_lcma.testing.inputs import data, distribution, latents
from tfp_lcma.testing.state import moved

tfb = tfp.bijectors


def of_routers(flow):
    """The variables that decide on orders, which have no gradients."""
    routers = [layer for layer in flow.layers if isinstance(layer, ChannelRouter | ChannelWeights)]
    return [v.value for layer in routers for v in layer.trainable_variables]


def of_losses(flow):
    """Those of them that a loss of training reads, and no pass of inference."""
    weights = [layer for layer in flow.layers if isinstance(layer, ChannelWeights)]
    return [kernel.value for layer in weights for kernel in (layer.squeeze, layer.excite)]


def stacked_ids(flow):
    """The ids of the trained variables that hold one slice per step of a repeated flow."""
    layers = [part._stack for part in flow.parts if isinstance(part, Repeated)]
    return {id(v.value) for layer in layers for v in layer.trainable_variables}


def check_gradients(flow):
    """Latents and log-dets give every variable a gradient in both directions, but routers."""
    random = np.random.default_rng(8)
    routers = {id(variable) for variable in of_routers(flow)}
    variables, stacked = flow.trainable_variables, stacked_ids(flow)
    for method, value in (
        (flow.inverse_and_event_log_det, data(flow, 4)),
        (flow.forward_and_event_log_det, latents(flow, 4)),
    ):
        with tf.GradientTape() as tape:
            out, log_det = method(value)
            loss = tf.reduce_sum(out * random.normal(size=out.shape))
            loss += tf.reduce_sum(log_det * random.normal(size=log_det.shape))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            if id(variable) in routers:
                require(gradient is None, f"a gradient through the order to {variable.name}")
                continue
            require(gradient is not None, f"no gradient for {variable.name}")
            finite = np.isfinite(gradient).all()
            require(finite, f"gradient of {variable.name} is not finite")
            for own in gradient if id(variable) in stacked else [gradient]:
                require(np.any(own), f"gradient of {variable.name} is zero")


def check_variables(flow):
    """TFP, Keras and a tape see the same trainable variables, and every one has a name."""
    with tf.GradientTape() as tape:
        distribution(flow).log_prob(data(flow, 2))
    keras_side = [v.value for layer in flow.layers for v in layer.trainable_variables]
    everything = [v.value for layer in flow.layers for v in layer.variables]

    def same(some, others, what):
        some, others = list(some), list(others)
        odd = {id(v) for v in some} ^ {id(v) for v in others}
        named = sorted({v.name for v in [*some, *others] if id(v) in odd})
        require(sorted(map(id, some)) == sorted(map(id, others)), f"{what}: {named}")

    same(flow.trainable_variables, keras_side, "TFP and Keras disagree")
    watched = [*tape.watched_variables(), *of_losses(flow)]
    same(flow.trainable_variables, watched, "a tape sees others")
    same(flow.variables, everything, "TFP and Keras disagree on fixed variables")
    same(distribution(flow).trainable_variables, keras_side, "a distribution sees others")
    same((v.value for v in named_variables(flow).values()), everything, "not all have a name")


def check_never_stale(flow):
    """In eager mode an assignment shows at once, and gradients repeat, for the same tensor."""
    x = data(flow, 2)
    routers = {id(variable) for variable in of_routers(flow)}
    learned = [variable for variable in flow.trainable_variables if id(variable) not in routers]
    for bijector in (flow, tfb.Chain([flow])):
        wrapped = distribution(flow, bijector)
        before = wrapped.log_prob(x)
        with moved(flow, 0.2):
            after = wrapped.log_prob(x)
            if bijector is flow:
                agree(after, wrapped.log_prob(tf.identity(x)), 1e-12, "after an assignment")
            changed = not learned or np.any(after != before)
            require(changed, "a log_prob is that of before an assignment")
        if not learned or bijector is not flow:
            continue
        gradients = []
        for _ in range(2):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(wrapped.log_prob(x))
            gradients.append(tape.gradient(loss, learned))
        for first, second in zip(*gradients, strict=True):
            require(second is not None, "a repeated tensor yields no gradient")
            agree(second, first, 1e-12, "the gradient for a repeated tensor")
