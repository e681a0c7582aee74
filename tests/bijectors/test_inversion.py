"""Gradients by inversion in whole models: what they keep, what they share with plain ones."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

import tfp_lcma as lcma
from tests.registry import SHAPE, Ours, board_step, built, multi_scale
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import (
    Context,
    EventLogDet,
    FlowChain,
    Moved,
    NoLogDet,
    Repeated,
    SummedLogDet,
)
from tfp_lcma.bijectors.inversion import carry_inverse_by_inversion
from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights

TRAINING = Context(training=True)


def glow(memory="invert", **options):
    seed_initializers(0)
    options = {"levels": 1, "steps": 2, "width": 4, "dtype": "float64", **options}
    flow = lcma.models.glow((4, 4, 1), memory=memory, **options)
    move_weights(flow, 0.2, seed=1)
    return flow


def gradients(flow, x, **given):
    """Of a density's loss, in training."""
    variables = flow.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(list(given.values()))
        context = Context(training=True, **given)
        loss = tf.reduce_mean(lcma.FlowDistribution(flow).log_prob(x, context=context))
    return tape.gradient(loss, [*variables, *given.values()])


@pytest.mark.parametrize("traced", [False, True])
def test_density_of_a_model_has_the_plain_gradient(traced):
    flow = glow(conditions=(2,), unroll=False)
    x, condition = data(flow, 3), tf.constant(np.random.default_rng(0).normal(size=(3, 2)))

    def found(memory):
        flow.memory = memory
        function = tf.function(gradients, autograph=False) if traced else gradients
        return function(flow, x, condition=condition)

    for got, expected in zip(found("invert"), found("keep"), strict=True):
        close(got, expected, 1e-8, "gradient")


def test_what_a_loss_does_not_need_gets_no_gradient():
    flow = built("Coupling (checkerboard)", "float64")
    x = data(flow, 2)
    for part in (0, 1):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, log_det = carry_inverse_by_inversion(flow, x, SummedLogDet(x[:, 0, 0, 0]), TRAINING)
            loss = tf.reduce_sum((z**2, log_det.values)[part])
        with tf.GradientTape() as plain:
            plain.watch(x)
            z, log_det = flow.carry_inverse(x, SummedLogDet(x[:, 0, 0, 0]), TRAINING)
            expected = tf.reduce_sum((z**2, log_det.values)[part])
        close(tape.gradient(loss, x), plain.gradient(expected, x), 1e-10, f"of part {part} alone")


@pytest.mark.parametrize("kind", [Moved, NoLogDet])
def test_moves_go_without_a_gradient_of_their_own(kind):
    flow, x = (
        built("FlowChain (nested)", "float64"),
        data(built("FlowChain (nested)", "float64"), 2),
    )
    start = kind(x) if kind is Moved else kind()
    z, after = carry_inverse_by_inversion(flow, x, start, Context())
    expected_z, expected = flow.carry_inverse(x, start, Context())
    close(z, expected_z, 1e-12, "latents")
    assert type(after) is kind
    if kind is Moved:
        close(after.values, expected.values, 1e-12, "what moves along")


def test_starting_pass_and_sampling_are_the_same_by_inversion():
    flow = lcma.models.glow((4, 4, 1), levels=2, steps=2, width=4, memory="invert")
    x = 3 * data(flow, 16) + 1
    flow.inverse_and_log_det(x, context=Context(starting=True))
    assert flow.is_initialized
    close(flow.forward(tf.identity(flow.inverse(x))), x, 1e-4, "round trip")


@pytest.mark.parametrize("traced", [False, True])
def test_forward_mode_is_refused_by_inversion_and_there_otherwise(traced):
    flow = built("MultiScale (checkerboard, by inversion)", "float64")
    x = data(flow, 2)
    direction = tf.cos(x)

    def forward_mode(x):
        with tf.autodiff.ForwardAccumulator(x, direction) as accumulator:
            log_det = flow.inverse_and_log_det(x)[1]
        return accumulator.jvp(log_det)

    run = tf.function(forward_mode, autograph=False) if traced else forward_mode
    with pytest.raises(ValueError, match=r'memory must be "keep" for .* forward mode'):
        run(x)
    flow.memory = "keep"
    try:
        with tf.GradientTape() as tape:
            tape.watch(x)
            log_det = flow.inverse_and_log_det(x)[1]
        expected = tf.reduce_sum(tape.gradient(log_det, x) * direction, axis=(1, 2, 3))
        close(forward_mode(x), expected, 1e-9, "forward mode")
    finally:
        flow.memory = "invert"


@pytest.mark.parametrize("traced", [False, True])
def test_second_derivatives_are_refused_by_inversion_and_there_otherwise(traced):
    flow = built("MultiScale (checkerboard, by inversion)", "float64")
    x = data(flow, 2)

    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                density = tf.reduce_sum(lcma.FlowDistribution(flow).log_prob(x))
            first = tf.reduce_sum(inner.gradient(density, x) ** 2)
        return outer.gradient(first, x)

    with pytest.raises(ValueError, match='memory must be "keep" for second derivatives'):
        (tf.function(second, autograph=False) if traced else second)(x)
    flow.memory = "keep"
    try:
        assert np.isfinite(second(x)).all()
    finally:
        flow.memory = "invert"


def test_state_of_training_changes_once_in_a_graph_with_several_gradients():
    steps = iter([board_step("float64", p, lcma.bijectors.BatchNorm) for p in (0, 1)])
    flow = Repeated(steps.__next__, 2, unroll=False)
    x, start = data(flow, 8), SummedLogDet(tf.zeros((8,), tf.float64))
    moving = [v for layer in flow.layers for v in layer.non_trainable_variables]

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            z, log_det = carry_inverse_by_inversion(flow, x, start, TRAINING)
            losses = tf.reduce_sum(z**2), tf.reduce_sum(log_det.values)
        return [tape.gradient(loss, x) for loss in losses]

    before = [v.numpy() for v in moving]
    step(x)
    once = [v.numpy() for v in moving]
    for variable, value in zip(moving, before, strict=True):
        variable.assign(value)
    flow.inverse_and_log_det(x, context=TRAINING)
    assert any(np.any(a != b) for a, b in zip(once, before, strict=True))
    for got, expected in zip(once, moving, strict=True):
        close(got, expected, 1e-10, "state after one pass")


def kept_by_gradient(flow, x):
    """How many numbers a traced gradient keeps of the forward loop's activations, a step."""

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, log_det = flow(x)
            loss = tf.reduce_sum(z**2) + tf.reduce_sum(log_det.values)
        return tape.gradient(loss, x)

    graph = step.get_concrete_function(x).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return sum(node.op == "TensorListPushBack" for node in nodes)


def test_nothing_of_the_steps_is_kept_in_a_loop():
    steps = iter([board_step("float64", p) for p in (0, 1, 0)])
    flow = Repeated(steps.__next__, 3, unroll=False)
    x, start = data(flow, 2), SummedLogDet(tf.zeros((2,), tf.float64))
    inverted = kept_by_gradient(lambda x: carry_inverse_by_inversion(flow, x, start, TRAINING), x)
    assert inverted == 0
    assert kept_by_gradient(lambda x: flow.carry_inverse(x, start, TRAINING), x) > 0


def test_a_searched_flow_keeps_its_input_and_searches_nothing():
    """Its forward map raises here, so the gradient must do without."""

    class Unsearchable(lcma.bijectors.Coupling):
        def carry_forward(self, z, log_det, context):
            raise AssertionError("searched")

    half = lcma.bijectors.ChannelHalf(SHAPE)
    transform = lcma.transforms.MixtureLogistic(2)
    network = lcma.networks.Residual(4, 1)
    searched = Unsearchable(half, network, transform, dtype="float64")
    flow = FlowChain([built("ActNorm", "float64"), searched])
    x = data(flow, 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        start = EventLogDet(tf.zeros_like(x))
        z, log_det = carry_inverse_by_inversion(flow, x, start, TRAINING)
        loss = tf.reduce_sum(z**2 - log_det.values)
    assert np.any(tape.gradient(loss, x))


def test_a_step_in_a_row_is_recomputed_when_the_gradient_has_come_to_it():
    """All at once would keep what all steps need."""
    steps, convolutions = 3, 3
    flow = lcma.models.glow(
        SHAPE, levels=1, steps=steps, width=4, coupling="mixture_logistic", unroll=True,
        memory="invert", exit_prior=lcma.priors.StandardNormal(),
    )  # fmt: skip

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(flow.inverse_and_log_det(x)[1])
        return tape.gradient(loss, x)

    specification = tf.TensorSpec((2, *SHAPE), tf.float32)
    operations = gradient.get_concrete_function(specification).graph.get_operations()
    waits = {}
    for op in operations:
        before = [*(tensor.op for tensor in op.inputs), *op.control_inputs]
        gradients = [b for b in before if b.type == "Conv2DBackpropInput" or waits.get(b.name)]
        waits[op.name] = bool(gradients)
    at_once = [op for op in operations if op.type == "Conv2D" and not waits[op.name]]
    # Of the pass itself, and of the last step.
    assert len(at_once) == (steps + 1) * convolutions


def test_layer_that_adds_a_loss_is_refused():
    flow = built("InvariantShuffle", "float64")
    x = data(flow, 2)
    with pytest.raises(ValueError, match=r'memory="invert" must hold no layer that calls add_loss'):
        carry_inverse_by_inversion(flow, x, EventLogDet(tf.zeros_like(x)), TRAINING)


# --- memory of traces ---


def live_graphs():
    gc.collect()
    # By its type: not everything that lives has a `__class__` to ask for.
    return sum(issubclass(type(thing), FuncGraph) for thing in gc.get_objects())


def trace_and_drop():
    half = lcma.bijectors.ChannelHalf((1, 2, 2))
    level = Repeated(lambda: lcma.bijectors.Coupling(half, Ours), 2, unroll=False)
    flow = lcma.multi_scale.MultiScale([level], None, memory="invert")

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(flow.inverse_and_log_det(x, context=TRAINING)[1])
        return tape.gradient(loss, flow.trainable_variables)

    step(data(flow, 2))


def test_traces_are_freed_with_their_model():
    trace_and_drop()
    before = live_graphs()
    for _ in range(3):
        trace_and_drop()
    assert live_graphs() <= before + 2


def test_a_gradient_after_the_flow_is_gone_says_so():
    half = lcma.bijectors.ChannelHalf((1, 2, 2))
    coupling = lcma.bijectors.Coupling(half, Ours)
    flows = [lcma.multi_scale.MultiScale([coupling], None, memory="invert")]
    x = data(flows[0], 2)
    del coupling

    @tf.function(autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = flows[0].inverse_and_log_det(x)[1]
        flows.clear()
        gc.collect()
        return tape.gradient(total, x)

    with pytest.raises(ValueError, match="The flow must be kept for as long as gradients are"):
        gradient(x)


def freed(flows):
    """Whether nothing holds any of these flows, once nobody else does."""
    gc.collect()
    return [flow() for flow in flows] == [None] * len(flows)


def test_models_are_freed():
    flow = multi_scale("float32", Checkerboard(), levels=2, memory="invert")
    flows = [weakref.ref(part) for part in flow.kinds]
    assert all(flow() is not None for flow in flows)
    del flow
    assert freed(flows)


def test_models_that_were_fitted_are_freed():
    """Keras keeps the graph of a training step for ever; it must not keep the flow."""
    half = lcma.bijectors.ChannelHalf((1, 2, 2))
    coupling = lcma.bijectors.Coupling(half, Ours)
    model = lcma.FlowModel(lcma.multi_scale.MultiScale([coupling], None, memory="invert"))
    flows = [weakref.ref(part) for part in model.flow.kinds]
    model.compile(optimizer="sgd", jit_compile=False)
    model.fit(np.zeros((2, 1, 2, 2), np.uint8), verbose=0)
    del model, coupling, half
    assert freed(flows)
