"""What a model is compiled with, and single steps of training."""

import keras
import numpy as np
import pytest

from tests.toys import fitted, pictures, tiny_model
from tfp_lcma import FlowModel
from tfp_lcma.models import real_nvp

IMAGES = pictures(64)


def small(dtype):
    return FlowModel(real_nvp((4, 4, 1), levels=1, width=4, blocks=1, dtype=dtype))


# --- compile ---


@pytest.mark.parametrize(
    "given",
    [
        {"loss": "mse"},
        {"loss": lambda y, log_prob: -log_prob},
        {"metrics": ["mae"]},
        {"weighted_metrics": [keras.metrics.MeanSquaredError()]},
        {"loss_weights": [2.0]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_losses_and_metrics_are_refused_by_name(given):
    with pytest.raises(ValueError, match=rf"{next(iter(given))} must be left out of compile\(\)"):
        tiny_model().compile(optimizer="sgd", **given)


def test_no_loss_and_no_metrics_can_be_said_in_every_way():
    tiny_model().compile("sgd", None, None, [], [])


# --- float16 ---


def test_the_loss_is_scaled_where_networks_compute_in_float16(tmp_path):
    model = small("mixed_float16")
    model.compile(optimizer=keras.optimizers.SGD(1e-2), run_eagerly=True)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    history = fitted(model, IMAGES, epochs=3)
    assert history["loss"][-1] < history["loss"][0]
    # The first scales overflow, and halve.
    assert 0 < int(model.optimizer.iterations.numpy()) <= 6
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert isinstance(again, keras.optimizers.LossScaleOptimizer)
    assert isinstance(again.inner_optimizer, keras.optimizers.SGD)


def test_a_step_that_overflows_in_float16_is_left_out():
    model = small("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-2), 2.0**60)
    model.compile(optimizer=optimizer, run_eagerly=True)
    model.initialize(IMAGES)
    before = model.get_weights()
    model.train_on_batch(IMAGES)
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**59
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_no_other_type_needs_its_loss_scaled(dtype):
    model = small(dtype)
    model.compile(optimizer="sgd")
    assert isinstance(model.optimizer, keras.optimizers.SGD)


def test_scaling_can_be_declined():
    model = small("mixed_float16")
    model.compile(optimizer="sgd", auto_scale_loss=False)
    assert isinstance(model.optimizer, keras.optimizers.SGD)


# --- one batch ---


def test_the_first_batch_trained_on_initialises_the_flow():
    model = tiny_model(levels=1, run_eagerly=True)
    first = model.train_on_batch(IMAGES, return_dict=True)["loss"]
    expected = tiny_model(levels=1)
    expected.initialize(IMAGES)
    np.testing.assert_allclose(first, -expected.log_prob(IMAGES).mean(), rtol=1e-2)
    last = [model.train_on_batch(IMAGES)[0] for _ in range(10)][-1]
    assert last < first
    assert np.isfinite(model.sample(2, seed=0)).all()


@pytest.mark.parametrize("name", ["test_on_batch", "predict_on_batch"])
def test_one_batch_of_a_flow_that_never_saw_data_is_refused(name):
    with pytest.raises(ValueError, match="never initialised"):
        getattr(tiny_model(levels=1), name)(IMAGES)


@pytest.mark.parametrize("name", ["train_on_batch", "test_on_batch", "predict_on_batch"])
def test_one_batch_of_other_images_is_refused(name):
    model = tiny_model(levels=1, run_eagerly=True)
    model.initialize(IMAGES)
    with pytest.raises(ValueError, match=r"x must have shape \[n, 4, 4, 1\]"):
        getattr(model, name)(pictures(4, (8, 8, 1)))
