"""FlowDistribution: densities and samples agree with each other and with a known answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.toys import SHAPE as IMAGE
from tests.toys import pictures, trained, trained_split
from tfp_lcma import FlowDistribution
from tfp_lcma.bijectors import (
    ActNorm,
    Coupling,
    FlowChain,
    LogitPreprocessing,
    Squeeze,
    checkerboard_mask,
)
from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.actnorm import LOG_SCALE_BOUND
from tfp_lcma.testing.inputs import move_weights

tfd, tfb = tfp.distributions, tfp.bijectors

SHAPE = (4, 4, 2)
MEAN, SCALE = np.array([1.5, -2.0], np.float32), np.array([0.5, 3.0], np.float32)


def known_flow():
    """Actnorm whose data are N(MEAN, SCALE^2) per channel."""
    flow = ActNorm(SHAPE)
    shift, raw_log_scale = flow.trainable_variables
    shift.assign(-MEAN)
    raw_log_scale.assign(LOG_SCALE_BOUND * np.arctanh(-np.log(SCALE) / LOG_SCALE_BOUND))
    return flow


def gaussian():
    return tfd.Normal(tf.constant(MEAN), tf.constant(SCALE))


@pytest.fixture(params=[trained, trained_split], ids=["whole", "split"])
def distribution(request):
    """Of the flow alone, over the whole real line."""
    return FlowDistribution(request.param().flow)


# --- a known answer ---


def test_log_prob_of_a_known_flow_is_the_gaussians():
    x = gaussian().sample((5, 4, 4), seed=1)
    distribution = FlowDistribution(known_flow())
    expected = gaussian().log_prob(x)
    np.testing.assert_allclose(distribution.event_log_prob(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        distribution.log_prob(x), tf.reduce_sum(expected, axis=(1, 2, 3)), rtol=1e-5
    )


def test_samples_of_a_known_flow_have_the_gaussians_moments():
    x = FlowDistribution(known_flow()).sample(500, seed=1).numpy()
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), MEAN, atol=0.15)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), SCALE, rtol=0.05)


def test_batch_of_as_many_images_as_channels_is_not_broadcast():
    x = gaussian().sample((2, 4, 4), seed=1)
    assert FlowDistribution(known_flow()).log_prob(x).shape == (2,)


def test_the_density_integrates_to_one():
    """Importance sampling by a wider Gaussian: the mean weight is the integral."""
    distribution = FlowDistribution(known_flow())
    wide = tfd.Normal(tf.constant(MEAN), tf.constant(SCALE * 1.2))
    x = wide.sample((4000, 4, 4), seed=3)
    proposal = tf.reduce_sum(wide.log_prob(x), axis=(1, 2, 3))
    weight = tf.exp(distribution.log_prob(x) - proposal)
    np.testing.assert_allclose(tf.reduce_mean(weight), 1.0, atol=0.1)


# --- consistency ---


@pytest.mark.parametrize("sample_shape", [[], [3], [2, 3]])
def test_samples_of_any_shape_have_densities_of_that_shape(sample_shape, distribution):
    x = distribution.sample(sample_shape, seed=1)
    assert x.shape == (*sample_shape, 4, 4, 1)
    assert distribution.log_prob(x).shape == tuple(sample_shape)


@pytest.mark.parametrize("sample_shape", [[], [2, 3]])
def test_sample_and_log_prob_is_the_log_prob_of_the_sample(sample_shape, distribution):
    x, log_prob = distribution.experimental_sample_and_log_prob(sample_shape, seed=(1, 2))
    np.testing.assert_allclose(distribution.log_prob(tf.identity(x)), log_prob, rtol=1e-4)
    np.testing.assert_array_equal(x, distribution.sample(sample_shape, seed=(1, 2)))


def test_event_log_prob_sums_to_log_prob(distribution):
    x = distribution.sample(5, seed=1)
    total = tf.reduce_sum(distribution.event_log_prob(x), axis=(1, 2, 3))
    np.testing.assert_allclose(total, distribution.log_prob(x), rtol=1e-5)


def test_encode_undoes_decode(distribution):
    z = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(distribution.encode(distribution.decode(z)), z, atol=1e-4)


def test_a_traced_function_gives_what_eager_execution_gives(distribution):
    x = distribution.sample(5, seed=(1, 2))
    for method in (distribution.log_prob, distribution.event_log_prob, distribution.encode):
        np.testing.assert_allclose(tf.function(method)(x), method(x), rtol=1e-5, atol=1e-5)
    traced = tf.function(lambda: distribution.sample(5, seed=(1, 2)))()
    np.testing.assert_allclose(traced, x, rtol=1e-4, atol=1e-5)


def test_log_prob_follows_the_weights():
    flow = known_flow()
    distribution, x = FlowDistribution(flow), tf.zeros((1, *SHAPE))
    before = distribution.log_prob(x)
    flow.trainable_variables[0].assign([0.0, 0.0])
    assert distribution.log_prob(x)[0] > before[0] + 1


def test_gradients_are_the_same_every_time():
    distribution, x = FlowDistribution(known_flow()), tf.ones((1, *SHAPE))
    gradients = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = distribution.log_prob(x)
        gradients.append(tape.gradient(loss, distribution.trainable_variables))
    for first, second in zip(*gradients, strict=True):
        assert np.all(first.numpy() != 0)
        np.testing.assert_array_equal(first, second)


def test_copies_and_shapes_are_those_of_a_tfp_distribution(distribution, caplog):
    copy = distribution.copy(name="copy")
    x = distribution.sample(2, seed=1)
    np.testing.assert_array_equal(copy.log_prob(x), distribution.log_prob(x))
    assert copy.event_shape == (4, 4, 1) and copy.batch_shape == ()
    assert distribution.dtype == tf.float32
    assert not caplog.records


def test_a_flow_that_changes_the_shape_is_sampled_in_the_data_shape():
    distribution = FlowDistribution(FlowChain([known_flow(), Squeeze(SHAPE)]))
    assert distribution.event_shape == SHAPE
    x = distribution.sample(3, seed=1)
    assert x.shape == (3, *SHAPE) and distribution.encode(x).shape == (3, 2, 2, 8)
    expected = tf.reduce_sum(gaussian().log_prob(x), axis=(1, 2, 3))
    np.testing.assert_allclose(distribution.log_prob(x), expected, rtol=1e-5)


# --- temperature ---


def test_temperature_scales_noise_in_samples():
    distribution = FlowDistribution(known_flow())
    x = distribution.sample(500, seed=(1, 2), temperature=0.5).numpy()
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), MEAN, atol=0.1)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), SCALE / 2, rtol=0.05)
    one = distribution.sample(500, seed=(1, 2), temperature=[0.5])
    np.testing.assert_allclose(one, x, rtol=1e-5)


@pytest.mark.parametrize("sample_shape", [[], [2, 3]])
def test_each_level_has_its_own_temperature(sample_shape):
    distribution = FlowDistribution(trained_split().flow)
    x = distribution.sample(sample_shape, seed=1, temperature=[1.0, 0.0])
    z = distribution.encode(tf.reshape(x, (-1, 4, 4, 1))).numpy()
    exit_map = trained_split().flow.exit_map
    np.testing.assert_allclose(z[:, exit_map == 1], 0, atol=1e-4)
    assert np.all(np.abs(z[:, exit_map == 0]) > 1e-4)


@pytest.mark.parametrize("temperature", [[1.0], [1.0, 1.0, 1.0], [[1.0, 1.0]]])
def test_temperatures_must_be_as_many_as_levels(temperature):
    distribution = FlowDistribution(trained_split().flow)
    with pytest.raises(ValueError, match="temperature must be one number or one for each of 2"):
        distribution.sample(2, temperature=temperature)
    with pytest.raises(ValueError, match="temperature must be one number or one for each of 2"):
        trained_split().sample(2, temperature=temperature)


def test_temperatures_that_make_no_sense_are_refused(distribution):
    for temperature in (-1.0, np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="temperature must be finite and at least 0; got"):
            distribution.sample(2, temperature=temperature)
    levels = 1 if distribution.bijector.exit_map is None else 2
    with pytest.raises(ValueError, match="temperature must be finite and at least 0; got"):
        distribution.sample(2, temperature=[-0.5] * levels)
    sampled = tf.function(lambda t: distribution.sample(2, seed=(1, 2), temperature=t))
    assert np.isfinite(sampled(tf.constant(0.0))).all()
    assert np.isnan(sampled(tf.constant(-1.0))).all()


@pytest.mark.parametrize("temperature", ["a", None, True, 1j, [1.0, "a"], [[1.0], [1.0, 2.0]]])
def test_temperatures_that_are_no_numbers_are_refused(temperature):
    for sample in (trained().sample, FlowDistribution(trained().flow).sample):
        with pytest.raises(ValueError, match="temperature must be a number, or several; got"):
            sample(2, temperature=temperature)


def test_temperatures_of_every_type_of_numbers_mean_the_same(distribution):
    expected = distribution.sample(2, seed=(1, 2), temperature=2.0)
    for two in (2, np.float64(2), np.array(2, np.float16), tf.constant(2.0, tf.float64)):
        np.testing.assert_array_equal(distribution.sample(2, (1, 2), temperature=two), expected)


# --- outside the support ---


def narrowed_within():
    """A flow that is defined everywhere, before one of which the first level alone is not."""
    level = FlowChain([LogitPreprocessing(IMAGE), ActNorm(IMAGE)])
    shapes = level_shapes(IMAGE, 2, Checkerboard())
    network = keras.layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros")
    coupling = Coupling(checkerboard_mask(IMAGE, 0), network)
    flow = FlowChain([coupling, MultiScale([level, ActNorm(shapes[1])], Checkerboard())])
    move_weights(flow, 1e-4, seed=1)
    return FlowDistribution(flow)


SUPPORTED = {
    "whole": lambda: trained().distribution,
    "split": lambda: trained_split().distribution,
    "narrowed within": narrowed_within,
}


@pytest.fixture(scope="module", params=SUPPORTED.values(), ids=SUPPORTED)
def of_images(request):
    """A distribution of intensities, its traced density, and three rows inside its support."""
    distribution = request.param()
    return distribution, tf.function(distribution.log_prob), pictures(3).astype(np.float32) + 0.5


@pytest.mark.parametrize("value", [300.0, -40.0, 1e30, np.inf, -np.inf])
def test_density_outside_the_support_is_zero_in_that_row_alone(of_images, value):
    distribution, traced, x = of_images
    expected = distribution.log_prob(x).numpy()
    outside = x.copy()
    outside[1, 2, 3, 0] = value
    for log_prob in (distribution.log_prob, traced):
        got = log_prob(tf.constant(outside)).numpy()
        assert got[1] == -np.inf
        np.testing.assert_allclose(got[[0, 2]], expected[[0, 2]], rtol=1e-5)
    assert distribution.prob(outside)[1] == 0
    shares = distribution.event_log_prob(outside).numpy().sum(axis=(1, 2, 3))
    assert shares[1] == -np.inf and np.isfinite(shares[[0, 2]]).all()


def test_density_of_nan_is_nan_in_that_row_alone(of_images):
    _, traced, x = of_images
    unknown = x.copy()
    unknown[1, 2, 3, 0] = np.nan
    unknown[1, 0, 0, 0] = 300.0
    got = traced(tf.constant(unknown)).numpy()
    assert np.isnan(got[1]) and np.isfinite(got[[0, 2]]).all()


def test_mixture_and_gradient_stay_finite_beside_a_row_outside_the_support(of_images):
    distribution, _, x = of_images
    wide = tfd.Sample(tfd.Normal(0.0, 500.0), x.shape[1:])
    mixture = tfd.Mixture(tfd.Categorical(probs=[0.5, 0.5]), [distribution, wide])
    outside = tf.constant(np.concatenate([x, x + 300]))
    with tf.GradientTape() as tape:
        tape.watch(outside)
        log_prob = mixture.log_prob(outside)
    assert np.isfinite(log_prob).all()
    np.testing.assert_allclose(log_prob[3:], wide.log_prob(outside)[3:] + np.log(0.5), rtol=1e-5)
    assert np.isfinite(tape.gradient(log_prob, outside)).all()


# --- bad input ---


def test_a_bijector_without_log_dets_per_dimension_is_refused():
    with pytest.raises(ValueError, match=r"bijector must be a FlowBijector.*got Scale"):
        FlowDistribution(tfb.Scale(2.0))


def test_interpolation_needs_two_ends(distribution):
    x = tf.zeros((1, 4, 4, 1))
    with pytest.raises(ValueError, match="steps must be a whole number >= 2; got 1"):
        distribution.interpolate(x, x, steps=1)
