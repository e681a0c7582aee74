"""What every flow must keep to. Each check takes a flow and raises an AssertionError.

`test_contract.py` runs them over the registry, and over deliberately broken
flows that they must reject.
"""

import contextlib
import functools
import json
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import Given, data, latents, move_weights
from tfp_lcma.bijectors import (
    Context,
    EventLogDet,
    FlowChain,
    NoLogDet,
    Repeated,
    SummedLogDet,
)
from tfp_lcma.bijectors.inversion import carry_inverse_by_inversion
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.bijectors.repeated import UNROLLED_STEPS
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.channel_router import ChannelRouter
from tfp_lcma.networks.channel_weights import ChannelWeights

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
    return tfd.TransformedDistribution(tfd.Sample(noise, flow.latent_shape), bijector or flow)


def total(event_log_det):
    return tf.reduce_sum(event_log_det, axis=(1, 2, 3))


@contextlib.contextmanager
def restored(*flows):
    """After this context all variables of the flows are as they were."""
    variables = [v for flow in flows for layer in flow.layers for v in layer.variables]
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def moved(flow, scale=0.05):
    """Within this context the weights of `flow` are moved by noise."""
    with restored(flow):
        move_weights(flow, scale, seed=9)
        yield


def unwrapped(flow, rows):
    """The flow that a condition was given to, if it is one, and a context with that condition."""
    if isinstance(flow, Given):
        return flow.flow, Context(condition=flow.rows(rows))
    return flow, Context()


def kept(function):
    """Keeps what a function of a flow returned last: the next check asks it of the same flow."""
    last = []

    @functools.wraps(function)
    def answer(flow):
        if not last or last[0] is not flow:
            last[:] = flow, function(flow)
        return last[1]

    return answer


class Pass(NamedTuple):
    """What one direction of a flow makes of a batch."""

    value: tf.Tensor
    out: tf.Tensor
    log_det: tf.Tensor


@kept
def both_ways(flow):
    """A pass of each direction, over three rows."""
    x, z = data(flow, 3), latents(flow, 3)
    return (
        Pass(x, *flow.inverse_and_event_log_det(x)),
        Pass(z, *flow.forward_and_event_log_det(z)),
    )


# --- the map and its log-det ---


def check_round_trips(flow):
    """Data come back from their latents and latents from their data, on fresh tensors."""
    single = flow.dtype == tf.float32
    tolerance = 2e-4 if single else 1e-8
    x, z = data(flow, 3), latents(flow, 3)
    there, log_det = flow.inverse_and_event_log_det(x)
    # The way back of the one is the way there of the other.
    images, log_dets = flow.forward_and_event_log_det(tf.concat([there, z], axis=0))
    close(images[:3], x, tolerance, "x -> z -> x")
    close(-total(log_dets[:3]), total(log_det), 5 * tolerance, "log-det of x -> z -> x")
    back, log_det_back = flow.inverse_and_event_log_det(images[3:])
    close(back, z, tolerance, "z -> x -> z")
    close(-total(log_det_back), total(log_dets[3:]), 5 * tolerance, "log-det of z -> x -> z")


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


class Derivative(NamedTuple):
    """One direction of a flow at one event, and how it changes there.

    `matrix` is d out / d in by automatic differentiation. Of that, `difference` is a difference
    of values along `direction`.
    """

    name: str
    value: tf.Tensor
    out: tf.Tensor
    log_det: tf.Tensor
    matrix: np.ndarray
    direction: np.ndarray
    difference: tf.Tensor


@kept
def derivatives(flow):
    """The derivatives of both directions."""
    return [
        derivative(flow.inverse_and_event_log_det, data(flow, 1)),
        derivative(flow.forward_and_event_log_det, latents(flow, 1)),
    ]


def derivative(method, value):
    """A direction's derivative, all of it from one pass over copies of the event."""
    direction = np.random.default_rng(5).normal(size=value.shape)
    passes = []

    def one_pass(copies):
        ends = [value + 1e-6 * direction, value - 1e-6 * direction]
        passes[:] = method(tf.concat([copies, *ends], axis=0))
        return passes[0][:-2]

    matrix = jacobian(one_pass, value)
    out, log_det = passes
    difference = (out[-2] - out[-1]) / 2e-6
    return Derivative(
        method.__name__, value, out[:1], log_det[:1], matrix, direction, tf.reshape(difference, -1)
    )


def check_log_det(flow):
    """The event log-det has the output's shape and sums to log|det| of the Jacobian."""
    for at in derivatives(flow):
        shape, dtype = at.log_det.shape, at.log_det.dtype
        assert shape == at.out.shape, f"{at.name}: log-det of shape {shape}"
        assert dtype == at.out.dtype == at.value.dtype
        expected = np.linalg.slogdet(at.matrix)[1]
        close(total(at.log_det)[0], expected, 1e-8, f"{at.name}: log-det against autodiff")
        # Autodiff believes custom gradients; a difference of values does not.
        slope = at.matrix @ at.direction.ravel()
        close(slope, at.difference, 1e-5, f"{at.name}: autodiff against differences")


def check_tfp_methods(flow):
    """TFP's methods, the event methods and the density agree with the one pass."""
    (x, there, log_det), (z, image, log_det_of_image) = both_ways(flow)
    close(flow.inverse(x), there, 1e-12, "inverse")
    close(flow.inverse_event_log_det_jacobian(x), log_det, 1e-12, "event log-det")
    for ildj in (
        flow.inverse_log_det_jacobian(x, event_ndims=3),
        flow.inverse_log_det_jacobian(x),
        flow.inverse_and_log_det(x)[1],
    ):
        close(ildj, total(log_det), 1e-12, "inverse_log_det_jacobian")
    density = flow.log_density(x, SummedLogDet(tf.ones((3,), x.dtype)), Context())
    expected = tfd.Normal(tf.zeros((), x.dtype), tf.ones((), x.dtype)).log_prob(there) + log_det
    close(density, 1 + total(expected), 1e-12, "log_density")
    log_det = log_det_of_image
    close(flow.forward(z), image, 1e-12, "forward")
    found, converged = flow.forward_with_convergence(z)
    close(found, image, 1e-12, "forward_with_convergence")
    assert np.all(converged)
    close(flow.forward_event_log_det_jacobian(z), log_det, 1e-12, "event log-det")
    for fldj in (
        flow.forward_log_det_jacobian(z, event_ndims=3),
        flow.forward_log_det_jacobian(z),
        flow.forward_and_log_det(z)[1],
    ):
        close(fldj, total(log_det), 1e-12, "forward_log_det_jacobian")
    assert flow.latent_shape == tuple(there.shape[1:])
    assert flow.inverse_event_shape(flow.event_shape) == there.shape[1:]
    assert flow.forward_event_shape(there.shape[1:]) == tuple(flow.event_shape)
    assert tuple(flow.inverse_event_shape_tensor(flow.event_shape)) == tuple(there.shape[1:])
    assert tuple(flow.forward_event_shape_tensor(there.shape[1:])) == tuple(flow.event_shape)


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
        close(z, everyone[:size], 1e-10, f"latents in a batch of {size}")
        close(total(log_det), total(everyones)[:size], 1e-10, f"log-det in a batch of {size}")


def check_batch_shapes(flow):
    """TFP's methods take any batch, one image, several dimensions of a batch, and unknown ones."""
    for size in batch_sizes(flow):
        assert distribution(flow).log_prob(data(flow, size)).shape == (size,)
    x, z = data(flow, 6), latents(flow, 6)
    for method, log_det_of, value in (
        (flow.inverse, flow.inverse_log_det_jacobian, x),
        (flow.forward, flow.forward_log_det_jacobian, z),
    ):
        out, log_det = method(value), log_det_of(value, event_ndims=3)
        if value is x:
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


@kept
def traced_distribution(flow):
    """A plain distribution's log_prob of data and sample with its log_prob, eager and traced."""
    wrapped = distribution(flow)

    def both(x, seed):
        sample = wrapped.experimental_sample_and_log_prob(3, seed=seed)
        return wrapped.log_prob(x), *sample

    return both, tf.function(both, autograph=False), (data(flow, 3), tf.constant([1, 2]))


def check_eager_equals_graph(flow):
    """A traced distribution computes what it computes eagerly, in both directions."""
    both, graph, arguments = traced_distribution(flow)
    names = "log_prob", "sample", "its log_prob"
    for name, got, expected in zip(names, graph(*arguments), both(*arguments), strict=True):
        close(got, expected, 1e-10, f"{name} in a graph")


def check_finite(flow):
    """Ten-sigma latents give finite images, also after the weights have moved."""
    z = 10 * latents(flow, 8)
    for context in (contextlib.nullcontext(), moved(flow)):
        with context:
            x, log_det = flow.forward_and_event_log_det(z)
            assert np.isfinite(x).all(), "the image of ten-sigma latents is not finite"
            assert np.isfinite(log_det).all(), "its log-det is not finite"


def check_conditions(flow):
    """A conditional flow goes by its condition and asks for one; others take any."""
    x, expected_z, expected = both_ways(flow)[0]
    if not isinstance(flow, Given):
        z, log_det = flow.inverse_and_log_det(x, context=Context(tf.constant([7, 8, 9])))
        close(log_det, total(expected), 1e-12, "log-det, a condition beside")
        close(z, expected_z, 1e-12, "latents, a condition beside")
        return
    inner, condition = flow.flow, flow.rows(x)
    other = tf.concat([condition[:1], condition[1:] + 1 - 2 * (condition[1:] // 2)], axis=0)
    assert inner.conditions is not None
    z, log_det = inner.inverse_and_event_log_det(x, condition)
    close(expected_z, z, 1e-12, "the condition that was given")
    changed = np.abs(inner.inverse(x, condition=other) - z).max(axis=(1, 2, 3))
    changed_back = np.abs(inner.forward(tf.identity(z), condition=other) - x).max(axis=(1, 2, 3))
    for change in (changed, changed_back):
        assert change[0] < 1e-8, "a row changes with another row's condition"
        assert np.all(change[1:] > 1e-6), "the condition does not count"
    wrapped, kwargs = distribution(inner), {"condition": condition}
    expected = distribution(flow).log_prob(x)
    close(wrapped.log_prob(x, bijector_kwargs=kwargs), expected, 1e-12, "log_prob by TFP's names")
    close(inner.inverse(x, condition=condition), z, 1e-12, "inverse by TFP's names")
    close(total(log_det), inner.inverse_log_det_jacobian(x, **kwargs), 1e-12, "log-det by TFP's")
    for method, value in ((inner.inverse, x), (inner.forward, z)):
        try:
            method(value)
        except ValueError as error:
            assert "condition" in str(error), f"the error does not say condition: {error}"
        else:
            raise AssertionError("a conditional flow does without its condition")


# --- per-dimension tensors ---


def move_matrix(move, value):
    """The matrix by which a move maps per-dimension tensors, at one event."""
    size = int(np.prod(value.shape[1:]))
    units = tf.reshape(tf.eye(size, dtype=value.dtype), (size, *value.shape[1:]))
    out = move(units, tf.repeat(value, size, axis=0))
    return tf.reshape(out, (size, size)).numpy().T


def check_moves(flow):
    """Per-dimension tensors go where dimensions go, none of them lost or counted twice.

    In terms of matrices: a move is doubly stochastic, and a share travels from
    one dimension to another only where the second depends on the first.
    """
    for move, at in zip((flow.move_inverse, flow.move_forward), derivatives(flow), strict=True):
        name = move.__name__
        t = tf.cast(np.random.default_rng(6).normal(size=at.value.shape), at.value.dtype)
        moved_t = move(t, at.value)
        assert moved_t.shape == at.out.shape, f"{name}: shape {moved_t.shape} for {at.out.shape}"
        matrix = move_matrix(move, at.value)
        close(matrix.sum(0), np.ones(len(matrix)), 1e-8, f"{name}: where a share goes")
        close(matrix.sum(1), np.ones(len(matrix)), 1e-8, f"{name}: where a share comes from")
        assert matrix.min() > -1e-8, f"{name}: a share turned negative"
        assert not np.any((matrix > 1e-8) & (np.abs(at.matrix) < 1e-12)), (
            f"{name}: a share travels between dimensions that have nothing to do with each other"
        )


def check_carry(flow):
    """`carry` is the map, and the moved tensor plus the event log-det, for every accumulator."""
    for carry, move, (value, expected, log_det) in zip(
        (flow.carry_inverse, flow.carry_forward),
        (flow.move_inverse, flow.move_forward),
        both_ways(flow),
        strict=True,
    ):
        t = tf.cast(np.random.default_rng(7).normal(size=value.shape), value.dtype)
        out, carried = carry(value, EventLogDet(t), Context())
        close(out, expected, 1e-10, f"{carry.__name__}: the value")
        moved_t = move(t, value)
        assert moved_t.shape == log_det.shape, f"{carry.__name__}: the move lost the shape"
        close(carried.values, moved_t + log_det, 1e-10, f"{carry.__name__}: the tensor")
        summed = carry(value, SummedLogDet(total(t)), Context())[1].values
        close(summed, total(t) + total(log_det), 1e-10, f"{carry.__name__}: the sum")
        out, nothing = carry(value, NoLogDet(), Context())
        close(out, expected, 1e-10, f"{carry.__name__}: the value without a log-det")
        assert nothing.values is None


# --- variables ---


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
                assert gradient is None, f"a gradient through the order to {variable.name}"
                continue
            assert gradient is not None, f"no gradient for {variable.name}"
            assert np.isfinite(gradient).all(), f"gradient of {variable.name} is not finite"
            for own in gradient if id(variable) in stacked else [gradient]:
                assert np.any(own), f"gradient of {variable.name} is zero"


def check_variables(flow):
    """TFP, Keras and a tape see the same trainable variables, and every one has a name."""
    with tf.GradientTape() as tape:
        distribution(flow).log_prob(data(flow, 2))
    keras_side = [v.value for layer in flow.layers for v in layer.trainable_variables]
    everything = [v.value for layer in flow.layers for v in layer.variables]

    def ids(variables):
        return sorted(map(id, variables))

    assert ids(flow.trainable_variables) == ids(keras_side), "TFP and Keras disagree"
    watched = [*tape.watched_variables(), *of_losses(flow)]
    assert ids(flow.trainable_variables) == ids(watched), "a tape sees others"
    assert ids(flow.variables) == ids(everything), "TFP and Keras disagree on fixed variables"
    assert ids(distribution(flow).trainable_variables) == ids(keras_side)
    assert ids(v.value for v in named_variables(flow).values()) == ids(everything), "names"


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
                close(after, wrapped.log_prob(tf.identity(x)), 1e-12, "after an assignment")
            assert not learned or np.any(after != before)
        if not learned or bijector is not flow:
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
    assert count == most, f"log_prob and a sample have {count} convolutions for {most}"


def check_one_pass_in_a_chain(flow):
    """A log_prob of a chain of TFP's evaluates every network of a flow once."""
    inverse = kernels(flow)
    if flow.iterates:  # its log-det evaluates networks more often
        inverse = convolutions(flow.inverse_and_event_log_det, data(flow, 2))
    chain = distribution(flow, tfb.Chain([flow]))
    count = convolutions(chain.log_prob, data(flow, 2))
    assert count == inverse, f"log_prob in a chain has {count} convolutions for {inverse}"


# --- gradients by inversion ---


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
    found = {}
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


def plainly(flow, x, context, **kinds):
    with remembering(flow, "keep"):
        return training_step(flow.carry_inverse, flow, x, context, **kinds)


def by_inversion(flow, x, context, **kinds):
    """Of a multi-scale flow, whose levels are inverted, by its own setting."""

    def carry(x, log_det, context):
        return carry_inverse_by_inversion(flow, x, log_det, context)

    with remembering(flow, "invert"):
        carry = flow.carry_inverse if isinstance(flow, MultiScale) else carry
        return training_step(carry, flow, x, context, **kinds)


@contextlib.contextmanager
def remembering(flow, memory):
    """Within this context a multi-scale flow keeps what `memory` says."""
    before = getattr(flow, "memory", None)
    if before is not None:
        flow.memory = memory
    try:
        yield
    finally:
        if before is not None:
            flow.memory = before


def check_same_step(got, expected):
    """All that a step of training found agrees to 1e-6 of its size."""
    assert list(got) == list(expected)
    for name, value in expected.items():
        close(got[name], value, 1e-6, name)


def check_gradient_by_inversion(flow):
    """Eagerly, a gradient by inversion is the plain one, and state changes once, as it does."""
    x = data(flow, 3)
    flow, context = in_training(flow, x)
    plain, inverting = (
        functools.partial(step, kinds=(EventLogDet,)) for step in (plainly, by_inversion)
    )
    got = step_and_state(inverting, flow, x, context)
    check_same_step(got, step_and_state(plain, flow, x, context))


def check_traced_gradient_by_inversion(flow):
    """In a graph a gradient by inversion is the plain one too, under the sum of the log-det.

    In loops, which do not carry the sum along, also under a log-det per dimension: eagerly it is
    that of all flows.
    """
    x = data(flow, 3)
    flow, context = in_training(flow, x)
    loops = any(isinstance(part, Repeated) for part in flow.parts)
    kinds = (SummedLogDet, EventLogDet) if loops else (SummedLogDet,)

    @tf.function(autograph=False)
    def graph(x, tensors):
        return by_inversion(flow, x, context.replace(**tensors), kinds=kinds)

    def traced(flow, x, context):
        return graph(x, context.tensors())

    got = step_and_state(traced, flow, x, context)
    plain = functools.partial(plainly, kinds=kinds)
    check_same_step(got, step_and_state(plain, flow, x, context))


def check_no_second_derivative(flow, carry=carry_inverse_by_inversion):
    """A second derivative of a gradient by inversion is an error that names the remedy."""
    x = data(flow, 2)
    flow, context = unwrapped(flow, x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            start = SummedLogDet(tf.zeros_like(x[:, 0, 0, 0]))
            z, log_det = carry(flow, x, start, context)
            loss = tf.reduce_sum(z**2) + tf.reduce_sum(log_det.values)
        first = tf.reduce_sum(inner.gradient(loss, x))
    try:
        outer.gradient(first, x)
    except ValueError as error:
        assert 'memory must be "keep"' in str(error), f"the error names no remedy: {error}"
    else:
        raise AssertionError("a second derivative is returned")


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
    assert list(named_variables(copy)) == list(named_variables(flow))
    for source, target in zip(flow.layers, copy.layers, strict=True):
        target.set_weights(source.get_weights())
    assert np.array_equal(copy.exit_map, flow.exit_map)
    for name, (value, *expected) in zip(
        ("inverse_and_event_log_det", "forward_and_event_log_det"), both_ways(flow), strict=True
    ):
        for got, of_the_flow in zip(getattr(copy, name)(value), expected, strict=True):
            close(got, of_the_flow, 1e-12, f"{name} of the copy")


# --- repeated steps ---


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
