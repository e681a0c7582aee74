"""Variational dequantisation: an exact log q, a bound that draws tighten, safe at the edges."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.eager import eagerly
from tests.seeds import seed_initializers
from tests.toys import SHAPE, fitted, model_of_classes, pictures, tiny_flow
from tfp_lcma import FlowModel, models
from tfp_lcma.bijectors import Context, EventLogDet, LogitPreprocessing, SummedLogDet
from tfp_lcma.density import Uniform, Variational, noise_flow
from tfp_lcma.density.dequantization import plus_noise
from tfp_lcma.noise import normal_of, seed_pair
from tfp_lcma.priors.conditional_gaussian import GaussianExit
from tfp_lcma.testing.inputs import move_weights

# --- a toy of two pixels, whose discrete probability is an integral over the unit square ---

PIXELS, BINS = (1, 2, 1), 5
IMAGES = np.array([[0, 0], [1, 3], [2, 2], [3, 1], [4, 0], [4, 4]], np.uint8).reshape(-1, *PIXELS)
DRAWS, REPEATS = 1024, 16


class WithoutLogQ(Variational):
    """The noise is taken for uniform."""

    def add_noise(self, images, uniform, log_det, context):
        return super().add_noise(images, uniform, log_det, context)[0], log_det


class OfTheWrongSign(Variational):
    """log q is added."""

    def add_noise(self, images, uniform, log_det, context):
        x, added = super().add_noise(images, uniform, log_det, context)
        values = getattr(log_det, "values", None)
        return x, added if values is None else type(log_det)(2 * values - added.values)


class WithoutTheSigmoid(Variational):
    """The density of the noise before the sigmoid."""

    def add_noise(self, images, uniform, log_det, context):
        x, added = super().add_noise(images, uniform, log_det, context)
        u = x - tf.floor(x)
        slope = tf.math.log(1.702 * u * (1 - u))
        return x, added.plus(-slope)


@functools.cache
def toy():
    """A flow whose density turns within a bin, and noise that has nothing to do with it."""
    seed_initializers(0)
    flow = tiny_flow(PIXELS, levels=1, dtype="float64")
    move_weights(flow, 0.15, seed=2)
    q = noise_flow(PIXELS, steps=2, width=4, blocks=1, dtype="float64")
    move_weights(q, 0.07, seed=2)
    for flag in (*flow.start_flags, *q.start_flags):
        flag.assign(tf.ones(flag.shape))
    return flow, q


def toy_model(kind=Variational):
    flow, q = toy()
    dequantization = kind() if kind is Uniform else kind(q)
    return FlowModel(flow, bins=BINS, dequantization=dequantization)


@functools.cache
def exact():
    """log P of every image: the integral of the density over its bin, by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    u = np.stack(np.meshgrid((nodes + 1) / 2, (nodes + 1) / 2), -1).reshape(-1, *PIXELS)
    area = np.outer(weights / 2, weights / 2).ravel()
    x = (IMAGES[:, None] + u).reshape(-1, *PIXELS)
    density = np.exp(toy_model(Uniform).distribution.log_prob(x).numpy())
    return np.log(density.reshape(len(IMAGES), -1) @ area)


@functools.cache
def weights(kind):
    """log p(x + u) - log q(u | x) of many draws for every image, `[images, draws]`."""
    rows = tf.constant(np.repeat(IMAGES, REPEATS * DRAWS, axis=0))
    seeds = tf.stack([tf.range(len(rows)), tf.zeros(len(rows), tf.int32)], axis=1)
    log_weights = toy_model(kind).density.log_prob(rows, seeds)
    return log_weights.numpy().reshape(len(IMAGES), -1)


def of_draws(log_weights, draws):
    """The mean bound of a number of draws, over all that there are of them, `[images]`."""
    groups = log_weights.reshape(len(IMAGES), -1, draws)
    return (np.logaddexp.reduce(groups, axis=-1) - np.log(draws)).mean(axis=1)


def check_bound(log_weights, bound=of_draws):
    """More draws come nearer to the exact log-probability, from below."""
    bounds = {draws: bound(log_weights, draws).mean() for draws in (1, 4, 16, DRAWS)}
    target = exact().mean()
    assert bounds[1] < bounds[4] < bounds[16] < bounds[DRAWS] < target + 1e-3
    assert bounds[1] < target - 0.01
    assert np.abs(bound(log_weights, DRAWS) - exact()).max() < 0.01


def outside(log_weights, draws):
    """The mean over draws, outside of the logarithm."""
    return log_weights.reshape(len(IMAGES), -1, draws).mean(axis=(1, 2))


@pytest.mark.parametrize("kind", [Uniform, Variational])
def test_bound_rises_with_draws_to_the_exact_discrete_probability(kind):
    check_bound(weights(kind))


def test_draws_of_the_model_are_that_bound():
    model, images = toy_model(), tf.constant(IMAGES)
    each = [model.density.log_prob(images, seed_pair(3), draw).numpy() for draw in range(5)]
    expected = np.log(np.mean(np.exp(each), axis=0))
    with eagerly():
        found = model.log_prob(IMAGES, draws=5, seed=3)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_what_is_trained_is_the_bound_of_one_draw():
    rows = tf.constant(np.repeat(IMAGES, DRAWS, axis=0))
    trained = toy_model()(rows, training=True).numpy().reshape(len(IMAGES), -1)
    asked = weights(Variational)
    error = np.sqrt(asked.var(axis=1) / DRAWS)
    assert np.all(np.abs(trained.mean(axis=1) - asked.mean(axis=1)) < 5 * error)
    assert np.all(error < 0.05)


@pytest.mark.parametrize("mutant", [WithoutLogQ, OfTheWrongSign, WithoutTheSigmoid])
def test_a_log_q_that_lacks_a_part_is_found(mutant):
    with pytest.raises(AssertionError):
        check_bound(weights(mutant))


def test_draws_averaged_outside_the_logarithm_are_found():
    with pytest.raises(AssertionError):
        check_bound(weights(Variational), outside)


# --- log q ---


def variational(shape=SHAPE, dtype="float64", scale=0.1, **options):
    """A dequantisation by a small flow whose numbers have moved, for images of 256 intensities."""
    seed_initializers(0)
    q = noise_flow(shape, **({"steps": 2, "width": 4, "blocks": 1, "dtype": dtype} | options))
    move_weights(q, scale, seed=1)
    return Variational(q).for_model(q, 256)


def numbers(shape, dtype, count=3):
    return tf.constant(np.random.default_rng(0).random((count, *shape)), dtype)


FURTHER = [(1, 2, 1), (3, 2, 3), (3, 3, 2), (1, 1, 3), (1, 1, 1)]
SHAPES = [(4, 4, 1), *(pytest.param(shape, marks=pytest.mark.slow) for shape in FURTHER)]


@pytest.mark.parametrize("shape", SHAPES)
def test_log_q_is_the_density_of_the_noise(shape):
    made, size = variational(shape), int(np.prod(shape))
    images, uniform = tf.constant(pictures(3, shape)), numbers(shape, tf.float64)
    e = normal_of(uniform)
    with tf.GradientTape() as tape:
        tape.watch(e)
        again = 0.5 * (1 + tf.math.erf(e / np.sqrt(2)))  # uniform, of e
        x, event = made.add_noise(images, again, EventLogDet(tf.zeros_like(e)), Context())
    jacobian = tf.reshape(tape.batch_jacobian(x, e), (3, size, size))
    log_det = tf.linalg.slogdet(jacobian)[1]
    log_normal = -0.5 * np.sum(np.square(e) + np.log(2 * np.pi), axis=(1, 2, 3))
    expected = -(log_normal - log_det.numpy())
    np.testing.assert_allclose(event.values.numpy().sum(axis=(1, 2, 3)), expected, rtol=1e-8)
    zero = SummedLogDet(tf.zeros((3,), tf.float64))
    total = made.add_noise(images, uniform, zero, Context())[1].values
    np.testing.assert_allclose(total, expected, rtol=1e-8)


def test_noise_starts_nearly_uniform_and_depends_on_the_image_once_it_has_learned():
    fresh = noise_flow(SHAPE, dtype="float64")
    made = Variational(fresh).for_model(fresh, 256)
    images, uniform = tf.constant(pictures(512)), numbers(SHAPE, tf.float64, 512)
    zero = SummedLogDet(tf.zeros((512,), tf.float64))
    x, added = made.add_noise(images, uniform, zero, Context())
    u = x.numpy() - images.numpy()
    assert abs(u.mean() - 0.5) < 0.02 and abs(u.std() - np.sqrt(1 / 12)) < 0.02
    assert abs(added.values.numpy().mean()) / 16 < 0.02
    moved = variational()
    noises = [
        moved.add_noise(tf.constant(whole), uniform[:1], zero, Context())[0] - whole
        for whole in pictures(2)[:, None]
    ]
    assert np.abs(noises[0] - noises[1]).max() > 1e-3


# --- the edges ---


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "jit_compile", [None, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "xla"]
)
def test_noise_far_out_stays_below_one_and_has_finite_gradients(dtype, jit_compile):
    made = variational(dtype=dtype, steps=1)
    (raw,) = (p.layers[0].raw for p in made.flow.parts if isinstance(p, GaussianExit))
    whole = tf.constant([0, 1, 127, 255], tf.uint8)
    images = whole[:, None, None, None] * tf.ones((4, *SHAPE), tf.uint8)
    variables = made.flow.trainable_variables

    def passed(uniform):
        with tf.GradientTape() as tape:
            zero = SummedLogDet(tf.zeros((4,), uniform.dtype))
            x, added = made.add_noise(images, uniform, zero, Context())
            loss = tf.reduce_sum(x / 256) + tf.reduce_sum(added.values)
        return x, added.values, tape.gradient(loss, variables, unconnected_gradients="zero")

    function = tf.function(passed, jit_compile=True, autograph=False) if jit_compile else passed
    one, zero = np.ones((4, *SHAPE), dtype), np.zeros((4, *SHAPE), dtype)
    for shift in (-1e3, 1e3):
        # The least scale that the Gaussian has, far from its mean.
        raw.assign(np.repeat([shift, -1e3], 4))
        for edge in (zero, np.nextafter(one, zero)):
            x, added, gradients = function(tf.constant(edge))
            np.testing.assert_array_equal(tf.floor(x), tf.cast(images, x.dtype))
            assert np.isfinite(added).all()
            assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)


def test_whole_and_almost_one_is_below_the_next_whole_number():
    x = plus_noise(tf.constant([[255]], tf.uint8), tf.ones((1, 1)))
    assert x.numpy() == np.nextafter(np.float32(256), np.float32(0))


# --- in a model ---


def small(memory="keep", **options):
    """A model with noise of a small flow."""
    dtype = options.pop("dtype", "float32")
    q = noise_flow(SHAPE, steps=2, width=4, blocks=1, memory=memory, dtype=dtype)
    flow = tiny_flow(levels=1, dtype=dtype, memory=memory)
    return FlowModel(flow, dequantization=Variational(q), **options)


def test_fit_starts_and_trains_both_flows():
    model = small()
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    assert {id(v) for v in model.dequantization.flow.trainable_variables} <= {
        id(v.value) for v in model.trainable_variables
    }
    assert not model._is_initialized()
    before = [v.numpy() for v in model.dequantization.flow.trainable_variables]
    history = fitted(model, pictures(32), epochs=2)
    assert model.dequantization.flow.is_initialized
    moved = [
        np.abs(v.numpy() - old).max()
        for v, old in zip(model.dequantization.flow.trainable_variables, before, strict=True)
    ]
    assert np.mean(np.array(moved) > 0) > 0.9
    assert history["loss"][1] < history["loss"][0]


def gradients(model, images):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model(images, training=True))
    return loss, tape.gradient(loss, model.trainable_variables)


def test_gradients_reach_the_noise_through_the_density_and_by_inversion_too():
    images = tf.constant(pictures(8))
    found = {}
    for memory in ("keep", "invert"):
        seed_initializers(0)
        model = small(memory, dtype="float64")
        model.initialize(pictures(32))
        move_weights(model.flow, 0.05, seed=1)
        move_weights(model.dequantization.flow, 0.05, seed=2)
        found[memory] = gradients(model, images)
    for mine, theirs in zip(found["keep"][1], found["invert"][1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)
    # Along a direction in which all numbers of the noise's flow move, by differences.
    variables = model.dequantization.flow.trainable_variables
    at = {
        id(v.value): g for v, g in zip(model.trainable_variables, found["invert"][1], strict=True)
    }
    random = np.random.default_rng(5)
    direction = [random.normal(size=v.shape) for v in variables]
    losses = []
    for step in (1e-5, -2e-5):
        for variable, towards in zip(variables, direction, strict=True):
            variable.assign_add(step * towards)
        losses.append(float(-tf.reduce_mean(model(images, training=True))))
    slope = (losses[0] - losses[1]) / 2e-5
    expected = sum(
        float(np.sum(at[id(v)] * towards)) for v, towards in zip(variables, direction, strict=True)
    )
    assert slope == pytest.approx(expected, rel=1e-5)


def test_a_step_evaluates_each_flow_once():
    model = small()
    model.initialize(pictures(32))
    images = tf.TensorSpec((8, *SHAPE), tf.uint8)
    step = tf.function(lambda x: model(x, training=True)).get_concrete_function(images)
    kernels = [op.name for op in step.graph.get_operations() if op.type == "Conv2D"]
    # One of each of the flow's two couplings, three of the noise's, two of the features.
    assert len(kernels) == 2 * 1 + 2 * 3 + 2, kernels


def moved_model():
    """A model whose noise has moved, asked without a trace."""
    model = small()
    model.initialize(pictures(32))
    move_weights(model.dequantization.flow, 0.1, seed=1)
    return model


def test_an_image_gets_the_same_noise_in_any_batch_and_by_seeds_of_its_own():
    model, images = moved_model(), tf.constant(pictures(5, seed=1))
    plain = model.density.log_prob(images, seed_pair(4), 1)
    alone = model.density.log_prob(images[3:4], seed_pair(4), 1)
    np.testing.assert_allclose(alone, plain[3:4], rtol=1e-5)
    seeds = tf.repeat(seed_pair(4)[None], 5, axis=0)
    np.testing.assert_allclose(model.density.log_prob(images, seeds, 1), plain, rtol=1e-5)
    assert np.abs(model.density.log_prob(images, seed_pair(4), 2) - plain).min() > 1e-3


@pytest.mark.slow
def test_the_bound_is_the_same_compiled():
    model, images = moved_model(), tf.constant(pictures(5, seed=1))
    plain = model.density.log_prob(images, seed_pair(4), 1)
    compiled = tf.function(model.density.log_prob, jit_compile=True)
    np.testing.assert_allclose(compiled(images, seed_pair(4), tf.constant(1)), plain, rtol=1e-5)


def test_shares_of_dimensions_sum_to_the_bound_of_their_draw():
    model, images = moved_model(), tf.constant(pictures(3, seed=1))
    shares = model.density.event_log_prob(images, seed_pair(2)).numpy()
    total = model.density.log_prob(images, seed_pair(2))
    np.testing.assert_allclose(shares.sum(axis=(1, 2, 3)), total, rtol=1e-5)


@pytest.mark.slow
def test_a_saved_model_has_the_same_noise_and_goes_on_where_it_stopped(tmp_path):
    model = small()
    model.compile(keras.optimizers.SGD(1e-4), run_eagerly=True)
    fitted(model, pictures(64), epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    images = pictures(4, seed=2)
    np.testing.assert_allclose(again.log_prob(images), model.log_prob(images), rtol=1e-6)
    again.run_eagerly = True
    for one in (model, again):
        fitted(one, pictures(64), epochs=1)
    np.testing.assert_allclose(again.log_prob(images), model.log_prob(images), rtol=1e-5)


def test_noise_of_training_goes_by_row_and_step():
    model = small(dtype="float64")
    model.initialize(pictures(32))
    images = tf.constant(pictures(6))
    whole = model(images, training=True)
    halves = [model(images[a:b], training=True, first_row=a) for a, b in ((0, 4), (4, 6))]
    np.testing.assert_allclose(tf.concat(halves, 0), whole, rtol=1e-12)


@pytest.mark.slow
def test_a_model_of_classes_has_noise_that_classes_share():
    flow = model_of_classes().flow
    model = FlowModel(flow, dequantization=Variational())
    model.initialize(pictures(32), np.arange(32) % 2)
    images = pictures(3, seed=4)
    scores = np.stack([model.log_prob(images, k) for k in range(2)], axis=1)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.class_probabilities(images), expected, rtol=1e-4)


@pytest.mark.slow
def test_a_trained_flow_keeps_its_start_when_noise_is_learned_for_it():
    flow = tiny_flow(levels=1)
    FlowModel(flow).initialize(pictures(64))
    before = [v.numpy() for v in flow.variables]
    model = FlowModel(flow, dequantization=Variational())
    model.compile(keras.optimizers.SGD(1e-6), run_eagerly=True)
    model.train_on_batch(pictures(32))
    assert model._is_initialized()
    # But for a step of SGD.
    for variable, old in zip(flow.variables, before, strict=True):
        np.testing.assert_allclose(variable, old, atol=1e-3)


def test_none_makes_a_flow_of_the_models_shape_and_memory():
    model = FlowModel(tiny_flow((4, 6, 3), 1, memory="invert"), dequantization=Variational())
    q = model.dequantization.flow
    assert (q.event_shape, q.conditions, q.flow.memory) == ((4, 6, 3), (4, 6, 3), "invert")
    assert q.flow.conditions == (2, 3, 32)


@pytest.mark.slow
def test_none_makes_a_flow_of_the_models_type_and_policy():
    exact = FlowModel(tiny_flow(levels=1, dtype="float64"), dequantization=Variational())
    assert exact.dequantization.flow.dtype == tf.float64
    glow = models.glow(SHAPE, levels=1, steps=1, width=4, dtype="mixed_bfloat16")
    mixed = FlowModel(glow, dequantization=Variational()).dequantization.flow
    assert (mixed.dtype, mixed.network.compute_dtype) == (tf.float32, "bfloat16")


# --- what is refused ---


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (lambda: "glow", "flow must be a FlowBijector or None; got str"),
        (lambda: tiny_flow(), r"flow must keep the shape of the images, and have it.*=None"),
        (lambda: LogitPreprocessing(SHAPE), "flow must keep the shape of the images"),
    ],
)
def test_a_flow_that_is_not_of_noise_given_the_image_is_refused(flow, message):
    with pytest.raises(ValueError, match=message):
        Variational(flow())


def test_statistics_of_batches_are_refused():
    q = noise_flow(SHAPE, steps=1, width=4)
    q.gathers_statistics = True
    with pytest.raises(ValueError, match="flow must have no statistics of batches"):
        Variational(q)


def test_a_flow_of_another_shape_or_type_than_the_models_is_refused():
    with pytest.raises(ValueError, match=r"event shape and type.*got \(8, 8, 1\) and float32"):
        FlowModel(tiny_flow(), dequantization=Variational(noise_flow((8, 8, 1), steps=1, width=4)))
    q = noise_flow(SHAPE, steps=1, width=4, dtype="float64")
    with pytest.raises(ValueError, match="and float64"):
        FlowModel(tiny_flow(), dequantization=Variational(q))


def test_anything_else_than_a_dequantization_is_refused():
    with pytest.raises(ValueError, match=r"dequantization must be density\.Uniform"):
        FlowModel(tiny_flow(), dequantization="variational")


def test_noise_without_a_model_says_what_is_missing():
    with pytest.raises(ValueError, match="dequantization must be that of a model"):
        Variational().of_images(tf.constant(pictures(2)), seed_pair(0), 0, tf.float32)


def test_a_model_of_a_flow_given_an_image_is_refused():
    with pytest.raises(ValueError, match="conditions must be a number of classes"):
        FlowModel(noise_flow(SHAPE, steps=1, width=4))


@pytest.mark.parametrize("bad", [{"steps": 0}, {"width": 0}, {"blocks": -1}, {"memory": "some"}])
def test_arguments_of_the_noise_flow_are_checked(bad):
    with pytest.raises(ValueError, match=rf"{next(iter(bad))} must be"):
        noise_flow(SHAPE, **bad)
