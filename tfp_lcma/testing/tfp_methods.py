"""TFP's methods, for any batch, eager and traced."""

import functools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors import Context, SummedLogDet
from tfp_lcma.testing.compare import agree, equal, require, total
from tfp_lcma.testing.inputs import data, distribution, latents
from tfp_lcma.testing.passes import both_ways
from tfp_lcma.testing.state import kept

tfd = tfp.distributions


def check_tfp_methods(flow):
    """TFP's methods, the event methods and the density agree with the one pass."""
    (x, there, log_det), (z, image, log_det_of_image) = both_ways(flow)
    agree(flow.inverse(x), there, 1e-12, "inverse")
    agree(flow.inverse_event_log_det_jacobian(x), log_det, 1e-12, "event log-det")
    for ildj in (
        flow.inverse_log_det_jacobian(x, event_ndims=3),
        flow.inverse_log_det_jacobian(x),
        flow.inverse_and_log_det(x)[1],
    ):
        agree(ildj, total(log_det), 1e-12, "inverse_log_det_jacobian")
    density = flow.log_density(x, SummedLogDet(tf.ones((3,), x.dtype)), Context())
    expected = tfd.Normal(tf.zeros((), x.dtype), tf.ones((), x.dtype)).log_prob(there) + log_det
    agree(density, 1 + total(expected), 1e-12, "log_density")
    log_det = log_det_of_image
    agree(flow.forward(z), image, 1e-12, "forward")
    found, converged = flow.forward_with_convergence(z)
    agree(found, image, 1e-12, "forward_with_convergence")
    require(np.all(converged), "forward_with_convergence: not converged")
    agree(flow.forward_event_log_det_jacobian(z), log_det, 1e-12, "event log-det")
    for fldj in (
        flow.forward_log_det_jacobian(z, event_ndims=3),
        flow.forward_log_det_jacobian(z),
        flow.forward_and_log_det(z)[1],
    ):
        agree(fldj, total(log_det), 1e-12, "forward_log_det_jacobian")
    shape, latent = tuple(flow.event_shape), tuple(there.shape[1:])
    for name, got, expected in (
        ("latent_shape", flow.latent_shape, latent),
        ("inverse_event_shape", flow.inverse_event_shape(shape), latent),
        ("forward_event_shape", flow.forward_event_shape(latent), shape),
        ("inverse_event_shape_tensor", flow.inverse_event_shape_tensor(shape), latent),
        ("forward_event_shape_tensor", flow.forward_event_shape_tensor(latent), shape),
    ):
        equal(tuple(map(int, got)), expected, name)


def batch_sizes(flow):
    """One, and those that could be taken for another dimension's size, the largest first."""
    sizes = {flow.event_shape[-1], flow.latent_shape[-1], flow.event_shape[0], 1}
    return sorted(sizes, reverse=True)


def check_batches(flow):
    """An image's latents and log-det do not depend on its batch, of any size."""
    most, *sizes = batch_sizes(flow)
    x = data(flow, most)
    everyone, everyones = flow.inverse_and_event_log_det(x)
    for size in sizes:
        z, log_det = flow.inverse_and_event_log_det(x[:size])
        agree(z, everyone[:size], 1e-10, f"latents in a batch of {size}")
        agree(total(log_det), total(everyones)[:size], 1e-10, f"log-det in a batch of {size}")


def check_batch_shapes(flow):
    """TFP's methods take any batch, one image, several dimensions of a batch, and unknown ones."""
    for size in batch_sizes(flow):
        shape = distribution(flow).log_prob(data(flow, size)).shape
        equal(shape, (size,), f"shape of a log_prob of {size}")
    x, z = data(flow, 6), latents(flow, 6)
    for method, log_det_of, value in (
        (flow.inverse, flow.inverse_log_det_jacobian, x),
        (flow.forward, flow.forward_log_det_jacobian, z),
    ):
        out, log_det = method(value), log_det_of(value, event_ndims=3)
        if value is x:
            agree(method(value[0]), out[0], 1e-10, f"{method.__name__} of one image")
            agree(log_det_of(value[0], event_ndims=3), log_det[0], 1e-10, "log-det of one image")
        grid = tf.reshape(value, (2, 3, *value.shape[1:]))
        agree(method(grid), tf.reshape(out, (2, 3, *out.shape[1:])), 1e-10, "two batch dimensions")
        agree(log_det_of(grid, event_ndims=3), tf.reshape(log_det, (2, 3)), 1e-10, "their log-det")

    spec = tf.TensorSpec((None, 3, *x.shape[1:]), x.dtype)
    graph = tf.function(flow.inverse, input_signature=[spec]).get_concrete_function()
    z = flow.inverse(x)
    shape = graph.structured_outputs.shape.as_list()
    equal(shape, [None, 3, *z.shape[1:]], "shape of latents of a batch unknown as yet")
    grid = tf.reshape(x, (2, 3, *x.shape[1:]))
    agree(graph(grid), tf.reshape(z, (2, 3, *z.shape[1:])), 1e-10, "a batch unknown as yet")


@kept
def traced_distribution(flow):
    """A plain distribution's log_prob of data and sample with its log_prob, eager and traced."""
    wrapped = distribution(flow)

    def both(x, seed):
        sample = wrapped.experimental_sample_and_log_prob(3, seed=seed)
        return wrapped.log_prob(x), *sample

    # TensorFlow counts tracings by a function's code and warns of five; a partial counts by itself.
    graph = tf.function(functools.partial(both), autograph=False)
    return both, graph, (data(flow, 3), tf.constant([1, 2]))


def check_eager_equals_graph(flow):
    """A traced distribution computes what it computes eagerly, in both directions."""
    both, graph, arguments = traced_distribution(flow)
    names = "log_prob", "sample", "its log_prob"
    for name, got, expected in zip(names, graph(*arguments), both(*arguments), strict=True):
        agree(got, expected, 1e-10, f"{name} in a graph")
