"""What every flow must keep to. Each check takes a flow and raises an AssertionError.

`test_contract.py` runs them over the registry, and over deliberately broken
flows that they must reject.
"""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import data, latents, move_weights
from tfp_lcma.bijectors.running_log_det import EventLogDet, SummedLogDet
from tfp_lcma.networks.channel_router import ChannelRouter

tfb, tfd = tfp.bijectors, tfp.distributions


def close(got, expected, tolerance, what):
    """Asserts equality relative to the size of what is expected."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    assert np.isfinite(got).all(), f"{what}: not finite"
    error = np.max(np.abs(got - expected), initial=0.0)
    bound = tolerance * (1 + np.max(np.abs(expected), initial=0.0))
    assert error <= bound, f"{what}: off by {error:.3g}, allowed {bound:.3g}"


def distribution(flow, bijector=None):
    """A plain TFP distribution over `flow`, or over what was built around it."""
    dtype = flow.dtype or tf.float64
    noise = tfd.Normal(tf.zeros((), dtype), tf.ones((), dtype))
    shape = flow.inverse_event_shape(flow.event_shape)
    return tfd.TransformedDistribution(tfd.Sample(noise, shape), bijector or flow)


def total(event_log_det):
    return tf.reduce_sum(event_log_det, axis=(1, 2, 3))


@contextlib.contextmanager
def moved(flow, scale=0.05):
    """Within this context the weights of `flow` are moved by noise."""
    before = [variable.numpy() for variable in flow.trainable_variables]
    move_weights(flow, scale, seed=9)
    try:
        yield
    finally:
        for variable, value in zip(flow.trainable_variables, before, strict=True):
            variable.assign(value)


# --- the map and its log-det ---


def check_round_trips(flow):
    """Data come back from their latents and latents from their data, on fresh tensors."""
    single = flow.dtype == tf.float32
    tolerance = 2e-4 if single else 1e-8
    x, z = data(flow, 3), latents(flow, 3)
    there, log_det = flow.inverse_and_event_log_det(x)
    back, log_det_back = flow.forward_and_event_log_det(tf.identity(there))
    close(back, x, tolerance, "x -> z -> x")
    close(-total(log_det_back), total(log_det), 5 * tolerance, "log-det of x -> z -> x")
    there, log_det = flow.forward_and_event_log_det(z)
    back, log_det_back = flow.inverse_and_event_log_det(tf.identity(there))
    close(back, z, tolerance, "z -> x -> z")
    close(-total(log_det_back), total(log_det), 5 * tolerance, "log-det of z -> x -> z")


def jacobian(function, value):
    """The matrix of d out / d in at one event, from one backward pass.

    Row i comes from copy i of the event in a batch of as many copies as there
    are dimensions.
    """
    size = int(np.prod(value.shape[1:]))
    copies = tf.repeat(value, size, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        out = tf.reshape(function(copies), (size, -1))
        diagonal = tf.reduce_sum(tf.linalg.diag_part(out))
    gradient = tape.gradient(diagonal, copies, unconnected_gradients="zero")
    return tf.reshape(gradient, (size, size)).numpy()


def check_log_det(flow):
    """The event log-det has the output's shape and sums to log|det| of the Jacobian."""
    for method, value in (
        (flow.inverse_and_event_log_det, data(flow, 1)),
        (flow.forward_and_event_log_det, latents(flow, 1)),
    ):
        out, log_det = method(value)
        assert log_det.shape == out.shape, f"{method.__name__}: log-det of shape {log_det.shape}"
        assert log_det.dtype == out.dtype == value.dtype
        matrix = jacobian(lambda copies, method=method: method(copies)[0], value)
        expected = np.linalg.slogdet(matrix)[1]
        close(total(log_det)[0], expected, 1e-8, f"{method.__name__}: log-det against autodiff")
        # Autodiff believes custom gradients; a difference of values does not.
        direction = np.random.default_rng(5).normal(size=value.shape)
        step = 1e-6 * direction
        difference = (method(value + step)[0] - method(value - step)[0]) / 2e-6
        close(
            matrix @ direction.ravel(),
            tf.reshape(difference, -1),
            1e-5,
            f"{method.__name__}: autodiff against differences",
        )


def check_tfp_methods(flow):
    """TFP's methods and the event methods tell the same as the one pass."""
    x, z = data(flow, 3), latents(flow, 3)
    there, log_det = flow.inverse_and_event_log_det(x)
    close(flow.inverse(x), there, 1e-12, "inverse")
    close(flow.inverse_event_log_det_jacobian(x), log_det, 1e-12, "event log-det")
    for ildj in (
        flow.inverse_log_det_jacobian(x, event_ndims=3),
        flow.inverse_log_det_jacobian(x),
    ):
        close(ildj, total(log_det), 1e-12, "inverse_log_det_jacobian")
    image, log_det = flow.forward_and_event_log_det(z)
    close(flow.forward(z), image, 1e-12, "forward")
    close(flow.forward_event_log_det_jacobian(z), log_det, 1e-12, "event log-det")
    for fldj in (
        flow.forward_log_det_jacobian(z, event_ndims=3),
        flow.forward_log_det_jacobian(z),
    ):
        close(fldj, total(log_det), 1e-12, "forward_log_det_jacobian")
    assert flow.inverse_event_shape(flow.event_shape) == there.shape[1:]
    assert flow.forward_event_shape(there.shape[1:]) == tuple(flow.event_shape)
    assert tuple(flow.inverse_event_shape_tensor(flow.event_shape)) == tuple(there.shape[1:])
    assert tuple(flow.forward_event_shape_tensor(there.shape[1:])) == tuple(flow.event_shape)


def check_batches(flow):
    """An image's latents do not depend on its batch, and log-dets are [batch] at any size."""
    latent_shape = flow.inverse_event_shape(flow.event_shape)
    sizes = {flow.event_shape[-1], latent_shape[-1], flow.event_shape[0], 1}
    x = data(flow, max(sizes))
    everyone, everyones = flow.inverse_and_event_log_det(x)
    for size in sizes:
        z, log_det = flow.inverse_and_event_log_det(x[:size])
        close(z, everyone[:size], 1e-10, f"latents in a batch of {size}")
        assert flow.inverse_log_det_jacobian(x[:size], event_ndims=3).shape == (size,)
        close(total(log_det), total(everyones)[:size], 1e-10, f"log-det in a batch of {size}")
        assert distribution(flow).log_prob(x[:size]).shape == (size,)


def check_batch_shapes(flow):
    """TFP's methods take one image, several batch dimensions, and dimensions unknown as yet."""
    x, z = data(flow, 6), latents(flow, 6)
    for method, log_det_of, value in (
        (flow.inverse, flow.inverse_log_det_jacobian, x),
        (flow.forward, flow.forward_log_det_jacobian, z),
    ):
        out, log_det = method(value), log_det_of(value, event_ndims=3)
        close(method(value[0]), out[0], 1e-10, f"{method.__name__} of one image")
        close(log_det_of(value[0], event_ndims=3), log_det[0], 1e-10, "log-det of one image")
        grid = tf.reshape(value, (2, 3, *value.shape[1:]))
        close(method(grid), tf.reshape(out, (2, 3, *out.shape[1:])), 1e-10, "two batch dimensions")
        close(log_det_of(grid, event_ndims=3), tf.reshape(log_det, (2, 3)), 1e-10, "their log-det")

    spec = tf.TensorSpec((None, 3, *x.shape[1:]), x.dtype)
    graph = tf.function(flow.inverse, input_signature=[spec]).get_concrete_function()
    z = flow.inverse(x)
    assert graph.structured_outputs.shape.as_list() == [None, 3, *z.shape[1:]]
    grid = tf.reshape(x, (2, 3, *x.shape[1:]))
    close(graph(grid), tf.reshape(z, (2, 3, *z.shape[1:])), 1e-10, "a batch unknown as yet")


def check_eager_equals_graph(flow):
    """A traced distribution computes what it computes eagerly, in both directions."""
    wrapped = distribution(flow)

    def sample_and_log_prob(seed):
        return wrapped.experimental_sample_and_log_prob(3, seed=seed)

    for function, argument in (
        (wrapped.log_prob, data(flow, 3)),
        (sample_and_log_prob, tf.constant([1, 2])),
    ):
        eager, graph = function(argument), tf.function(function)(argument)
        for got, expected in zip(tf.nest.flatten(graph), tf.nest.flatten(eager), strict=True):
            close(got, expected, 1e-10, f"{function.__name__} in a graph")


def check_finite(flow):
    """Ten-sigma latents give finite images, also after the weights have moved."""
    z = 10 * latents(flow, 8)
    for context in (contextlib.nullcontext(), moved(flow)):
        with context:
            x, log_det = flow.forward_and_event_log_det(z)
            assert np.isfinite(x).all(), "the image of ten-sigma latents is not finite"
            assert np.isfinite(log_det).all(), "its log-det is not finite"


# --- per-dimension tensors ---


def transport_matrix(transport, value):
    """The matrix by which a transport maps per-dimension tensors, at one event."""
    size = int(np.prod(value.shape[1:]))
    units = tf.reshape(tf.eye(size, dtype=value.dtype), (size, *value.shape[1:]))
    out = transport(units, tf.repeat(value, size, axis=0))
    return tf.reshape(out, (size, size)).numpy().T


def check_transports(flow):
    """Per-dimension tensors go where dimensions go, none of them lost or counted twice.

    In terms of matrices: a transport is doubly stochastic, and a share travels
    from one dimension to another only where the second depends on the first.
    """
    x, z = data(flow, 1), latents(flow, 1)
    for name, transport, method, value in (
        ("transport_inverse", flow.transport_inverse, flow.inverse_and_event_log_det, x),
        ("transport_forward", flow.transport_forward, flow.forward_and_event_log_det, z),
    ):
        t = tf.cast(np.random.default_rng(6).normal(size=value.shape), value.dtype)
        out = method(value)[0]
        moved_t = transport(t, value)
        assert moved_t.shape == out.shape, f"{name}: shape {moved_t.shape} for {out.shape}"
        matrix = transport_matrix(transport, value)
        close(matrix.sum(0), np.ones(len(matrix)), 1e-8, f"{name}: where a share goes")
        close(matrix.sum(1), np.ones(len(matrix)), 1e-8, f"{name}: where a share comes from")
        assert matrix.min() > -1e-8, f"{name}: a share turned negative"
        depends = jacobian(lambda copies, method=method: method(copies)[0], value)
        assert not np.any((matrix > 1e-8) & (np.abs(depends) < 1e-12)), (
            f"{name}: a share travels between dimensions that have nothing to do with each other"
        )


def check_carry(flow):
    """`carry` is the map, and the transported tensor plus the event log-det."""
    for carry, transport, method, value in (
        (flow.carry_inverse, flow.transport_inverse, flow.inverse_and_event_log_det, data(flow, 2)),
        (
            flow.carry_forward,
            flow.transport_forward,
            flow.forward_and_event_log_det,
            latents(flow, 2),
        ),
    ):
        t = tf.cast(np.random.default_rng(7).normal(size=value.shape), value.dtype)
        (out, carried), (expected, log_det) = carry(value, EventLogDet(t)), method(value)
        close(out, expected, 1e-10, f"{carry.__name__}: the value")
        moved_t = transport(t, value)
        assert moved_t.shape == log_det.shape, f"{carry.__name__}: transport lost the shape"
        close(carried.values, moved_t + log_det, 1e-10, f"{carry.__name__}: the tensor")
        summed = carry(value, SummedLogDet(total(t)))[1].values
        close(summed, total(t) + total(log_det), 1e-10, f"{carry.__name__}: the sum")


# --- variables ---


def of_routers(flow):
    """The variables that decide on orders, which have no gradients."""
    routers = [layer for layer in flow.layers if isinstance(layer, ChannelRouter)]
    return [v.value for layer in routers for v in layer.trainable_variables]


def check_gradients(flow):
    """Latents and log-dets give every variable a gradient in both directions, but routers."""
    random = np.random.default_rng(8)
    routers = {id(variable) for variable in of_routers(flow)}
    variables = flow.trainable_variables
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
                assert gradient is None, f"a gradient through the order to {variable.name}"
                continue
            assert gradient is not None, f"no gradient for {variable.name}"
            assert np.isfinite(gradient).all(), f"gradient of {variable.name} is not finite"
            assert np.any(gradient), f"gradient of {variable.name} is zero"


def check_variables(flow):
    """TFP, Keras and a tape see the same trainable variables."""
    with tf.GradientTape() as tape:
        distribution(flow).log_prob(data(flow, 2))
    keras_side = [v.value for layer in flow.layers for v in layer.trainable_variables]
    everything = [v.value for layer in flow.layers for v in layer.variables]

    def ids(variables):
        return sorted(map(id, variables))

    assert ids(flow.trainable_variables) == ids(keras_side), "TFP and Keras disagree"
    assert ids(flow.trainable_variables) == ids(tape.watched_variables()), "a tape sees others"
    assert ids(flow.variables) == ids(everything), "TFP and Keras disagree on fixed variables"
    assert ids(distribution(flow).trainable_variables) == ids(keras_side)


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
            close(after, wrapped.log_prob(tf.identity(x)), 1e-12, "after an assignment")
            assert not learned or np.any(after != before)
        if not learned:
            continue
        gradients = []
        for _ in range(2):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(wrapped.log_prob(x))
            gradients.append(tape.gradient(loss, learned))
        for first, second in zip(*gradients, strict=True):
            assert second is not None, "a repeated tensor yields no gradient"
            close(second, first, 1e-12, "the gradient for a repeated tensor")


def convolutions(function, *arguments):
    """The number of convolutions in the traced graph of `function`."""
    graph = tf.function(function).get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return sum(node.op == "Conv2D" for node in nodes)


def check_one_pass(flow):
    """A log_prob, and a sample with its log_prob, evaluate every network once."""
    x, z, seed = data(flow, 2), latents(flow, 2), tf.constant([1, 2])
    inverse = convolutions(flow.inverse_and_event_log_det, x)
    forward = convolutions(flow.forward_and_event_log_det, z)
    if not flow.iterates:  # an iteration and its log-det evaluate networks more often
        kernels = sum(len(v.shape) == 4 for v in flow.trainable_variables)
        assert inverse == forward == kernels, f"{inverse}, {forward} convolutions for {kernels}"
    for name, bijector in (
        ("plain", flow),
        ("tfb.Chain", tfb.Chain([flow])),
    ):
        wrapped = distribution(flow, bijector)

        def sample_and_log_prob(seed, wrapped=wrapped):
            return wrapped.experimental_sample_and_log_prob(2, seed=seed)

        for what, count, expected in (
            ("log_prob", convolutions(wrapped.log_prob, x), inverse),
            ("sample and log_prob", convolutions(sample_and_log_prob, seed), forward),
        ):
            assert count == expected, f"{name}: {what} has {count} convolutions for {expected}"


# --- configuration ---


def check_configuration(flow):
    """A flow comes back from its configuration, as JSON, up to its weights."""
    text = json.dumps(keras.saving.serialize_keras_object(flow))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(copy) is type(flow)
    assert copy.dtype == flow.dtype
    assert copy.event_shape == flow.event_shape
    shapes = [[w.shape for w in layer.get_weights()] for layer in flow.layers]
    assert [[w.shape for w in layer.get_weights()] for layer in copy.layers] == shapes
    for source, target in zip(flow.layers, copy.layers, strict=True):
        target.set_weights(source.get_weights())
    assert np.array_equal(copy.exit_map, flow.exit_map)
    for name, value in (
        ("inverse_and_event_log_det", data(flow, 2)),
        ("forward_and_event_log_det", latents(flow, 2)),
    ):
        for got, expected in zip(
            getattr(copy, name)(value), getattr(flow, name)(value), strict=True
        ):
            close(got, expected, 1e-12, f"{name} of the copy")


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
        check_transports,
        check_carry,
        check_gradients,
        check_variables,
        check_never_stale,
        check_one_pass,
        check_configuration,
    )
}
