"""Training by inversion equals training that keeps all activations, however it is run."""

import keras
import numpy as np
import pytest

from tests.processor import computes_in_bfloat16
from tests.registry import move_weights
from tests.seeds import seed_initializers
from tests.toys import fitted, pictures
from tfp_lcma import FlowModel, models

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


def trained(flow, epochs=2, optimizer=None, **compiled):
    model = started(flow)
    # No Adam: it makes full steps of gradients that are nothing but rounding.
    optimizer = optimizer or keras.optimizers.SGD(1e-4, momentum=0.9)
    model.compile(optimizer=optimizer, **{"jit_compile": False} | compiled)
    return model, fitted(model, IMAGES, epochs=epochs)["loss"]


def built(make, memory, **options):
    seed_initializers(0)
    return make(memory, **options)


def assert_same_training(make, tolerance, **training):
    """Trains the same flow with either memory; weights must move alike."""
    optimizer = training.pop("optimizer", lambda: None)
    options = training.pop("options", {})
    (kept, losses), (inverted, other_losses) = (
        trained(built(make, memory, **options), optimizer=optimizer(), **training)
        for memory in ("keep", "invert")
    )
    start = started(built(make, "keep", **options))
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(other_losses, losses, rtol=tolerance)
    moved = 0.0
    for mine, theirs, before in zip(inverted.weights, kept.weights, start.weights, strict=True):
        step = np.abs(theirs.numpy() - before.numpy()).max()
        moved = max(moved, step)
        error = np.abs(mine.numpy() - theirs.numpy()).max()
        assert error <= tolerance * (10 * step + 0.01), theirs.path
    assert moved > 1e-3


# The contract looks at traced gradients of their steps too.
LONGER = [pytest.param(make, marks=pytest.mark.slow) for make in (real_nvp, residual_flow)]


@pytest.mark.parametrize("make", [glow, *LONGER])
def test_plain_fit_trains_as_with_all_activations_kept(make):
    assert_same_training(make, 1e-3)


def test_compiled_fit_trains_as_with_all_activations_kept():
    assert_same_training(glow, 1e-3, options={"levels": 1}, jit_compile=True)


@computes_in_bfloat16
def test_fit_of_networks_in_bfloat16_trains_as_with_all_activations_kept():
    # An input found again may round to the next of 256 numbers in an octave.
    assert_same_training(glow, 3e-2, options={"levels": 1, "dtype": "mixed_bfloat16"})


def test_fit_that_accumulates_gradients_trains_as_with_all_activations_kept():
    def optimizer():
        return keras.optimizers.SGD(1e-3, momentum=0.9, gradient_accumulation_steps=2)

    assert_same_training(glow, 1e-3, options={"levels": 1}, optimizer=optimizer)


@pytest.mark.parametrize(("saved", "set_to"), [("keep", "invert"), ("invert", "keep")])
def test_reloaded_model_can_be_set_to_the_other_memory(tmp_path, saved, set_to):
    model = started(built(glow, saved, levels=1))
    # Four steps cost less than a trace, which is looked at above.
    model.compile(optimizer=keras.optimizers.SGD(1e-4, momentum=0.9), run_eagerly=True)
    model.save(tmp_path / "model.keras")
    losses = []
    for memory in (saved, set_to):
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert again.flow.memory == saved
        np.testing.assert_allclose(again.log_prob(IMAGES), model.log_prob(IMAGES), rtol=1e-6)
        again.flow.memory = memory
        losses.append(fitted(again, IMAGES, epochs=2)["loss"])
        assert again.flow.get_config()["memory"] == memory
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
