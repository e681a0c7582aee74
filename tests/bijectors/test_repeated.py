"""A step many times over: what steps may differ in, how variables are called, when it is a loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import SHAPE, Leaky, board_step, built, coupling, glow_step
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import (
    ActNorm,
    ChannelHalf,
    Context,
    Coupling,
    FlowChain,
    LogitPreprocessing,
    Mask,
    Permutation,
    Repeated,
    Squeeze,
    checkerboard,
)
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.bijectors.repeated import UNROLLED_STEPS
from tfp_lcma.networks import Convolutional, Residual
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights


def steps_of_boards(times, **options):
    parities = iter([0, 1] * times)
    return Repeated(lambda: board_step("float64", next(parities)), times, **options)


def small_steps(times, **options):
    def step():
        return FlowChain([ActNorm((1, 1, 2)), Leaky((1, 1, 2))])

    return Repeated(step, times, **options)


def operations(flow):
    spec = tf.TensorSpec((2, *flow.event_shape), flow.dtype)
    graph = tf.function(flow.inverse_and_log_det, autograph=False).get_concrete_function(spec).graph
    return [op.type for op in graph.get_operations()]


def test_a_graph_does_not_grow_with_steps_in_a_loop_but_does_without():
    sizes = {
        (times, unroll): len(operations(small_steps(times, unroll=unroll)))
        for times, unroll in ((2, False), (6, False), (2, True), (6, True), (2, None), (6, None))
    }
    assert sizes[2, False] == sizes[6, False] == sizes[6, None]
    assert sizes[6, True] > 2 * sizes[2, True]
    assert sizes[2, None] == sizes[2, True]


def test_unroll_may_be_changed_later():
    flow = small_steps(2, unroll=False)
    assert any("While" in kind for kind in operations(flow))
    flow.unroll = True
    assert not any("While" in kind for kind in operations(flow))


def test_one_flow_is_made_anew_for_every_step():
    seed_initializers(0)
    flow = Repeated(coupling(ChannelHalf(SHAPE), "float64", network=Convolutional(4)), 3)
    kernel = named_variables(flow)["network.conv_in.kernel"]
    assert kernel.shape == (3, 3, 3, 1, 4)
    assert len(np.unique(kernel.numpy().reshape(3, -1)[:, 0])) == 3


def test_variables_are_called_by_the_attributes_that_lead_to_them():
    flow = Repeated(lambda: glow_step("float64"), 2)
    names = list(named_variables(flow))
    assert "act_norm.shift" in names
    assert "coupling.network.conv_in.kernel" in names
    assert names == list(named_variables(glow_step("float64")))
    assert all(variable.shape[0] == 2 for variable in named_variables(flow).values())


def test_step_holds_no_variables_that_count():
    flow = steps_of_boards(3)
    hidden = {id(v.value) for layer in flow.step.layers for v in layer.variables}
    assert not hidden & {id(v) for v in flow.variables}
    move_weights(flow.step, 1.0, seed=0)
    x = data(flow, 2)
    with tf.GradientTape() as tape:
        z = flow.inverse(x)
    assert not hidden & {id(v) for v in tape.watched_variables()}
    close(z, steps_of_boards(3).inverse(x), 1e-12, "whatever the step's own variables are")


def test_route_goes_through_every_step():
    index = np.random.default_rng(0).permutation(32).reshape(SHAPE)
    flow = Repeated(lambda: Permutation(index), 3)
    numbers = np.arange(32).reshape(SHAPE)
    expected = numbers.ravel()[index].ravel()[index].ravel()[index]
    assert np.array_equal(flow.route(numbers), expected)
    assert np.array_equal(flow.inverse(tf.constant(numbers[None]))[0], expected)


def test_repetitions_may_be_nested():
    inner = Repeated(lambda: Leaky(SHAPE, "float64"), 2, unroll=False)
    flow = Repeated(inner, 3, unroll=False)
    move_weights(flow, 0.5, seed=0)
    (scales,) = flow.trainable_variables
    assert scales.shape == (3, 2, 2)
    x = data(flow, 2)
    factor = np.exp(np.tanh(scales).sum(axis=(0, 1)))
    expected = np.where(x > 0, x * factor, x)
    close(flow.inverse(x), expected, 1e-12, "eagerly")
    close(tf.function(flow.inverse)(x), expected, 1e-12, "in a graph")


def test_regularizers_and_constraints_see_every_slice():
    def step():
        half = ChannelHalf(SHAPE)
        network = keras.layers.Conv2D(
            2, 1, kernel_regularizer=keras.regularizers.L2(0.5), kernel_constraint="unit_norm"
        )
        return Coupling(half, network)

    flow = Repeated(step, 3)
    kernel = named_variables(flow)["network.kernel"]
    (loss,) = [loss for layer in flow.layers for loss in layer.losses]
    close(loss, 0.5 * np.sum(kernel.numpy() ** 2), 1e-6, "penalty")
    constrained = kernel.constraint(2.0 * kernel)
    norms = np.linalg.norm(constrained.numpy().reshape(3, -1, 2), axis=1)
    close(norms, np.ones((3, 2)), 1e-5, "norms")


def test_unknown_batch_sizes_and_other_conditions_go_through_a_loop():
    half = ChannelHalf(SHAPE)
    flow = Repeated(
        lambda: Coupling(half, Residual(4, 1), conditions=3, dtype="float64"), 2, unroll=False
    )
    assert flow.conditions == 3
    move_weights(flow, 0.3, seed=0)
    spec = [tf.TensorSpec((None, *SHAPE), tf.float64), tf.TensorSpec((None,), tf.int32)]
    graph = tf.function(flow.inverse_and_log_det, input_signature=spec, autograph=False)
    x = data(flow, 3)
    for classes in ([0, 1, 2], [2, 2, 2]):
        condition = tf.constant(classes)
        for got, expected in zip(
            graph(x, condition), flow.inverse_and_log_det(x, condition), strict=True
        ):
            close(got, expected, 1e-10, f"classes {classes}")


def test_xla_compiles_a_loop_to_the_same_numbers():
    flow = built("Repeated (Glow step)", "float32")
    x = data(flow, 2)
    compiled = tf.function(flow.inverse_and_event_log_det, jit_compile=True, autograph=False)(x)
    for got, expected in zip(compiled, flow.inverse_and_event_log_det(x), strict=True):
        close(got, expected, 1e-5, "under XLA")


@pytest.mark.parametrize("memory", ["keep", "invert", "invert in invert"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_gradient_that_xla_compiles_for_a_cpu_has_no_loop_unless_asked(memory, compiled):
    flow = small_steps(UNROLLED_STEPS + 1)
    for kept in memory.split(" in "):
        flow = lcma.multi_scale.MultiScale([flow], None, memory=kept)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(flow.inverse_and_log_det(x)[1])
        return tape.gradient(total, x)

    traced = tf.function(gradient, jit_compile=compiled, autograph=False)
    graph = traced.get_concrete_function(data(flow, 2)).graph
    loops = [op.name for op in graph.get_operations() if op.type.endswith("While")]
    assert bool(loops) != compiled


def test_starting_pass_in_a_graph_starts_nothing_in_a_loop():
    flow = Repeated(lambda: ActNorm(SHAPE), 2, unroll=False)
    tf.function(flow.inverse_and_log_det, autograph=False)(data(flow, 8))
    assert not flow.is_initialized
    flow.inverse_and_log_det(data(flow, 8), context=Context(starting=True))
    assert flow.is_initialized


# --- refused ---


@pytest.mark.parametrize("times", [0, -1, 1.5])
def test_number_of_steps_is_checked(times):
    with pytest.raises(ValueError, match="times must be a whole number >= 1; got"):
        Repeated(lambda: ActNorm(SHAPE), times)


def test_step_that_reshapes_is_refused():
    with pytest.raises(ValueError, match=r"step must keep the shape .*\(4, 4, 2\) to \(2, 2, 8\)"):
        Repeated(lambda: Squeeze(SHAPE), 2)


def test_step_of_bounded_numbers_is_refused():
    with pytest.raises(ValueError, match=r"step must take all numbers; .* takes bounded ones"):
        Repeated(lambda: LogitPreprocessing((4, 4, 2), bins=256), 2)


def test_step_that_is_no_flow_is_refused():
    with pytest.raises(ValueError, match="step must make a FlowBijector; got int"):
        Repeated(lambda: 3, 2)


@pytest.mark.parametrize("variable", [tf.Variable, keras.Variable])
def test_step_with_variables_of_its_own_outside_layers_is_refused(variable):
    class Raw(Leaky):
        def __init__(self):
            super().__init__(SHAPE)
            self.scale = variable(1.0)

    with pytest.raises(ValueError, match=r"step must hold its variables in Keras .* Raw.scale"):
        Repeated(Raw, 2)


@pytest.mark.parametrize(
    "steps",
    [
        lambda: [coupling(ChannelHalf(SHAPE, keep), "float32") for keep in ("first", "second")],
        lambda: [ActNorm(SHAPE), Leaky(SHAPE)],
        lambda: [ActNorm(SHAPE), FlowChain([ActNorm(SHAPE)])],
        lambda: [
            coupling(checkerboard(SHAPE, 0), "float32"),
            coupling(Mask(np.eye(4)[..., None] * [1, 1] > 0), "float32"),
        ],
        lambda: [coupling(ChannelHalf(SHAPE), "float32", network=Residual(w, 1)) for w in (4, 5)],
        lambda: [Permutation(np.arange(32).reshape(SHAPE)[::way]) for way in (1, -1)],
    ],
    ids=["halves", "kinds", "depths", "maps", "widths", "permutations"],
)
def test_steps_that_differ_in_more_than_constant_arrays_are_refused(steps):
    made = iter(steps())
    with pytest.raises(ValueError, match="step must make steps alike, but for their constant"):
        Repeated(made.__next__, 2)


def test_layer_that_adds_a_loss_is_refused_by_name():
    class Loud(keras.layers.Conv2D):
        def call(self, inputs):
            self.add_loss(tf.reduce_mean(inputs))
            return super().call(inputs)

    flow = Repeated(lambda: Coupling(ChannelHalf(SHAPE), Loud(2, 1, name="mine")), 2)
    for call in (flow.inverse, tf.function(flow.inverse, autograph=False)):
        with pytest.raises(ValueError, match=r"step must hold no layer .* of Loud 'mine'"):
            call(data(flow, 1))
