"""The exit prior of mAR-SCF."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import multi_scale
from tests.seeds import seed_initializers
from tfp_lcma import FlowDistribution
from tfp_lcma.bijectors import Context, Squeeze
from tfp_lcma.factorizations import Channel, Checkerboard
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks import ChannelNetwork, ConvLSTM
from tfp_lcma.priors import ChannelAutoregressive
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressiveExit
from tfp_lcma.testing.compare import close, total
from tfp_lcma.testing.inputs import data, latents, move_weights
from tfp_lcma.testing.one_pass import convolutions

BATCH = 2
KEPT = np.random.default_rng(1).normal(size=(BATCH, 4, 3, 2))
GIVEN = Context(kept=KEPT)


def exit_of(channels=4, kept=True, moved=0.3, dtype="float64", **options):
    """An exit, its weights moved away from their start."""
    seed_initializers(0)
    exit_map = ChannelAutoregressiveExit(
        (4, 3, channels), KEPT.shape[1:] if kept else None, dtype=dtype, **{"hidden": 3, **options}
    )
    move_weights(exit_map, moved, seed=0)
    return exit_map


def squeezes(shape, levels, prior):
    """A flow that does nothing but factor channels out."""
    flows = [Squeeze(level_shape) for level_shape in level_shapes(shape, levels, Channel())]
    return MultiScale(flows, Channel(), prior)


def steps_of(flow):
    """The sampling steps of all exits, one after the other."""
    exits = [part for part in flow.submodules if isinstance(part, ChannelAutoregressiveExit)]
    return sum(exit_map.sampling_steps for exit_map in exits)


# --- the density ---


@pytest.mark.parametrize("kept", [True, False])
def test_exit_starts_as_exactly_standard_normal(kept):
    exit_map = exit_of(kept=kept, moved=0.0)
    context = Context(kept=KEPT if kept else None)
    x = data(exit_map, BATCH)
    for method in (exit_map.inverse_and_event_log_det, exit_map.forward_and_event_log_det):
        out, log_det = method(x, context=context)
        assert np.array_equal(out, x)
        assert not np.any(log_det)


def test_density_is_that_of_gaussians_given_the_networks_maps():
    exit_map = exit_of()
    x = data(exit_map, BATCH)
    z, log_det = exit_map.inverse_and_event_log_det(x, context=GIVEN)
    mean, raw = tf.unstack(exit_map.layers[0](x, KEPT), axis=-1)
    sigma = tf.exp(5 * tf.tanh(raw / 5))
    expected = tfp.distributions.Normal(mean, sigma).log_prob(x)
    standard = tfp.distributions.Normal(np.float64(0), np.float64(1)).log_prob(z)
    close(standard + log_det, expected, 1e-12, "log-density per dimension")


@pytest.mark.parametrize("channel", range(4))
def test_a_channel_moves_the_parameters_of_all_later_ones_and_of_no_other(channel):
    exit_map = exit_of()
    network = exit_map.layers[0]
    x = data(exit_map, BATCH).numpy()
    other = x.copy()
    other[..., channel] += np.random.default_rng(2).normal(size=x.shape[:-1])
    difference = np.abs(network(other, KEPT) - network(x, KEPT)).max(axis=(0, 1, 2))
    assert not np.any(difference[: channel + 1])
    assert np.all(difference[channel + 1 :] > 1e-9)
    # The exit goes by these parameters and by its own channel alone.
    log_dets = [exit_map.inverse_and_event_log_det(v, context=GIVEN)[1] for v in (x, other)]
    assert np.array_equal(log_dets[0][..., : channel + 1], log_dets[1][..., : channel + 1])


def test_what_stays_moves_every_channel():
    exit_map = exit_of()
    x = data(exit_map, BATCH)
    one, other = (
        exit_map.inverse_and_event_log_det(x, context=Context(kept=kept))[0]
        for kept in (KEPT, KEPT + 1)
    )
    assert np.abs(one - other).max(axis=(0, 1, 2)).min() > 1e-6


def test_log_sigma_is_bounded_whatever_comes():
    exit_map = exit_of(moved=10.0)
    for method in (exit_map.inverse_and_event_log_det, exit_map.forward_and_event_log_det):
        out, log_det = method(1e4 * data(exit_map, BATCH), context=Context(kept=1e4 * KEPT))
        assert np.isfinite(out).all()
        assert 4 < np.abs(log_det).max() <= 5


@pytest.mark.parametrize(
    ("conditions", "one", "other"),
    [(3, [0, 2], [0, 1]), ((2,), [[1, 0], [0, 1]], [[1, 0], [0, 0]])],
    ids=["classes", "vector"],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_condition_moves_every_channel_of_its_image(conditions, one, other, kept):
    exit_map = exit_of(kept=kept, conditions=conditions)
    x = data(exit_map, BATCH)
    contexts = [
        Context(np.array(condition, None if conditions == 3 else float), KEPT if kept else None)
        for condition in (one, other)
    ]
    first, second = (exit_map.inverse_and_event_log_det(x, context=c)[0] for c in contexts)
    assert np.array_equal(first[0], second[0])
    assert np.abs(first - second)[1].max(axis=(0, 1)).min() > 1e-6
    back = exit_map.forward_and_event_log_det(first, context=contexts[0])[0]
    close(back, x, 1e-10, "round trip")


# --- sampling against density ---


@pytest.mark.parametrize("dilation", [1, 2])
def test_channels_made_in_turn_have_the_parameters_that_they_have_together(dilation):
    exit_map = exit_of(channels=5, dilation=dilation)
    z = latents(exit_map, BATCH)
    x, log_sigma = exit_map.forward_and_event_log_det(z, context=GIVEN)
    z_again, log_det = exit_map.inverse_and_event_log_det(tf.identity(x), context=GIVEN)
    close(log_det, -log_sigma, 1e-11, "log sigma")
    close(z_again, z, 1e-11, "noise")
    mean = x - z * tf.exp(log_sigma)
    close(exit_map.layers[0](x, KEPT)[..., 0], mean, 1e-11, "mean")


def test_a_sample_has_the_log_prob_that_sampling_gave():
    flow = multi_scale("float32", Checkerboard(), ChannelAutoregressive(), levels=2)
    move_weights(flow, 0.1, seed=0)
    wrapped = FlowDistribution(flow)
    x, expected = wrapped.experimental_sample_and_log_prob(8, seed=1)
    close(wrapped.log_prob(tf.identity(x)), expected, 1e-5, "log_prob")


# --- how much it costs ---


@pytest.mark.parametrize(("levels", "channels"), [(1, 1), (2, 1), (2, 3), (3, 1), (3, 3)])
def test_a_channel_split_samples_in_so_many_steps(levels, channels):
    shape = (2**levels, 2**levels, channels)
    flow = squeezes(shape, levels, ChannelAutoregressive(hidden=1, kernel=1))
    assert steps_of(flow) == (3 * 2**levels - 2) * channels


def test_so_many_steps_are_really_taken(monkeypatch):
    flow = squeezes((4, 4, 1), 2, ChannelAutoregressive(hidden=1, kernel=1))
    taken = []
    call = ConvLSTM.call
    monkeypatch.setattr(ConvLSTM, "call", lambda *args: taken.append(1) or call(*args))
    for method, value in (
        (flow.forward_and_event_log_det, latents(flow, 1)),
        (flow.inverse_and_event_log_det, data(flow, 1)),
    ):
        taken.clear()
        method(value)
        assert len(taken) == steps_of(flow) == 10


def given(exit_map, direction, context):
    """A pass under a context, as a function of one tensor."""
    return lambda value: getattr(exit_map, f"{direction}_and_event_log_det")(value, context=context)


def loss_gradient(one_pass, variables, value):
    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_sum(tf.square(t)) for t in one_pass(value))
    return tape.gradient(loss, variables)


def test_graphs_do_not_grow_with_the_number_of_channels():
    sizes = []
    for channels in (2, 4):
        exit_map = exit_of(channels=channels)
        x, variables = data(exit_map, BATCH), exit_map.trainable_variables
        for direction in ("inverse", "forward"):
            one_pass = given(exit_map, direction, GIVEN)
            gradient = tf.function(
                functools.partial(loss_gradient, one_pass, variables), autograph=False
            )
            graph = gradient.get_concrete_function(x)
            definition = graph.graph.as_graph_def()
            loops = [node for f in definition.library.function for node in f.node_def]
            # Two of the maps, one that embeds them, the embedding, three cells, the head.
            assert convolutions(one_pass, x) == 8
            sizes.append(len(definition.node) + len(loops))
            if direction == "inverse":
                # XLA compiles these badly inside a loop.
                assert not [node for node in loops if node.op.startswith("Conv2DBackprop")]
    assert sizes[:2] == sizes[2:]


@pytest.mark.parametrize(
    ("direction", "differentiated"),
    [("inverse", True), ("forward", False), pytest.param("forward", True, marks=pytest.mark.slow)],
)
def test_compiled_values_and_gradients_are_the_eager_ones(direction, differentiated):
    """In a graph both, in either direction; under XLA that of sampling without its gradient."""
    exit_map = exit_of(dilation=2, conditions=2)
    variables = exit_map.trainable_variables
    weights = np.random.default_rng(3).normal(size=(2, BATCH, 4, 3, 4))

    def values(x):
        method = getattr(exit_map, f"{direction}_and_event_log_det")
        return method(x, context=Context(tf.constant([0, 1]), KEPT))

    def everything(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            out, log_det = values(x)
            loss = tf.reduce_sum(weights[0] * out + weights[1] * log_det)
        return out, log_det, *tape.gradient(loss, [x, *variables])

    x = data(exit_map, BATCH)
    eager, graph = everything(x), tf.function(everything, autograph=False)(x)
    function = everything if differentiated else values
    compiled = tf.function(function, jit_compile=True, autograph=False)(x)
    names = ["value", "log-det", "input", *(variable.name for variable in variables)]
    for name, expected, traced in zip(names, eager, graph, strict=True):
        assert expected is not None and np.any(expected), f"{direction}: no gradient for {name}"
        close(traced, expected, 1e-10, f"{direction}, in a graph: {name}")
    for name, expected, got in zip(names, eager, compiled, strict=differentiated):
        close(got, expected, 1e-10, f"{direction}, compiled: {name}")


def test_a_condition_of_unknown_size_may_meet_one_image():
    exit_map = exit_of(conditions=3)
    x = data(exit_map, 1)
    for method in (exit_map.inverse_and_event_log_det, exit_map.forward_and_event_log_det):
        one_pass = functools.partial(method, x)
        graph = tf.function(
            lambda condition, one_pass=one_pass: one_pass(context=Context(condition, KEPT[:1])),
            input_signature=[tf.TensorSpec([None], tf.int32)],
        )
        expected = method(x, context=Context(np.array([2]), KEPT[:1]))[0]
        close(graph([2])[0], expected, 1e-10, "value")


# --- the prior ---


def test_prior_goes_level_by_level():
    prior = ChannelAutoregressive(hidden=(3, 2, 2), kernel=(5, 5, 3), dilation=(2, 1, 1))
    exits = squeezes((8, 8, 1), 3, prior).exits
    assert [type(exit_map) for exit_map in exits] == [ChannelAutoregressiveExit] * 3
    configs = [exit_map.get_config() for exit_map in exits]
    sizes = [(c["hidden"], c["kernel"], c["dilation"]) for c in configs]
    assert sizes == [(3, 5, 2), (2, 5, 1), (2, 3, 1)]
    assert [c["event_shape"] for c in configs] == [(4, 4, 2), (2, 2, 4), (1, 1, 16)]
    assert [c["kept_shape"] for c in configs] == [(4, 4, 2), (2, 2, 4), None]


def test_exit_has_the_shape_the_conditions_and_the_type_that_it_is_made_for():
    exit_map = ChannelAutoregressive().bijector(1, (3, 2, 4), None, 5, "float64")
    assert exit_map.event_shape == exit_map.latent_shape == (3, 2, 4)
    assert exit_map.sampling_steps == 4
    assert exit_map.conditions == 5
    assert exit_map.dtype == "float64"


def test_forget_bias_starts_the_forget_gates():
    prior = ChannelAutoregressive(hidden=2, forget_bias=1.0)
    exit_map = prior.bijector(0, (2, 2, 2), (2, 2, 2), None, "float32")
    for cell in exit_map.layers[0].lstm.cells:
        assert cell.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("kept", [True, False])
def test_exit_comes_back_from_its_configuration(kept):
    exit_map = exit_of(kept=kept, kernel=5, dilation=2, forget_bias=1.0, conditions=(2,))
    copy = revived(exit_map)
    assert copy.get_config() == exit_map.get_config()
    assert [v.shape for v in copy.variables] == [v.shape for v in exit_map.variables]
    network = exit_map.layers[0]
    assert isinstance(network, ChannelNetwork)
    assert revived(network).get_config() == network.get_config()


@pytest.mark.parametrize(
    "prior",
    [
        ChannelAutoregressive(),
        ChannelAutoregressive(hidden=[3, 2], kernel=(5, 3), dilation=2, forget_bias=1),
    ],
    ids=repr,
)
def test_prior_comes_back_from_its_configuration(prior):
    copy = revived(prior)
    assert isinstance(copy, ChannelAutoregressive)
    assert copy.get_config() == prior.get_config()
    assert repr(copy) == repr(prior)


def revived(thing):
    text = json.dumps(keras.saving.serialize_keras_object(thing))
    return keras.saving.deserialize_keras_object(json.loads(text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "hidden must be a whole number >= 1; got 0"),
        ({"kernel": 2.5}, "kernel must be a whole number >= 1; got 2.5"),
        ({"kernel": (3, 4)}, r"kernel\[1\] must be odd, .* got 4"),
        ({"dilation": (2, 0)}, r"dilation\[1\] must be a whole number >= 1; got 0"),
        ({"kernel": ()}, r"kernel must be a number or one for every level; got \(\)"),
    ],
)
def test_sizes_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ChannelAutoregressive(**options)


def test_a_level_without_a_size_is_named():
    prior = ChannelAutoregressive(kernel=(5, 3))
    with pytest.raises(ValueError, match=r"kernel .* got \(5, 3\), none for level 2"):
        prior.bijector(2, (2, 2, 4), None, None, "float32")


@pytest.mark.parametrize(
    ("context", "missing"),
    [
        (None, "kept"),
        (Context(np.array([0, 1])), "kept"),
        (Context(kept=KEPT), "condition"),
    ],
    ids=["nothing", "a condition alone", "what stays alone"],
)
def test_an_exit_without_what_it_depends_on_says_so(context, missing):
    exit_map = exit_of(conditions=2)
    with pytest.raises(ValueError, match=f"context must have {missing}, .*; got None"):
        exit_map.inverse_and_event_log_det(data(exit_map, BATCH), context=context)


def test_nothing_is_lost_between_image_and_latents():
    flow = multi_scale("float64", Checkerboard(), ChannelAutoregressive(hidden=2), levels=2)
    move_weights(flow, 0.3, seed=0)
    x = data(flow, BATCH)
    z, log_det = flow.inverse_and_event_log_det(x)
    back, log_det_back = flow.forward_and_event_log_det(tf.identity(z))
    close(back, x, 1e-10, "round trip")
    close(total(log_det_back), -total(log_det), 1e-10, "log-det")
