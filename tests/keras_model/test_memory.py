"""Training by inversion equals training that keeps all activations, however it is run."""

import keras
import numpy as np
import pytest

from tests.processor import computes_in_bfloat16
from tests.seeds import seed_initializers
from tests.toys import fitted, pictures
from tfp_lcma import FlowModel, models
from tfp_lcma.testing.inputs import move_weights

SHAPE = (4, 4, 1)
IMAGES = pictures(64, SHAPE)


def glow(memory, dtype="float32", **options):
    options = {"levels": 2, "steps": 2, "width": 4} | options
    return models.glow(SHAPE, memory=memory, unroll=False, dtype=dtype, **options)


def real_nvp(memory):
    return models.real_nvp(
        SHAPE, levels=1, width=4, blocks=1, normalization="batch", memory=memory, unroll=False
    )


def residual_flow(memory):
    return models.residual_flow(SHAPE, levels=1, steps=2, width=4, memory=memory, unroll=False)


def started(flow):
    """A model whose networks do something, started from the images."""
    model = FlowModel(flow)
    model.initialize(IMAGES)
    move_weights(flow, 0.05, seed=1)
    return model


def momentum():
    # No Adam: it makes full steps of gradients that are nothing but rounding.
    return keras.optimizers.SGD(1e-4, momentum=0.9)


def trained(flow, optimizer, **compiled):
    """Weights before and after a training, and its losses."""
    model = started(flow)
    before = model.get_weights()
    model.compile(optimizer=optimizer, **compiled)
    losses = fitted(model, IMAGES)["loss"]
    return before, model.get_weights(), losses


def built(make, memory, **options):
    seed_initializers(0)
    return make(memory, **options)


def assert_same_training(make, tolerance, optimizer=momentum, jit_compile=False, **options):
    """Trains the same flow with either memory; weights must move alike.

    All activations are kept eagerly, where four steps cost less than a trace.
    """
    flows = [built(make, memory, **options) for memory in ("keep", "invert")]
    before, kept, losses = trained(flows[0], optimizer(), run_eagerly=True)
    _, inverted, other_losses = trained(flows[1], optimizer(), jit_compile=jit_compile)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(other_losses, losses, rtol=tolerance)
    moved = 0.0
    weights = zip(flows[1].variables, inverted, kept, before, strict=True)
    for variable, mine, theirs, start in weights:
        step = np.abs(theirs - start).max()
        moved = max(moved, step)
        assert np.abs(mine - theirs).max() <= tolerance * (10 * step + 0.01), variable.name
    assert moved > 1e-3


# The contract looks at traced gradients of their steps too.
LONGER = [pytest.param(make, marks=pytest.mark.slow) for make in (real_nvp, residual_flow)]


@pytest.mark.parametrize("make", [glow, *LONGER])
def test_plain_fit_trains_as_with_all_activations_kept(make):
    assert_same_training(make, 1e-3)


def test_compiled_fit_trains_as_with_all_activations_kept():
    assert_same_training(glow, 1e-3, levels=1, jit_compile=True)


@computes_in_bfloat16
def test_fit_of_networks_in_bfloat16_trains_as_with_all_activations_kept():
    # An input found again may round to the next of 256 numbers in an octave.
    assert_same_training(glow, 3e-2, levels=1, dtype="mixed_bfloat16")


def test_fit_that_accumulates_gradients_trains_as_with_all_activations_kept():
    def optimizer():
        return keras.optimizers.SGD(1e-3, momentum=0.9, gradient_accumulation_steps=2)

    assert_same_training(glow, 1e-3, optimizer, levels=1)


def test_reloaded_model_can_be_set_to_the_other_memory(tmp_path):
    # The other way round in the tests of the models' arguments.
    model = started(built(glow, "keep", levels=1))
    # Two steps cost less than a trace, which is looked at above.
    model.compile(optimizer=keras.optimizers.SGD(1e-3, momentum=0.9), run_eagerly=True)
    model.save(tmp_path / "model.keras")
    losses = []
    for memory in ("keep", "invert"):
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert again.flow.memory == "keep"
        np.testing.assert_allclose(again.log_prob(IMAGES), model.log_prob(IMAGES), rtol=1e-6)
        again.flow.memory = memory
        losses.append(fitted(again, IMAGES[:32])["loss"])
        assert again.flow.get_config()["memory"] == memory
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
