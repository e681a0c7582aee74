"""The recommended optimisers: a flow's first steps do no harm."""

import keras
import numpy as np
import pytest

from tests.seeds import seed_initializers
from tfp_lcma import FlowModel, registry
from tfp_lcma.models import glow, recommended_optimizer

SHAPE = (16, 16, 3)


def textures(count):
    """Smooth random pictures of different brightness, uint8."""
    random = np.random.default_rng(0)
    fields = random.normal(size=(count, *SHAPE)).cumsum(axis=1).cumsum(axis=2)
    fields = fields.mean(axis=-1, keepdims=True) + 0.3 * fields
    fields -= fields.min(axis=(1, 2, 3), keepdims=True)
    fields *= random.uniform(0.2, 1, (count, 1, 1, 1)) / fields.max(axis=(1, 2, 3), keepdims=True)
    return (255 * fields).astype(np.uint8)


def course(optimizer):
    """The bits per dimension of the first batches, each before the step on it."""
    seed_initializers(0)
    model = FlowModel(glow(SHAPE, levels=2, steps=8, width=32))
    model.compile(optimizer=optimizer, jit_compile=False)
    batches = np.split(textures(24), 3)
    steps = [model.train_on_batch(batch, return_dict=True) for batch in batches]
    return [step["bits_per_dimension"] for step in steps]


@pytest.mark.slow
def test_first_step_of_plain_adam_throws_a_deep_flow_off_and_the_recommended_one_does_not():
    resting = course(keras.optimizers.SGD(0.0))
    plain, recommended = course("adam"), course(recommended_optimizer("glow"))
    assert plain[1] > resting[1] + 0.4
    assert all(np.array(recommended) < np.array(resting) + 0.1)


@pytest.mark.parametrize("model", registry.MODELS)
def test_learning_rate_rises_and_then_stays_or_falls_to_0(model):
    for steps, rise, end, last in ((None, 200, 2000, 1), (2000, 200, 2000, 0), (300, 30, 300, 0)):
        optimizer = recommended_optimizer(model, steps=steps)
        looks = (0, rise // 2, rise, end)
        rates = np.array([float(optimizer._learning_rate(step)) for step in looks])
        highest = 4e-3 if isinstance(optimizer, keras.optimizers.Adamax) else 1e-3
        np.testing.assert_allclose(rates, highest * np.array([0, 0.5, 1, last]), atol=1e-7)


def test_jets_optimizer_decays_weights_by_a_thirtieth_of_the_learning_rate():
    optimizer = registry.load(registry.OPTIMIZERS["jet_adam"])(3e-4)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.95)
    variable = keras.Variable([2.0])
    optimizer.apply([keras.ops.zeros(1)], [variable])
    np.testing.assert_allclose(variable.numpy(), 2 * (1 - 1e-5), rtol=1e-7)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert copy.get_config() == optimizer.get_config()


def test_a_model_without_a_name_is_refused():
    with pytest.raises(ValueError, match=r"model must be one of .*glow.*; got 'glo'"):
        recommended_optimizer("glo")
