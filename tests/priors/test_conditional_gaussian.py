"""Glow's exit prior."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.registry import multi_scale
from tfp_lcma.bijectors import Context, Identity
from tfp_lcma.factorizations import Channel, Checkerboard
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.priors import ConditionalGaussian
from tfp_lcma.priors.conditional_gaussian import GaussianExit
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, distribution, move_weights

KEPT = np.random.default_rng(1).normal(size=(3, 4, 4, 2))
GIVEN = Context(kept=KEPT)


def exit_and_data():
    exit_map = ConditionalGaussian().bijector(0, (4, 4, 3), (4, 4, 2), None, "float64")
    return exit_map, data(exit_map, 3)


def test_exit_starts_as_standard_normal():
    exit_map, x = exit_and_data()
    z, log_det = exit_map.inverse_and_event_log_det(x, context=GIVEN)
    assert np.array_equal(z, x)
    assert not np.any(log_det)


def test_density_is_that_of_a_gaussian_given_what_stays():
    exit_map, x = exit_and_data()
    move_weights(exit_map, 0.3, seed=0)
    z, log_det = exit_map.inverse_and_event_log_det(x, context=GIVEN)
    mean, log_sigma = exit_map.layers[0](KEPT)
    expected = tfp.distributions.Normal(mean, np.exp(log_sigma)).log_prob(x)
    standard = tfp.distributions.Normal(np.float64(0), np.float64(1)).log_prob(z)
    close(standard + log_det, expected, 1e-12, "log-density per dimension")
    back, log_det_back = exit_map.forward_and_event_log_det(z, context=GIVEN)
    close(back, x, 1e-12, "round trip")
    close(log_det_back, -log_det, 1e-12, "log-det back")


def test_what_stays_moves_what_is_factored_out():
    exit_map, x = exit_and_data()
    move_weights(exit_map, 0.3, seed=0)
    one = exit_map.inverse_and_event_log_det(x, context=GIVEN)[0]
    other = exit_map.inverse_and_event_log_det(x, context=Context(kept=KEPT + 1))[0]
    assert np.abs(one - other).min() > 0


def test_log_sigma_is_bounded_whatever_stays():
    exit_map, x = exit_and_data()
    move_weights(exit_map, 10.0, seed=0)
    log_det = exit_map.inverse_and_event_log_det(x, context=Context(kept=1e6 * KEPT))[1]
    assert np.abs(log_det).max() <= 5


def test_last_level_learns_one_gaussian_a_channel():
    exit_map = ConditionalGaussian().bijector(1, (2, 2, 4), None, None, "float32")
    assert [v.shape for v in exit_map.trainable_variables] == [(8,)]
    assert exit_map.dtype == "float32"


@pytest.mark.parametrize("kept_shape", [(4, 4, 2), None])
def test_exit_comes_back_from_its_configuration(kept_shape):
    exit_map = GaussianExit((4, 4, 3), kept_shape, start="least_squares", dtype="float64")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(exit_map))
    assert copy.get_config() == exit_map.get_config()


def test_prior_stands_at_every_exit_of_a_flow():
    flow = multi_scale("float64", Checkerboard(), ConditionalGaussian())
    assert [type(exit_map) for exit_map in flow.exits] == [GaussianExit] * 3
    assert repr(flow.exit_prior) == "ConditionalGaussian(start='zeros')"


@pytest.mark.parametrize("kept_shape", [(4, 4, 2), None])
def test_a_class_moves_what_is_factored_out(kept_shape):
    exit_map = ConditionalGaussian().bijector(0, (4, 4, 3), kept_shape, 5, "float64")
    move_weights(exit_map, 0.3, seed=0)
    x = data(exit_map, 3)
    kept = None if kept_shape is None else KEPT
    one, other = (
        exit_map.inverse_and_event_log_det(x, context=Context(np.array(classes), kept))[0]
        for classes in ([0, 1, 4], [0, 1, 2])
    )
    assert np.array_equal(one[:2], other[:2])
    assert np.abs(one - other)[2].min() > 0


# --- the start by least squares ---


def predicted_pixels(count=1500, seed=0):
    """Kept and leaving channels `[count, 4, 4, ...]`, these linear in the neighbourhood of those.

    The noise has the deviations 0.5, 0.1 and 2; what stays has deviation 1.
    """
    random = np.random.default_rng(seed)
    kept = random.normal(size=(count, 4, 4, 2))
    kernel = 0.3 * random.normal(size=(3, 3, 2, 3))
    padded = np.pad(kept, ((0, 0), (1, 1), (1, 1), (0, 0)))
    mean = sum(padded[:, y : y + 4, x : x + 4] @ kernel[y, x] for y in range(3) for x in range(3))
    noise = random.normal(size=(count, 4, 4, 3)) * np.array([0.5, 0.1, 2.0])
    return kept, mean + 1 + noise, kernel


def least_squares_exit(kept_shape=(4, 4, 2), conditions=None):
    prior = ConditionalGaussian(start="least_squares")
    return prior.bijector(0, (4, 4, 3), kept_shape, conditions, "float64")


def test_exit_starts_at_the_least_squares_predictor():
    kept, leaving, kernel = predicted_pixels()
    exit_map = least_squares_exit()
    assert not exit_map.is_initialized
    z, log_det = exit_map.inverse_and_event_log_det(
        leaving, context=Context(kept=kept, starting=True)
    )
    assert exit_map.is_initialized
    found = exit_map.layers[0].conv.kernel.numpy()
    np.testing.assert_allclose(found[..., :3], kernel, atol=0.1)
    assert not found[..., 3:].any()
    np.testing.assert_allclose(np.mean(z, axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(np.std(z, axis=(0, 1, 2)), 1, atol=1e-3)
    expected = -np.log([0.5, 0.1, 2.0])
    np.testing.assert_allclose(log_det[0, 0, 0], expected, atol=0.02)


def test_density_at_the_start_is_the_entropy_of_the_process():
    kept, leaving, _ = predicted_pixels()
    x = np.concatenate([kept, leaving], axis=-1)

    def bits(prior):
        split = Channel(retained=2)
        # In a flow on patches of one pixel a level's view has the image's sides.
        shapes = level_shapes((4, 4, 5), 2, split, patch=1)
        flow = MultiScale([Identity(shape) for shape in shapes], split, prior, patch=1)
        flow.inverse(x, context=Context(starting=True))
        return -distribution(flow).log_prob(x).numpy().mean() / np.log(2)

    deviations = np.array([1.0, 1.0, 0.5, 0.1, 2.0])
    entropy = 16 * np.sum(np.log2(deviations * np.sqrt(2 * np.pi * np.e)))
    np.testing.assert_allclose(bits(ConditionalGaussian("least_squares")), entropy, rtol=0.005)
    assert bits(ConditionalGaussian()) > 1.3 * entropy


def test_last_exit_starts_at_mean_and_deviation_within_the_bound():
    exit_map = least_squares_exit(kept_shape=None)
    x = np.random.default_rng(0).normal(size=(64, 4, 4, 3)) * [3.0, 1e-9, 1e9] + [5.0, 0.0, 0.0]
    exit_map.inverse(x, context=Context(starting=True))
    mean, log_sigma = exit_map.layers[0](None)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(log_sigma, [np.log(x[..., 0].std()), -4.95, 4.95], rtol=1e-6)


def test_a_class_adds_nothing_at_the_start_and_learns():
    exit_map = least_squares_exit(conditions=4)
    kept, leaving, _ = predicted_pixels(8)
    classes = np.arange(8) % 4
    context = Context(classes, kept)
    exit_map.inverse(leaving, context=context.replace(starting=True))
    of_class, of_others = (
        exit_map.inverse(leaving, context=context.replace(condition=c))
        for c in (classes, 3 - classes)
    )
    assert np.array_equal(of_class, of_others)
    with tf.GradientTape() as tape:
        z, log_det = exit_map.inverse_and_event_log_det(leaving, context=context)
        loss = tf.reduce_sum(z**2) / 2 - tf.reduce_sum(log_det)
    for variable, gradient in zip(
        exit_map.trainable_variables, tape.gradient(loss, exit_map.trainable_variables), strict=True
    ):
        assert np.any(gradient), variable.name


def test_pass_without_a_start_changes_nothing():
    exit_map = least_squares_exit()
    kept, leaving, _ = predicted_pixels(8)
    assert np.array_equal(exit_map.inverse(leaving, context=Context(kept=kept)), leaving)
    assert not exit_map.is_initialized


def test_a_start_that_there_is_not_is_refused():
    message = "start must be one of zeros, least_squares; got 'lstsq'"
    with pytest.raises(ValueError, match=message):
        ConditionalGaussian("lstsq")
    with pytest.raises(ValueError, match=message):
        GaussianExit((4, 4, 3), None, start="lstsq")
