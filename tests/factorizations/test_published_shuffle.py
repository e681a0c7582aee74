"""The published shuffle is that of its authors' formulas, and a bijection while it learns."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import multi_scale
from tests.seeds import seed_initializers
from tests.toys import pictures
from tfp_lcma.bijectors import ActNorm, Context, Identity, Squeeze
from tfp_lcma.factorizations import EntropyInformed
from tfp_lcma.factorizations.published_shuffle import PublishedShuffle
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights

SHAPE, CHANNELS, DIMENSIONS, WEIGHT = (2, 3, 32), 32, 768, 0.02
TRAINING = Context(training=True, dimensions=DIMENSIONS)


def shuffle(**options):
    """A shuffle whose channels have weights of one order of magnitude."""
    seed_initializers(0)
    flow = PublishedShuffle(SHAPE, weight=WEIGHT, **options)
    random = np.random.default_rng(7)
    for variable, scale in zip(kernels(flow), (0.05, 0.5, 1.0, 2.0), strict=True):
        variable.assign(scale * random.normal(size=variable.shape))
    return flow


def kernels(flow):
    (layer,) = flow.layers
    return [layer.inner, layer.outer, layer.squeeze, layer.excite]


def images(count=5, shape=SHAPE, seed=3):
    return np.random.default_rng(seed).normal(size=(count, *shape))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def of_formulas(x, first, second, third, fourth, factor):
    """Weights, order, regulariser and its gradients for the four matrices and x, in NumPy."""
    channels = len(third)
    hidden = np.maximum(channels * first[0], 0)
    w = softmax(hidden @ second)
    order = np.argsort(-w, kind="stable")
    z = x[..., order]
    pooled = z.mean(axis=(1, 2))
    reduced = np.maximum(pooled @ third, 0)
    s = softmax(reduced @ fourth)
    loss = factor * np.mean(np.sum(w * np.log(w) - w * s, axis=1))
    # Backwards, towards w and from there to W2 and W1 ...
    of_w = factor * (np.log(w) + 1 - s.mean(axis=0))
    of_logits = w * (of_w - w @ of_w)
    of_second = np.outer(hidden, of_logits)
    of_first = channels * ((second @ of_logits) * (hidden > 0))[None]
    # ... and towards s and from there to V2, V1 and the channels.
    of_s = -factor * w / len(x)
    of_scores = s * (of_s - (s @ of_s)[:, None])
    of_fourth = reduced.T @ of_scores
    of_reduced = (of_scores @ fourth.T) * (reduced > 0)
    of_third = pooled.T @ of_reduced
    of_x = np.zeros_like(x)
    of_x[..., order] = (of_reduced @ third.T)[:, None, None] / (x.shape[1] * x.shape[2])
    return w, order, z, loss, [of_first, of_second, of_third, of_fourth, of_x]


def expected(flow, x, weight=WEIGHT, dimensions=DIMENSIONS):
    matrices = [kernel.numpy().astype(float) for kernel in kernels(flow)]
    return of_formulas(x, *matrices, weight * dimensions * np.log(2))


def loss_and_gradients(flow, x):
    """z, the loss of training, and its gradients for the variables and x; z adds none."""
    variables = [kernel.value for kernel in kernels(flow)]
    (layer,) = flow.layers
    layer._clear_losses()
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, log_det = flow.inverse_and_event_log_det(x, context=TRAINING)
        (loss,) = layer.losses
    return z, log_det, loss, tape.gradient(loss, [*variables, x])


def test_weights_order_regulariser_and_gradients_are_those_of_the_formulas():
    flow, x = shuffle(), images()
    w, order, ordered, loss, gradients = expected(flow, x)
    assert not np.array_equal(order, np.arange(CHANNELS))
    close(-flow.scores(x)[0], np.log(w), 1e-5, "log-weights")
    index = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    np.testing.assert_array_equal(flow.route(index), index[..., order])
    z, log_det, got, found = loss_and_gradients(flow, tf.constant(x))
    np.testing.assert_array_equal(z, ordered)
    assert not np.any(log_det)
    np.testing.assert_allclose(got, loss, rtol=1e-5)
    names = ("W1", "W2", "V1", "V2", "x")
    for name, one, other in zip(names, found, gradients, strict=True):
        assert np.any(other) and one is not None, name
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max(), err_msg=name)


def test_xla_computes_the_same_regulariser_and_gradients():
    flow, x = shuffle(), tf.constant(images())
    compiled = tf.function(lambda x: loss_and_gradients(flow, x), jit_compile=True, autograph=False)
    for one, other in zip(
        tf.nest.flatten(compiled(x)), tf.nest.flatten(loss_and_gradients(flow, x)), strict=True
    ):
        close(one, other, 1e-5, "compiled")


def test_the_heaviest_stay_and_under_reverse_they_are_factored_out():
    x = images()
    order = expected(shuffle(), x)[1]
    for reverse, slots in ((False, order), (True, order[::-1])):
        flow = shuffle(staying=8, reverse=reverse)
        z = flow.inverse(x)
        np.testing.assert_array_equal(z, x[..., slots])
        np.testing.assert_array_equal(flow.forward(tf.identity(z)), x)


def test_every_level_adds_its_own_in_bits_per_dimension_of_the_image():
    split = EntropyInformed(weight=0.5, retained=6)
    flow = multi_scale("float64", split, shape=(4, 4, 2), levels=3)
    move_weights(flow, 0.3, seed=1)
    x = data(flow, 4)
    flow.inverse_and_event_log_det(x, context=Context(training=True))
    records = flow.inverse_by_level(x)[2]
    for part, record in zip(flow.splits, records, strict=False):
        view = Squeeze(record.activation.shape[1:]).inverse(record.activation).numpy()
        (loss,) = part.layers[0].losses
        np.testing.assert_allclose(loss, expected(part, view, 0.5, 32)[3], rtol=1e-5)


def check_inversion(kept, run=lambda function: function):
    """A flow's gradients by inversion, the regulariser's part of them too, are those it has."""
    move_weights(kept, 0.1, seed=1)
    x = data(kept, 4)

    def gradients(flow):
        (router,) = flow.splits[0].layers
        router._clear_losses()
        with tf.GradientTape() as tape:
            distribution = lcma.FlowDistribution(flow)
            log_prob = distribution.log_prob(x, context=Context(training=True))
            (added,) = router.losses
            loss = tf.cast(added, x.dtype) - tf.reduce_mean(log_prob)
        return tape.gradient(loss, flow.trainable_variables)

    flows = kept, kept.copy(memory="invert")
    pairs = zip(*(run(functools.partial(gradients, flow))() for flow in flows), strict=True)
    for expected_one, one in pairs:
        assert expected_one is not None
        close(one, expected_one, 1e-6, "gradient by inversion")


def levels(level, factorization, shape=(4, 4, 2)):
    return MultiScale([level(s) for s in level_shapes(shape, 2, factorization)], factorization)


def test_gradients_by_inversion_have_the_regularisers_part():
    seed_initializers(0)
    check_inversion(levels(functools.partial(ActNorm, dtype="float64"), EntropyInformed(weight=10)))


@pytest.mark.scale
@pytest.mark.parametrize("unroll", [True, False])
def test_so_they_have_with_dense_networks_in_a_graph(unroll):
    seed_initializers(0)
    flow = lcma.models.eiw_flow(
        (4, 4, 1), levels=2, steps=2, network=lcma.networks.DenseNet(2, depth=1),
        factorization=EntropyInformed(weight=10), unroll=unroll, dtype="float64",
    )  # fmt: skip
    check_inversion(flow, lambda function: tf.function(function, autograph=False))


def test_an_order_that_changes_in_training_is_undone_at_any_moment_and_by_the_saved_model(tmp_path):
    model = lcma.FlowModel(levels(Identity, EntropyInformed(weight=1.0), (4, 4, 1)))
    model.compile(optimizer=keras.optimizers.Adam(0.02), run_eagerly=True)
    split = model.flow.splits[0]
    inner, outer, *_ = kernels(split)
    # Nearly alike, so that they change places soon.
    inner.assign(0.1 * tf.ones_like(inner))
    outer.assign([[0.01, 0.0, 0.0, 0.005], [0.0, -0.01, 0.005, 0.0]])
    x, orders = data(model.flow, 4), [split.route(np.arange(4)).tolist()]
    for _ in range(3):
        model.train_on_batch(pictures(32))
        orders.append(split.route(np.arange(4)).tolist())
        np.testing.assert_array_equal(model.flow.forward(model.flow.inverse(x)), x)
    assert len({tuple(order) for order in orders[1:]}) > 1, orders
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").flow
    assert again.factorization == model.flow.factorization
    assert again.splits[0].route(np.arange(4)).tolist() == orders[-1]
    np.testing.assert_array_equal(again.exit_map, model.flow.exit_map)
    np.testing.assert_array_equal(again.forward(model.flow.inverse(x)), x)


def test_likelihood_gives_the_weights_no_gradient_and_inference_adds_no_loss():
    flow, x = shuffle(), tf.constant(images())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(flow.inverse(x) ** 3)
    variables = [kernel.value for kernel in kernels(flow)]
    assert tape.gradient(loss, variables) == [None] * 4
    assert flow.layers[0].losses == []


def test_channels_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="number of channels divisible by 2; got"):
        PublishedShuffle((2, 2, 3))


def test_a_weight_that_is_left_out_is_the_published_one_or_our_own():
    assert EntropyInformed().get_config()["weight"] == 1e-3
    assert EntropyInformed("coupling").get_config()["weight"] == 0.05
