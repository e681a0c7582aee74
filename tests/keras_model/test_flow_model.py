"""FlowModel learns, and its densities are what they say they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import (
    DIMENSIONS,
    fitted,
    pictures,
    tiny_model,
    trained,
    trained_split,
    training,
)
from tfp_lcma import noise

MODELS = pytest.mark.parametrize("model", [trained, trained_split], ids=["whole", "split"])


# --- learning ---


def test_fit_learns():
    _, history = training()
    assert history["loss"][-1] < history["loss"][0] - 1
    # The noise of the pictures alone has 5.1 bits, a uniform distribution 8.
    bits = history["bits_per_dimension"]
    assert 5.0 < bits[-1] < 5.2 < bits[0] < 6


def test_what_was_learnt_holds_for_unseen_images_and_for_no_others():
    bits = trained().bits_per_dimension(pictures(100, seed=1)).mean()
    assert 5.0 < bits < 5.3
    assert trained().bits_per_dimension(pictures(100)[:, ::-1]).mean() > bits + 2


@MODELS
def test_keras_tfp_and_the_tape_see_the_same_variables(model):
    model = model()
    with tf.GradientTape() as tape:
        model(pictures(4))
    watched = {variable.ref() for variable in tape.watched_variables()}
    assert len(watched) == 2 * 2 * (2 + 1 + 2)  # convolution, bound, actnorm
    assert {variable.value.ref() for variable in model.trainable_variables} == watched
    for module in (model.flow, model.distribution, model.distribution.bijector):
        assert {variable.ref() for variable in module.trainable_variables} == watched


def test_training_is_a_function_of_its_seed():
    one, again = (fitted(tiny_model(levels=1, run_eagerly=True))["loss"] for _ in range(2))
    assert one == again


# --- metrics ---


def test_loss_is_bits_per_dimension_in_nats():
    result = trained().evaluate(pictures(50, seed=1), verbose=0, return_dict=True)
    nats = result["bits_per_dimension"] * DIMENSIONS * np.log(2)
    np.testing.assert_allclose(result["loss"], nats, rtol=1e-5)


def test_loss_adds_the_regularisation_and_bits_do_not():
    model = tiny_model(regularizer=keras.regularizers.L2(10.0))
    model.initialize(pictures(64))
    result = model.evaluate(pictures(64), verbose=0, return_dict=True)
    kernels = [v.numpy() for v in model.trainable_variables if v.name == "kernel"]
    penalty = 10.0 * sum(np.sum(kernel**2) for kernel in kernels)
    nats = result["bits_per_dimension"] * DIMENSIONS * np.log(2)
    assert penalty > 0.1
    np.testing.assert_allclose(result["loss"] - nats, penalty, rtol=1e-3)


def test_evaluate_depends_on_the_images_alone():
    images = pictures(50, seed=1)
    first = trained().evaluate(images, verbose=0)
    assert first == trained().evaluate(images, verbose=0)
    for batch_size in (7, 50):
        again = trained().evaluate(images, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(again, first, rtol=1e-5)


def test_evaluate_is_the_mean_of_bits_per_dimension():
    images = pictures(50, seed=1)
    bits = trained().evaluate(images, verbose=0, return_dict=True)["bits_per_dimension"]
    np.testing.assert_allclose(bits, trained().bits_per_dimension(images).mean(), rtol=1e-5)


def test_sample_weights_weigh_the_loss_and_the_bits():
    images, weight = pictures(40, seed=1), np.linspace(0, 2, 40).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((images, np.zeros(40), weight)).batch(40)
    result = trained().evaluate(data, verbose=0, return_dict=True)
    log_prob = trained().log_prob(images)
    np.testing.assert_allclose(result["loss"], -np.mean(weight * log_prob), rtol=1e-5)
    bits = np.average(trained().bits_per_dimension(images), weights=weight)
    np.testing.assert_allclose(result["bits_per_dimension"], bits, rtol=1e-5)


# --- densities ---


@MODELS
def test_predict_equals_log_prob(model):
    images = pictures(50, seed=1)
    np.testing.assert_allclose(
        model().predict(images, verbose=0), model().log_prob(images), rtol=1e-5
    )


def test_log_prob_is_a_function_of_image_and_seed():
    images = pictures(20, seed=1)
    first = trained().log_prob(images, seed=3)
    assert first.shape == (20,) and first.dtype == np.float32
    np.testing.assert_array_equal(first, trained().log_prob(images, seed=3))
    assert np.all(first != trained().log_prob(images, seed=4))
    backwards = trained().log_prob(images[::-1], seed=3)[::-1]
    np.testing.assert_allclose(backwards, first, rtol=1e-5)
    np.testing.assert_allclose(trained().log_prob(images[5:6], seed=3), first[5:6], rtol=1e-5)


def test_log_prob_does_not_depend_on_how_it_is_cut_into_chunks(monkeypatch):
    images = pictures(10, seed=1)
    whole = trained().log_prob(images)
    monkeypatch.setattr("tfp_lcma.keras_model.questions._CHUNK", 4)
    np.testing.assert_allclose(trained().log_prob(images), whole, rtol=1e-5)


def single_draws(model, images, draws, seed):
    """log p(x + u) of every draw, by hand."""
    result = []
    for draw in range(draws):
        x, _ = model.density.dequantized(tf.constant(images), noise.seed_pair(seed), draw)
        result.append(model.distribution.log_prob(x).numpy())
    return np.stack(result)


def test_questions_to_several_models_are_no_retracing_to_be_warned_of(caplog):
    tf.get_logger().addHandler(caplog.handler)
    images = pictures(4)
    for _ in range(3):
        model = tiny_model(levels=1)
        model.initialize(images)
        model.decode(model.encode(images))
        model.log_prob(images)
    tf.get_logger().removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


@MODELS
def test_draws_average_densities_and_tighten_the_bound(model):
    images = pictures(30, seed=1)
    single = single_draws(model(), images, draws=4, seed=3)
    assert np.all(np.std(single, axis=0) > 0)
    np.testing.assert_allclose(model().log_prob(images, seed=3), single[0], rtol=1e-5)
    averaged = model().log_prob(images, draws=4, seed=3)
    by_hand = np.log(np.mean(np.exp(single.astype(np.float64)), axis=0))
    np.testing.assert_allclose(averaged, by_hand, rtol=1e-5)
    assert averaged.mean() > single.mean()


def test_compiled_evaluation_is_the_mean_of_log_prob():
    model, images = tiny_model(levels=1), pictures(40)
    model.initialize(images)
    model.compile(jit_compile=True)
    loss = model.evaluate(images, batch_size=40, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(loss, -model.log_prob(images).mean(), rtol=1e-5)


@MODELS
def test_event_log_prob_sums_to_log_prob(model):
    images = pictures(20, seed=1)
    event = model().event_log_prob(images, seed=3)
    assert event.shape == images.shape
    total = model().log_prob(images, seed=3)
    np.testing.assert_allclose(event.sum(axis=(1, 2, 3)), total, rtol=1e-5)


def test_event_log_prob_points_at_the_odd_pixel():
    images = pictures(20, seed=1)
    spoilt = images.copy()
    spoilt[:, 0, 0, 0] = 250
    change = trained().event_log_prob(spoilt) - trained().event_log_prob(images)
    assert np.abs(change.mean(axis=0)).argmax() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_only_the_whole_part_of_float_images_counts(dtype):
    images = pictures(10, seed=1)
    part = 0.7 if np.issubdtype(dtype, np.floating) else 0
    np.testing.assert_allclose(
        trained().log_prob(images.astype(dtype) + dtype(part)),
        trained().log_prob(images),
        rtol=1e-6,
    )


def test_bins_are_the_number_of_intensities():
    images = pictures(256, bins=17)
    model = tiny_model(bins=17, levels=1)
    fitted(model, images, epochs=6)
    assert model.bits_per_dimension(images).mean() < np.log2(17) - 1
    samples = model.sample(50, seed=0)
    assert samples.min() >= 0 and 8 < samples.max() < 17
    np.testing.assert_array_equal(np.floor(model.decode(model.encode(images))), images)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 17\).*to 17"):
        model.log_prob(np.full((1, 4, 4, 1), 17, np.uint8))


def test_the_bound_never_claims_more_than_all_probability():
    # Two pixels of four intensities: all 16 images, exactly.
    images = np.indices((4, 4)).reshape(2, -1).T.reshape(-1, 2, 1, 1).astype(np.uint8)
    model = tiny_model(shape=(2, 1, 1), levels=1, bins=4)
    fitted(model, images, epochs=20)
    total = np.exp(model.log_prob(images, draws=64)).sum()
    # A little of the mass lies beyond the pixel range, in the logit map's margins.
    assert 0.6 < total < 1.1
