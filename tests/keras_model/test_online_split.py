"""A split that is chosen while training: exact at every step, decided once, then still."""

import warnings
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import multi_scale
from tests.seeds import seed_initializers
from tests.toys import pictures, tiny_flow, tiny_model
from tfp_lcma.factorizations import Checkerboard, LikelihoodContribution, RandomInBlock
from tfp_lcma.factorizations import OnlineLikelihoodContribution as Online
from tfp_lcma.keras_model.online_split import forget_moments, variable_orders, with_online_split
from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.testing import compare, exactness, moves, tfp_methods, variables
from tfp_lcma.testing.inputs import data, move_weights

SHAPE = (8, 8, 1)
LEVELS = 3
IMAGES = pictures(96, SHAPE)


class Recorder(keras.callbacks.Callback):
    """Keeps what there is to see after every step."""

    def on_train_begin(self, logs=None):
        self.decided, self.orders, self.moments = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        orders = variable_orders(self.model.flow)
        self.decided.append([order.decided for order in orders])
        self.orders.append([order.order for order in orders])


def online_model(decide_at=(3, 5), run_eagerly=True):
    """A model that draws and decides; a graph of its step is looked at once, and once by XLA."""
    seed_initializers(0)
    factorization = Online(decide_at)
    return tiny_model(
        shape=SHAPE, levels=LEVELS, factorization=factorization, run_eagerly=run_eagerly
    )


def fit(model, steps=7, callbacks=(), images=IMAGES):
    """Trains on the same few batches of 32 over and over, in a fixed order."""
    start = int(model.optimizer.iterations)
    order = [(start + i) * 32 % 96 for i in range(steps)]
    dataset = tf.data.Dataset.from_tensor_slices(np.stack([images[i : i + 32] for i in order]))
    model.fit(dataset, epochs=1, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def measuring():
    """A model that has started and decided nothing yet."""
    model = online_model(decide_at=(50,))
    model.initialize(IMAGES[:32])
    return model


@pytest.fixture(scope="module")
def trained():
    model, recorder = online_model(run_eagerly=False), Recorder()
    traces = []
    call = model.call
    model.call = lambda *args, **kwargs: (traces.append(1), call(*args, **kwargs))[1]
    fit(model, callbacks=[recorder])
    model.call = call
    return model, recorder, len(traces)


def test_levels_are_decided_from_the_top_down_at_the_steps_asked_for(trained):
    decided = trained[1].decided
    assert decided == [[False, False]] * 3 + [[True, False]] * 2 + [[True, True]] * 2


def test_every_step_before_a_decision_draws_and_none_after_it_does(trained):
    orders = trained[1].orders
    for level, settled in ((0, 3), (1, 5)):
        drawn = [step[level] for step in orders]
        for one, other in pairwise(drawn[:settled]):
            assert np.any(one != other)
        for later in drawn[settled:]:
            assert np.array_equal(later, drawn[settled])


def test_drawing_and_deciding_trace_the_training_step_once(trained):
    assert trained[2] == 1


def test_training_that_ends_before_the_decision_is_warned_of_when_it_begins():
    class Begun(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.stop_training = True

    model = online_model(decide_at=(2, 3))
    with pytest.warns(UserWarning, match=r"decide_at=\[2, 3\] lies beyond .* step 3:"):
        fit(model, 3, [Begun()])
    # The length is known at the end alone, and a step of number 3 is the fourth.
    endless = tf.data.Dataset.from_tensors(IMAGES[:32]).repeat()
    with pytest.warns(UserWarning, match=r"decide_at=\[2, 3\] lies beyond .* step 2:"):
        model.fit(endless, shuffle=False, verbose=0, callbacks=[Begun()])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="decide_at")
        fit(model, 2)
    assert all(order.decided for order in variable_orders(model.flow))


def test_last_of_few_decisions_settles_all_that_is_left():
    recorder = Recorder()
    fit(online_model(decide_at=(2,)), 3, [recorder])
    assert recorder.decided == [[False, False], [False, False], [True, True]]


def test_draws_keep_two_of_every_block_and_follow_from_seed_and_step():
    factorization = Online(seed=3)
    order = factorization.drawn_order(0, (4, 4, 8), step=7)
    assert np.array_equal(order, Online(seed=3).drawn_order(0, (4, 4, 8), step=7))
    for other in (
        Online(seed=4).drawn_order(0, (4, 4, 8), 7),
        factorization.drawn_order(0, (4, 4, 8), 8),
    ):
        assert np.any(order != other)
    kept = order[..., :4] // 4
    assert np.array_equal(np.sort(kept, axis=-1), np.broadcast_to([0, 0, 1, 1], kept.shape))
    pairs = {tuple(sorted(pair)) for pair in (order[..., :4:2] % 4).reshape(-1, 2)}
    assert len(pairs) == 6


@pytest.mark.parametrize("stage", ["before", "while measuring", "half decided", "decided"])
def test_density_is_exact_before_during_and_after_every_revision(stage):
    flow = multi_scale("float64", Online())
    move_weights(flow, 0.2, seed=1)
    orders = variable_orders(flow)
    if stage != "before":
        for level, order in enumerate(orders):
            order.assign(Online().drawn_order(level, order.event_shape, step=5))
    if stage in ("half decided", "decided"):
        orders[0].assign(np.array([2, 1, 0, 3]), decided=True)
    if stage == "decided":
        orders[1].assign(np.array([7, 4, 0, 2, 1, 3, 5, 6]), decided=True)
    exactness.check_log_det(flow)
    exactness.check_round_trips(flow)
    if stage == "half decided":
        moves.check_moves(flow)
        moves.check_carry(flow)
        tfp_methods.check_eager_equals_graph(flow)
        variables.check_gradients(flow)


def test_traced_log_prob_follows_the_index():
    flow = multi_scale("float64", Online())
    move_weights(flow, 0.2, seed=1)
    distribution = lcma.FlowDistribution(flow)
    log_prob = tf.function(distribution.log_prob)
    x = data(flow, 3)
    before = log_prob(x)
    for level, order in enumerate(variable_orders(flow)):
        order.assign(RandomInBlock(1).order(level, order.event_shape))
    static = multi_scale("float64", RandomInBlock(1))
    for mine, theirs in zip(static.trainable_variables, flow.trainable_variables, strict=True):
        mine.assign(theirs)
    compare.close(log_prob(x), lcma.FlowDistribution(static).log_prob(x), 1e-12, "log_prob")
    assert np.all(np.asarray(log_prob(x)) != np.asarray(before))
    z = flow.inverse(x)
    compare.close(z, static.inverse(x), 1e-12, "latents, in the places they came from")
    compare.close(tf.function(flow.forward)(z), x, 1e-10, "round trip")
    assert np.array_equal(flow.exit_map, static.exit_map)
    for mine, theirs in zip(flow.level_index, static.level_index, strict=True):
        assert np.array_equal(mine, theirs)
    for mine, theirs in zip(flow.split(z), static.split(z), strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(flow.join(flow.split(z)), z)


def test_choice_is_the_one_the_rule_makes_of_the_statistics():
    model = measuring()
    statistics = lcma.LogDetCollector().collect(model, IMAGES)
    shape = variable_orders(model.flow)[0].event_shape
    expected = LikelihoodContribution(statistics, granularity="level").order(0, shape)
    chosen = Online(granularity="level").chosen_order(0, statistics)
    assert np.array_equal(chosen, expected)


def test_deeper_levels_are_chosen_among_what_arrived():
    model = fit(online_model(decide_at=(1, 100)), 3)
    statistics = lcma.LogDetCollector().collect(model, IMAGES)
    for rule in ("likelihood_contribution", "likelihood_gain", "exit_price"):
        order = Online(rule=rule).chosen_order(1, statistics)
        assert order.shape == (2, 2, 8)
        assert np.array_equal(np.sort(order), np.broadcast_to(np.arange(8), order.shape))


def test_decision_restarts_actnorms_and_moments_below_it_and_none_above():
    model = fit(online_model(decide_at=(3,)), 3)
    upper = {id(layer) for layer in model.flow.flows[0].layers}
    before = [w.numpy() for w in model.weights]
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            # Runs before the decision; the next one after it.
            seen.append([w.numpy() for w in model.weights])

    class LookAfter(Look):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append([w.numpy() for w in model.weights])
            moments = model.optimizer._momentums
            self.norms = {
                id(variable): float(np.abs(moment.numpy()).sum())
                for variable, moment in zip(model.trainable_variables, moments, strict=True)
            }

    after = LookAfter()
    fit(model, 1, [lcma.OnlineSplit(IMAGES), after])
    for layer in model.flow.layers:
        for variable in layer.trainable_variables:
            assert (after.norms[id(variable)] > 0) == (id(layer) in upper), variable.path
    changed = {
        id(weight)
        for weight, one, other in zip(model.weights, before, seen[0], strict=True)
        if np.any(one != other)
    }
    for layer in model.flow.layers:
        if isinstance(layer, ActNormLayer):
            assert (id(layer.shift) in changed) == (id(layer) not in upper)


def test_run_carried_on_from_a_checkpoint_ends_as_an_undisturbed_one(tmp_path):
    def checkpoint(model):
        model.optimizer.build(model.trainable_variables)
        return tf.train.Checkpoint(
            variables=[v.value for v in (*model.weights, *model.optimizer.variables)]
        )

    def begun():
        return online_model(decide_at=(1, 3))

    straight = fit(begun(), 4, [lcma.OnlineSplit(IMAGES)])
    # One level decided, the other still drawn.
    first = fit(begun(), 2, [lcma.OnlineSplit(IMAGES)])
    assert [order.decided for order in variable_orders(first.flow)] == [True, False]
    path = checkpoint(first).write(tmp_path / "checkpoint")
    second = begun()
    checkpoint(second).read(path).assert_consumed()
    fit(second, 2, [lcma.OnlineSplit(IMAGES)])
    for mine, theirs in zip(second.weights, straight.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_decided_model_saves_and_exports_alike(tmp_path):
    images = pictures(96)
    model = tiny_model(factorization=Online((1,)), run_eagerly=True)
    fit(model, 2, images=images)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(copy.flow.exit_map, model.flow.exit_map)
    assert all(order.decided for order in variable_orders(copy.flow))
    np.testing.assert_allclose(copy.log_prob(images[:8]), model.log_prob(images[:8]), rtol=1e-6)
    loaded = tf.saved_model.load(str(lcma.export_saved_model(model, tmp_path / "served")))
    served = loaded.signatures["log_prob"](images=tf.constant(images[:8]))["log_prob"]
    np.testing.assert_allclose(served, model.log_prob(images[:8]), rtol=1e-5)


def test_model_that_is_still_measuring_is_not_exported(tmp_path):
    model = measuring()
    with pytest.raises(ValueError, match=r"settled its split.*decide_at=\[50\]"):
        lcma.export_saved_model(model, tmp_path)


def test_step_compiled_by_xla_draws_and_decides():
    model, images = tiny_model(factorization=Online((2,))), pictures(96)
    model.compile(optimizer=keras.optimizers.SGD(1e-4), jit_compile=True)
    recorder = Recorder()
    fit(model, 4, [recorder], images)
    assert [decided for (decided,) in recorder.decided] == [False, False, True, True]
    assert np.isfinite(model.log_prob(images[:4])).all()


def test_callback_is_added_once_and_only_where_there_is_something_to_decide():
    flow = tiny_flow((4, 4, 1), 2, Online())
    mine = lcma.OnlineSplit()
    assert with_online_split([mine], flow) == [mine]
    assert [type(c) for c in with_online_split(None, flow)] == [lcma.OnlineSplit]
    stop = keras.callbacks.TerminateOnNaN()
    assert [type(c) for c in with_online_split(stop, flow)] == [type(stop), lcma.OnlineSplit]
    with pytest.raises(ValueError, match=r"hold an OnlineSplit.*\['TerminateOnNaN'\]"):
        with_online_split(keras.callbacks.CallbackList([stop]), flow)
    whole = keras.callbacks.CallbackList([mine])
    assert with_online_split(whole, flow) is whole
    static = tiny_flow((4, 4, 1), 2, Checkerboard())
    assert with_online_split(None, static) is None
    assert variable_orders(static) == []


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(use_ema=True),
        keras.optimizers.Adamax(),
        keras.optimizers.SGD(momentum=0.9),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_moments_of_the_chosen_variables_alone_are_forgotten(optimizer):
    variables = [keras.Variable(np.ones(3, "float32")), keras.Variable(np.ones(3, "float32"))]
    optimizer.build(variables)
    optimizer.apply([tf.ones(3), tf.ones(3)])
    before = [variable.numpy() for variable in variables]
    forget_moments(optimizer, variables[:1])
    for variable, value in zip(variables, before, strict=True):
        assert np.array_equal(variable, value)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    moments = [
        getattr(inner, name)
        for name in ("_momentums", "_velocities", "_m", "_u", "momentums")
        if hasattr(inner, name)
    ]
    assert moments
    for first, second in moments:
        assert not np.any(first.numpy())
        assert np.all(second.numpy() != 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decide_at": ()}, r"decide_at must hold rising steps >= 1; got \(\)"),
        ({"decide_at": (5, 5)}, r"decide_at must .* got \(5, 5\)"),
        ({"decide_at": (0,)}, r"decide_at must .* got \(0,\)"),
        ({"rule": "luck"}, r"rule must be .*exit_price.*; got 'luck'"),
        ({"granularity": "pixel"}, r"granularity must be .*; got 'pixel'"),
        ({"rule": "exit_price", "pooling": "pair"}, r"options must be arguments of ExitPrice"),
    ],
)
def test_arguments_outside_their_choices_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Online(**arguments)


def test_order_that_is_no_permutation_within_positions_is_refused():
    order = variable_orders(tiny_flow((4, 4, 1), 2, Online()))[0]
    for wrong in ([0, 1, 2, 2], [0, 1, 2], np.zeros((2, 2, 4), int)):
        with pytest.raises(ValueError, match="order must hold 0 to 3 once at every position"):
            order.assign(np.array(wrong))


def test_networks_cannot_see_positions_that_are_not_settled():
    with pytest.raises(ValueError, match=r"OnlineLikelihoodContribution.* has not settled"):
        lcma.models.real_nvp((8, 8, 1), width=4, factorization=Online(), position_aware=True)
