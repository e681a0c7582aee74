"""Shuffles that depend on the image are bijections; the obvious one is not, and fails here."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.seeds import seed_initializers
from tfp_lcma.bijectors import Context
from tfp_lcma.factorizations.entropy_shuffles import (
    CouplingShuffle,
    EntropyShuffle,
    FrozenShuffle,
    InvariantShuffle,
)
from tfp_lcma.networks.channel_router import channel_entropy, invariant_maps
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import move_weights
from tfp_lcma.testing.variables import of_routers

TRAINING = Context(training=True)
PERMUTATIONS = np.array(list(itertools.permutations(range(4))))


class NaiveSort(EntropyShuffle):
    """Sorts channels by what is in them: the counter-example."""

    def __init__(self, event_shape):
        super().__init__(event_shape)

    def _order(self, x, training):
        return self.partition(tf.reduce_mean(x, axis=(1, 2)))

    def _order_back(self, z):
        """All that is left to go by: they come out sorted."""
        return self.partition(tf.reduce_mean(z, axis=(1, 2)))


def shuffle(kind, shape, seed=0):
    """A shuffle whose routers have been moved far from their start."""
    seed_initializers(seed)
    flow = kind(shape)
    move_weights(flow, 2.0, seed)
    for router in flow.layers if kind is not FrozenShuffle else ():
        # On average all channels score alike: what is in an image shall decide.
        maps = tf.cast(inputs(100, (*shape[:2], router.channels)), tf.float32)
        maps = invariant_maps(maps) if kind is InvariantShuffle else maps
        router.offset.assign_sub(tf.reduce_mean(router((maps, maps)), axis=0))
    if kind is FrozenShuffle:
        x = np.random.default_rng(seed).gamma(0.5 + np.arange(shape[-1]), size=(64, *shape))
        flow.inverse_and_event_log_det(x, context=TRAINING)
    return flow


SOUND = [InvariantShuffle, FrozenShuffle, CouplingShuffle]


def orders(flow, x):
    """Which channel each slot receives, `[batch, slots]`."""
    channels = np.broadcast_to(np.arange(x.shape[-1]), x.shape).astype(x.dtype)
    return flow.move_inverse(channels, x)[:, 0, 0].numpy().astype(int)


def inputs(count, shape, seed=3):
    return np.random.default_rng(seed).normal(size=(count, *shape)) ** 3


# --- exactness ---


def preimages(flow, x):
    """How many of the orders of an image's channels come out as the image does, `[n]`."""
    z = flow.inverse_and_event_log_det(x)[0].numpy()
    counts = np.zeros(len(x), int)
    for order in PERMUTATIONS:
        out = flow.inverse_and_event_log_det(z[..., order])[0].numpy()
        counts += (out == z).all(axis=(1, 2, 3))
    return counts


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", SOUND)
def test_every_output_has_exactly_one_preimage_among_all_orders(kind, seed):
    flow = shuffle(kind, (2, 3, 4), seed)
    x = inputs(500, (2, 3, 4))
    assert (preimages(flow, x) == 1).all()
    assert kind is FrozenShuffle or len(np.unique(orders(flow, x), axis=0)) > 1


def test_sorting_by_content_has_many_preimages():
    # As many as there are sets of two channels out of four: only the set is known.
    assert (preimages(NaiveSort((2, 3, 4)), inputs(50, (2, 3, 4))) == 6).all()


@pytest.mark.parametrize("kind", SOUND)
def test_what_comes_out_goes_back_without_a_memory(kind):
    flow, x = shuffle(kind, (2, 3, 4)), inputs(200, (2, 3, 4))
    z = np.array(flow.inverse_and_event_log_det(x)[0])
    np.testing.assert_array_equal(flow.forward_and_event_log_det(z)[0], x)


def test_sorting_by_content_does_not_go_back():
    flow, x = NaiveSort((2, 3, 4)), inputs(200, (2, 3, 4))
    z = np.array(flow.inverse_and_event_log_det(x)[0])
    assert np.any(flow.forward_and_event_log_det(z)[0] != x)


def mass(flow):
    """The integral of the density of two channels under a map that treats the slots apart."""
    grid = np.linspace(-9, 9, 601)
    x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 1, 1, 2)
    z = flow.inverse_and_event_log_det(x)[0].numpy()[:, 0, 0]
    mean, scale = np.array([1.0, -1.0]), np.array([0.7, 1.2])
    log_density = -0.5 * ((z - mean) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))
    return np.exp(log_density.sum(axis=1)).sum() * (grid[1] - grid[0]) ** 2


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [InvariantShuffle, FrozenShuffle])
def test_a_density_with_a_slotwise_map_integrates_to_one(kind, seed):
    assert mass(shuffle(kind, (1, 1, 2), seed)) == pytest.approx(1, abs=1e-3)


def test_under_sorting_by_content_it_does_not():
    # Up to 2!: both orders of the channels get the density of the likelier one.
    assert abs(mass(NaiveSort((1, 1, 2))) - 1) > 0.5


@pytest.mark.parametrize("kind", [*SOUND, NaiveSort])
def test_an_image_is_shuffled_alike_in_any_batch(kind):
    flow = shuffle(kind, (2, 3, 4)) if kind is not NaiveSort else kind((2, 3, 4))
    x = inputs(8, (2, 3, 4))
    together = flow.inverse_and_event_log_det(x)[0]
    alone = [flow.inverse_and_event_log_det(x[i : i + 1])[0][0] for i in range(8)]
    np.testing.assert_array_equal(together, alone)


def test_invariants_are_the_same_to_the_bit_in_any_order():
    x = (100 * inputs(20, (4, 4, 12))).astype(np.float32)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(invariant_maps(x), invariant_maps(x[..., order]))


# --- what is factored out ---


def test_the_highest_scores_are_factored_out_in_their_order_or_the_lowest():
    scores = tf.constant([[0.3, 0.1, 0.2, 0.4], [0.0, 0.0, 0.0, 0.0]])
    for reverse, expected in ((False, [1, 2, 0, 3]), (True, [0, 3, 1, 2])):
        order = InvariantShuffle((1, 1, 4), reverse=reverse).partition(scores).numpy()
        assert order[0].tolist() == expected
        assert order[1].tolist() == [0, 1, 2, 3], "equal: as they came"


def test_of_either_half_of_a_coupling_shuffle_half_is_factored_out():
    flow = shuffle(CouplingShuffle, (2, 2, 8))
    for order in orders(flow, inputs(50, (2, 2, 8))):
        assert sorted(order[:4] < 4) == [False, False, True, True]
        assert sorted(order) == list(range(8))


def of_known_entropy(count, seed):
    """Eight channels, the first the most Gaussian, each next one further from it."""
    random = np.random.default_rng(seed)
    shape = 2.0 ** -np.arange(8) * 64
    x = random.gamma(shape, size=(count, 4, 4, 8))
    return ((x - shape) / np.sqrt(shape)).astype(np.float32)


def test_entropy_scores_rank_channels_by_how_gaussian_they_are():
    found = channel_entropy(tf.constant(of_known_entropy(2000, 0)), "negentropy").numpy()
    assert np.argsort(-found).tolist() == list(range(8))
    assert found[0] > -0.02
    wider = of_known_entropy(500, 0) * np.arange(1, 9, dtype=np.float32)
    by_variance = channel_entropy(tf.constant(wider), "log_variance").numpy()
    close(by_variance, 2 * np.log(np.arange(1, 9)), 0.1, "log-variance")


@pytest.mark.parametrize("kind", [InvariantShuffle, CouplingShuffle])
def test_the_loss_trains_routers_to_rank_channels_by_entropy(kind):
    seed_initializers(0)
    flow = kind((4, 4, 8), weight=1.0)
    for router in flow.layers:
        # The wrong way round.
        router.offset.assign(np.linspace(-1, 1, router.channels))
    variables = [v for layer in flow.layers for v in layer.trainable_variables]
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def train(x):
        with tf.GradientTape() as tape:
            flow.inverse_and_event_log_det(x, context=TRAINING)
            loss = tf.add_n([sum(layer.losses) for layer in flow.layers])
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        for layer in flow.layers:
            layer._clear_losses()

    for step in range(150):
        train(tf.constant(of_known_entropy(64, step)))
    x = of_known_entropy(200, 999)
    if kind is InvariantShuffle:
        scores = flow.scores(x).numpy().mean(axis=0)
        assert np.corrcoef(np.argsort(np.argsort(-scores)), np.arange(8))[0, 1] > 0.9
    # The most Gaussian channels (of either half) are factored out.
    left = np.sort(orders(flow, x)[:, 4:], axis=1)
    expected = [0, 1, 2, 3] if kind is InvariantShuffle else [0, 1, 4, 5]
    assert np.mean((left == expected).all(axis=1)) > 0.95


def test_a_frozen_order_is_that_of_the_averages_and_comes_to_rest():
    flow = FrozenShuffle((4, 4, 8), steps=3)
    for step in range(3):
        assert not flow.settled
        flow.inverse_and_event_log_det(of_known_entropy(64, step), context=TRAINING)
    assert flow.settled
    expected = [4, 5, 6, 7, 0, 1, 2, 3]
    assert orders(flow, of_known_entropy(2, 9))[1].tolist() == expected
    flow.inverse_and_event_log_det(of_known_entropy(64, 9)[..., ::-1].copy(), context=TRAINING)
    assert orders(flow, of_known_entropy(2, 9))[1].tolist() == expected
    index = np.arange(128).reshape(4, 4, 8)
    np.testing.assert_array_equal(flow.route(index), index[..., expected])


def test_likelihood_gives_routers_and_nothing_else_no_gradient():
    flow = InvariantShuffle((2, 2, 4))
    assert {v.name for v in flow.trainable_variables} == {v.name for v in of_routers(flow)}
    x = tf.constant(inputs(3, (2, 2, 4)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = flow.inverse(x)
        loss = tf.reduce_sum(z**2)
    *of_router, of_x = tape.gradient(loss, [*flow.trainable_variables, x])
    assert of_router == [None] * len(of_router)
    close(of_x, 2 * x, 1e-12, "through the shuffle")


@pytest.mark.parametrize("kind", SOUND)
def test_xla_shuffles_alike(kind):
    flow, x = shuffle(kind, (2, 3, 4)), tf.constant(inputs(16, (2, 3, 4)))
    compiled = tf.function(flow.inverse_and_event_log_det, jit_compile=True)
    np.testing.assert_array_equal(compiled(x)[0], flow.inverse_and_event_log_det(x)[0])


@pytest.mark.parametrize(("kind", "divisor"), [(InvariantShuffle, 2), (CouplingShuffle, 4)])
def test_a_number_of_channels_that_cannot_be_halved_is_refused(kind, divisor):
    with pytest.raises(ValueError, match=f"number of channels divisible by {divisor}; got"):
        kind((2, 2, divisor + 1))
    with pytest.raises(ValueError, match="entropy must be one of negentropy, log_variance"):
        kind((2, 2, 4), entropy="high")
