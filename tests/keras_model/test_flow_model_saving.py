"""A saved model comes back exactly, the parts that users wrote included."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import fitted, pictures, tiny_model
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import AffinePreprocessing, FlowBijector, FlowChain
from tfp_lcma.factorizations import LikelihoodContribution, StaticFactorization
from tfp_lcma.priors import ExitPrior

register = keras.saving.register_keras_serializable(package="tfp_lcma_tests")


class FactorLayer(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_factor = self.add_weight((), initializer="zeros", name="log_factor")
        self.built = True


@register
class LearnedFactor(FlowBijector):
    """A user's flow: one learned factor for everything."""

    def __init__(self, event_shape, dtype="float32", name=None):
        self._layer = FactorLayer(dtype=dtype)
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        log_factor = self._layer.log_factor.value
        return x * tf.exp(log_factor), log_det.plus(tf.zeros_like(x) + log_factor)

    def carry_forward(self, z, log_det, context):
        log_factor = self._layer.log_factor.value
        return z * tf.exp(-log_factor), log_det.plus(tf.zeros_like(z) - log_factor)


@register
class Backwards(StaticFactorization):
    """A user's factorization: the view's second half stays."""

    def get_config(self):
        return {}

    def order(self, level, view_shape):
        return np.arange(view_shape[-1])[::-1]


@register
class FactorAtTheExit(ExitPrior):
    """A user's exit prior, with weights."""

    def get_config(self):
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return LearnedFactor(leaving_shape, dtype=dtype)


@pytest.fixture(scope="module")
def fresh():
    """A trained model that has seen batches of one size: others retrace it, and round elsewhere."""
    model = tiny_model(run_eagerly=True)
    fitted(model, epochs=1)
    return model


def reloaded(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    return keras.saving.load_model(path)


def assert_same_densities(first, second):
    images = pictures(20, seed=1)
    np.testing.assert_array_equal(first.log_prob(images, seed=3), second.log_prob(images, seed=3))


def test_a_saved_flow_has_the_same_log_prob(tmp_path, fresh):
    again = reloaded(fresh, tmp_path)
    assert isinstance(again, FlowModel)
    assert_same_densities(fresh, again)
    np.testing.assert_array_equal(fresh.sample(3, seed=1), again.sample(3, seed=1))


def test_a_saved_split_by_log_dets_has_the_same_exits_and_log_prob(tmp_path):
    scores = np.random.default_rng(0).normal(size=(2, 4, 4, 1))
    model = tiny_model(factorization=LikelihoodContribution(scores, keep="low"), run_eagerly=True)
    fitted(model, epochs=1)
    again = reloaded(model, tmp_path)
    np.testing.assert_array_equal(again.flow.exit_map, model.flow.exit_map)
    assert again.flow.factorization == model.flow.factorization
    assert_same_densities(model, again)


def test_a_model_of_what_users_wrote_is_saved(tmp_path):
    model = tiny_model(factorization=Backwards(), exit_prior=FactorAtTheExit())
    model = FlowModel(
        FlowChain([LearnedFactor((4, 4, 1)), model.flow]),
        preprocessing=AffinePreprocessing((4, 4, 1), bins=200),
        seed=7,
        name="mine",
    )
    model.compile(optimizer="sgd", run_eagerly=True)
    images = pictures(64, bins=200)
    fitted(model, images, epochs=1)
    factors = [v.numpy() for v in model.trainable_variables if v.name == "log_factor"]
    assert len(factors) == 3 and np.all(factors)
    again = reloaded(model, tmp_path)
    assert (again.name, again.seed, again.bins) == ("mine", 7, 200)
    assert isinstance(again.preprocessing, AffinePreprocessing)
    np.testing.assert_array_equal(again.log_prob(images), model.log_prob(images))


def test_a_saved_model_goes_on_training_where_it_stopped(tmp_path):
    model = tiny_model(levels=1)
    fitted(model, epochs=1)
    again = reloaded(model, tmp_path)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 4
    history = fitted(model, epochs=2)
    again_history = fitted(again, epochs=2)
    np.testing.assert_allclose(again_history["loss"], history["loss"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_weights_alone_carry_the_density_and_the_start(tmp_path, fresh):
    fresh.save_weights(tmp_path / "model.weights.h5")
    again = tiny_model()
    again.load_weights(tmp_path / "model.weights.h5")
    assert_same_densities(fresh, again)


def test_a_float64_model_computes_and_is_saved_in_float64(tmp_path):
    model = tiny_model(levels=1, dtype="float64", run_eagerly=True)
    fitted(model, epochs=1)
    images = pictures(20, seed=1)
    log_prob = model.log_prob(images)
    assert log_prob.dtype == np.float64
    assert {variable.dtype for variable in model.trainable_variables} == {"float64"}
    latents = model.encode(images)
    assert latents.dtype == np.float64
    np.testing.assert_allclose(model.decode(latents), images + 0.5, rtol=1e-10)
    np.testing.assert_allclose(
        model.event_log_prob(images).sum(axis=(1, 2, 3)), log_prob, rtol=1e-12
    )
    again = reloaded(model, tmp_path)
    assert again.flow.dtype == tf.float64
    assert_same_densities(model, again)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_a_model_of_another_size_does_not_take_the_weights(tmp_path, fresh):
    fresh.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError):
        tiny_model(shape=(8, 8, 2)).load_weights(tmp_path / "model.weights.h5")


def test_a_model_is_cloned_from_its_configuration_without_being_saved(fresh):
    twin = FlowModel.from_config(fresh.get_config() | {"flow": tiny_model().flow})
    serialised = keras.saving.serialize_keras_object(fresh)
    other = keras.saving.deserialize_keras_object(serialised)
    assert [w.shape for w in twin.weights] == [w.shape for w in other.weights]


def test_a_multi_scale_flow_is_rebuilt_from_its_live_configuration(fresh):
    flow = fresh.flow
    rebuilt = type(flow).from_config(flow.get_config())
    np.testing.assert_array_equal(rebuilt.exit_map, flow.exit_map)


@pytest.mark.parametrize("name", ["model.h5", "model", "model.weights.h5"])
def test_a_file_that_could_not_be_loaded_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"filepath must end in \.keras.*got '.*/model"):
        tiny_model().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_exporting_as_keras_does_says_what_exports_a_flow(tmp_path):
    with pytest.raises(ValueError, match=r"tfp_lcma\.export_saved_model\(model, '.*/served'\)"):
        tiny_model().export(tmp_path / "served")
    assert not list(tmp_path.iterdir())
