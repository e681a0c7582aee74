"""What happens before training and before inference: actnorm's start, batch norm's statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.toys import fitted, pictures, tiny_model
from tfp_lcma import LogDetCollector, export_saved_model
from tfp_lcma.bijectors import ActNorm, BatchNorm, Squeeze

tfd = tfp.distributions


def norm_outputs(model, images, kind):
    """The output of every normalisation on a batch, dequantised as the model initialises."""
    x = model._preprocess(tf.convert_to_tensor(images))
    outputs = []
    for level, flow in enumerate(model.flow.flows):
        if level > 0:
            x = Squeeze(model.flow.flows[level - 1].event_shape).inverse(x)
        for part in flow.bijectors:
            x = part.inverse_and_event_log_det(x)[0]
            if isinstance(part, kind):
                outputs.append(x.numpy())
    return outputs


def is_initialized(model):
    return [bool(v.numpy()) for v in model.non_trainable_variables if v.name == "initialized"]


# --- actnorm ---


def test_every_actnorm_starts_with_mean_0_and_variance_1():
    model, images = tiny_model(shape=(4, 4, 2)), pictures(64, shape=(4, 4, 2))
    assert is_initialized(model) == [False] * 4
    model.initialize(images)
    assert is_initialized(model) == [True] * 4
    outputs = norm_outputs(model, images, ActNorm)
    assert len(outputs) == 4
    for output in outputs:
        np.testing.assert_allclose(output.mean(axis=(0, 1, 2)), 0, atol=1e-4)
        np.testing.assert_allclose(output.var(axis=(0, 1, 2)), 1, rtol=1e-3)


def test_fit_initialises_from_its_first_batch_and_only_once():
    model, images = tiny_model(levels=1, optimizer=keras.optimizers.SGD(0.0)), pictures(64)
    data = tf.data.Dataset.from_tensor_slices(images).batch(32)
    fitted(model, data, epochs=1)
    for output in norm_outputs(model, images[:32], ActNorm):
        np.testing.assert_allclose(output.mean(), 0, atol=1e-4)
        np.testing.assert_allclose(output.var(), 1, rtol=1e-3)
    before = [variable.numpy() for variable in model.trainable_variables]
    fitted(model, 255 - images, epochs=1)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_constant_channel_does_not_break_the_start():
    model, images = tiny_model(), np.full((16, 4, 4, 1), 255, np.uint8)
    model.initialize(images)
    assert np.isfinite(model.log_prob(images)).all()
    assert np.isfinite(model.sample(4, seed=0)).all()


@pytest.mark.parametrize(
    "use",
    [
        lambda model, images: model.log_prob(images),
        lambda model, images: model.bits_per_dimension(images),
        lambda model, images: model.event_log_prob(images),
        lambda model, images: model.encode(images),
        lambda model, images: model.decode(np.zeros((1, 4, 4, 1))),
        lambda model, images: model.interpolate(images, images),
        lambda model, images: model.sample(1),
        lambda model, images: model.evaluate(images, verbose=0),
        lambda model, images: model.predict(images, verbose=0),
        lambda model, images: LogDetCollector().collect(model, images),
        lambda model, images: export_saved_model(model, "nowhere"),
    ],
    ids=[
        "log_prob",
        "bits",
        "event_log_prob",
        "encode",
        "decode",
        "interpolate",
        "sample",
        "evaluate",
        "predict",
        "collect",
        "export",
    ],
)
def test_a_flow_that_never_saw_data_refuses_to_be_used(use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"never initialised: call fit\(\), or initialize"):
        use(tiny_model(), pictures(4))
    assert not any(tmp_path.iterdir())


def test_shape_inference_of_a_joint_distribution_initialises_nothing():
    model = tiny_model()
    joint = tfd.JointDistributionSequential([model.distribution, tfd.Normal(0.0, 1.0)])
    assert joint.event_shape[0] == (4, 4, 1)
    joint.sample(seed=1)
    model.distribution.log_prob(tf.fill((1, 4, 4, 1), 100.0))
    assert is_initialized(model) == [False] * 4


# --- batch normalisation ---


def test_batch_norm_is_evaluated_by_the_statistics_of_the_training_set():
    model, images = tiny_model(norm=BatchNorm, run_eagerly=True), pictures(128)
    history = fitted(model, images, epochs=2, validation_data=pictures(128, seed=1))
    train = model.bits_per_dimension(images).mean()
    test = model.bits_per_dimension(pictures(128, seed=1)).mean()
    assert abs(test - train) < 0.15
    np.testing.assert_allclose(history["val_bits_per_dimension"][-1], test, rtol=1e-4)
    outputs = norm_outputs(model, images, BatchNorm)
    for output in outputs:
        np.testing.assert_allclose(output.mean(axis=(0, 1, 2)), 0, atol=0.02)
        np.testing.assert_allclose(output.var(axis=(0, 1, 2)), 1, rtol=0.05)


def test_batch_norm_has_its_statistics_before_every_validation():
    # Running averages alone would still be near their start after four steps.
    model = tiny_model(norm=BatchNorm, optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    history = fitted(model, epochs=1, validation_data=pictures(128))
    np.testing.assert_allclose(
        history["val_bits_per_dimension"][0], history["bits_per_dimension"][0], atol=0.05
    )


def test_batch_norm_statistics_are_the_same_from_arrays_and_data_sets():
    images, bits = pictures(128), []
    for data in (images, tf.data.Dataset.from_tensor_slices(images).batch(32)):
        model = tiny_model(norm=BatchNorm, optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
        fitted(model, data, epochs=1)
        bits.append(model.bits_per_dimension(images).mean())
    np.testing.assert_allclose(bits[0], bits[1], rtol=1e-3)
