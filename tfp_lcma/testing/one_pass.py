"""Networks are evaluated once."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors import Repeated
from tfp_lcma.bijectors.repeated import UNROLLED_STEPS
from tfp_lcma.testing.compare import equal
from tfp_lcma.testing.inputs import data, distribution, latents
from tfp_lcma.testing.tfp_methods import traced_distribution

tfb = tfp.bijectors


def convolutions(function, *arguments):
    """The number of convolutions in the traced graph of `function`, those of a loop once."""
    if not hasattr(function, "get_concrete_function"):
        function = tf.function(function, autograph=False)
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return sum(node.op == "Conv2D" for node in nodes)


def kernels(flow):
    """How many convolutions the networks of a flow have, those of a loop once."""
    count = 0
    for part in flow.parts:
        if isinstance(part, Repeated):
            unroll = part.times <= UNROLLED_STEPS if part.unroll is None else part.unroll
            count += (part.times if unroll else 1) * kernels(part.step)
        else:
            trained = [v for layer in part._own_layers for v in layer.trainable_variables]
            count += sum(int(np.prod(v.shape[:-4])) for v in trained if len(v.shape) >= 4)
    return count


def check_one_pass(flow):
    """A log_prob, and a sample with its log_prob, evaluate every network once."""
    expected = kernels(flow)
    if not expected:
        return
    if not flow.iterates:
        inverse = forward = expected
    elif len(flow.parts) == 1 and not isinstance(flow, Repeated):
        # An iteration and its log-det evaluate networks more often.
        inverse = convolutions(flow.inverse_and_event_log_det, data(flow, 2))
        forward = convolutions(flow.forward_and_event_log_det, latents(flow, 2))
    else:
        return
    _, graph, arguments = traced_distribution(flow)
    count, most = convolutions(graph, *arguments), inverse + forward
    equal(count, most, "convolutions of a log_prob and a sample")


def check_one_pass_in_a_chain(flow):
    """A log_prob of a chain of TFP's evaluates every network of a flow once."""
    inverse = kernels(flow)
    if flow.iterates:  # its log-det evaluates networks more often
        inverse = convolutions(flow.inverse_and_event_log_det, data(flow, 2))
    chain = distribution(flow, tfb.Chain([flow]))
    count = convolutions(chain.log_prob, data(flow, 2))
    equal(count, inverse, "convolutions of a log_prob in a chain")
