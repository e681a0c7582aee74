"""Exit priors."""

import keras
import numpy as np
import pytest

from tests.registry import ShiftedExits
from tfp_lcma.bijectors import Context
from tfp_lcma.priors import ExitPrior, StandardNormal


def test_standard_normal_exit_changes_nothing():
    exit_map = StandardNormal().bijector(0, (2, 2, 4), (2, 2, 4), None, "float64")
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 4))
    z, log_det = exit_map.inverse_and_event_log_det(x, context=Context(kept=x))
    assert np.array_equal(z, x)
    assert not np.any(log_det)
    assert exit_map.event_shape == (2, 2, 4)
    assert not exit_map.trainable_variables


@pytest.mark.parametrize("prior", [StandardNormal(), ShiftedExits()], ids=repr)
def test_prior_comes_back_from_its_configuration(prior):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert type(copy) is type(prior)
    assert copy.get_config() == prior.get_config()


def test_prior_prints_as_it_is_written():
    class Tempered(ExitPrior):
        def get_config(self):
            return {"temperature": 0.7, "kind": "soft"}

    assert repr(StandardNormal()) == "StandardNormal()"
    assert repr(Tempered()) == "Tempered(temperature=0.7, kind='soft')"


def test_prior_that_lacks_a_method_says_which():
    class Empty(ExitPrior):
        pass

    with pytest.raises(NotImplementedError, match="Empty lacks bijector"):
        Empty().bijector(0, (2, 2, 4), None, None, "float32")
    with pytest.raises(NotImplementedError, match="Empty does not define get_config"):
        keras.saving.serialize_keras_object(Empty())
