"""Glow's exit prior."""

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

from tests.registry import multi_scale
from tfp_lcma.bijectors import Context
from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.priors import ConditionalGaussian
from tfp_lcma.priors.conditional_gaussian import GaussianExit
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data, move_weights

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
    exit_map = GaussianExit((4, 4, 3), kept_shape, dtype="float64")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(exit_map))
    assert copy.get_config() == exit_map.get_config()


def test_prior_stands_at_every_exit_of_a_flow():
    flow = multi_scale("float64", Checkerboard(), ConditionalGaussian())
    assert [type(exit_map) for exit_map in flow.exits] == [GaussianExit] * 3
    assert repr(flow.exit_prior) == "ConditionalGaussian()"


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
