"""FlowModel draws, encodes, decodes and interpolates."""

import numpy as np
import pytest

from tests.toys import pictures, trained, trained_split
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm

MODELS = pytest.mark.parametrize("model", [trained, trained_split], ids=["whole", "split"])


def extremes():
    """Pictures, and images of every intensity in no order."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1)
    return np.concatenate([pictures(20, seed=1), ramp, ramp.transpose(0, 2, 1, 3)])


# --- samples ---


@MODELS
def test_samples_are_images_like_the_data(model):
    samples = model().sample(300, seed=1)
    assert samples.shape == (300, 4, 4, 1) and samples.dtype == np.float32
    assert samples.min() >= 0 and samples.max() < 256
    np.testing.assert_allclose(samples.mean(axis=0), pictures(300).mean(axis=0) + 0.5, atol=10)


def test_samples_are_a_function_of_the_seed():
    model = trained()
    np.testing.assert_array_equal(model.sample(3, seed=1), model.sample(3, seed=1))
    np.testing.assert_array_equal(model.sample(3, seed=(1, 0)), model.sample(3, seed=1))
    assert np.all(model.sample(3, seed=1) != model.sample(3, seed=2))
    assert np.all(model.sample(3) != model.sample(3))


def test_no_temperature_draws_the_mode_of_the_noise():
    samples = trained().sample(3, seed=1, temperature=0.0)
    np.testing.assert_allclose(samples[0], samples[1], rtol=1e-5)
    mode = trained().decode(np.zeros((1, 4, 4, 1)))
    np.testing.assert_allclose(samples[:1], mode, rtol=1e-6)


def test_temperature_scales_the_spread():
    spread = [trained().sample(200, seed=1, temperature=t).std(axis=0).mean() for t in (0.5, 1.0)]
    assert 0.3 < spread[0] / spread[1] < 0.7


@pytest.mark.parametrize("hot", [0, 1])
def test_temperatures_act_on_their_own_level(hot):
    model = trained_split()
    temperature = [0.01, 0.01]
    temperature[hot] = 0.5
    latents = model.encode(model.sample(100, seed=1, temperature=temperature))
    spread = latents.std(axis=0)
    np.testing.assert_allclose(spread[model.flow.exit_map == hot], 0.5, rtol=0.3)
    np.testing.assert_allclose(spread[model.flow.exit_map != hot], 0.01, rtol=0.3)


def test_samples_stay_below_the_number_of_intensities_in_float32():
    model = FlowModel(ActNorm((4, 4, 1)))
    model.initialize(pictures(32))
    samples = model.sample(50, seed=0, temperature=100.0)
    assert samples.min() == 0 and np.floor(samples.max()) == 255


# --- latents ---


@MODELS
def test_decoding_what_was_encoded_gives_the_very_pixels(model):
    images = extremes()
    latents = model().encode(images)
    assert latents.shape == images.shape
    np.testing.assert_array_equal(np.floor(model().decode(latents)).astype(np.uint8), images)


def test_latents_of_the_data_are_standard_normal_noise():
    latents = trained().encode(pictures(300, seed=1))
    assert abs(latents.mean()) < 0.2
    assert 0.8 < latents.std() < 1.2


def test_whole_numbers_stand_for_the_middle_of_their_bin_and_floats_for_themselves():
    images = pictures(5, seed=1)
    middle = trained().encode(images.astype(np.float32) + 0.5)
    np.testing.assert_allclose(trained().encode(images), middle, rtol=1e-6)


@MODELS
def test_split_and_join_take_latents_apart_and_together(model):
    latents = model().encode(pictures(5, seed=1))
    parts = model().flow.split(latents)
    np.testing.assert_array_equal(model().flow.join(parts), latents)


# --- interpolation ---


@pytest.mark.parametrize("spherical", [False, True])
@MODELS
def test_interpolation_starts_and_ends_at_the_images(model, spherical):
    start, end = pictures(3, seed=1), pictures(3, seed=2)
    walk = model().interpolate(start, end, steps=5, spherical=spherical)
    assert walk.shape == (3, 5, 4, 4, 1) and walk.dtype == np.float32
    np.testing.assert_array_equal(np.floor(walk[:, 0]), start)
    np.testing.assert_array_equal(np.floor(walk[:, -1]), end)
    assert np.all(np.abs(walk[:, 2] - start).max(axis=(1, 2, 3)) > 1)


def test_interpolation_is_straight_in_noise_space():
    start, end = pictures(2, seed=1), pictures(2, seed=2)
    middle = trained().encode(trained().interpolate(start, end, steps=3)[:, 1])
    by_hand = (trained().encode(start) + trained().encode(end)) / 2
    np.testing.assert_allclose(middle, by_hand, atol=1e-3)


def test_spherical_interpolation_keeps_the_length_of_the_noise():
    start, end = pictures(2, seed=1), pictures(2, seed=2)
    walk = trained().interpolate(start, end, steps=7, spherical=True)
    lengths = [np.linalg.norm(trained().encode(walk[:, k]).reshape(2, -1), axis=1) for k in (0, 3)]
    both = [np.linalg.norm(trained().encode(x).reshape(2, -1), axis=1) for x in (start, end)]
    between = np.stack([np.minimum(*both), np.maximum(*both)])
    assert np.all(lengths[1] > between[0] * 0.9) and np.all(lengths[1] < between[1] * 1.1)
    np.testing.assert_allclose(lengths[0], both[0], rtol=1e-3)


@pytest.mark.parametrize("spherical", [False, True])
def test_interpolation_between_an_image_and_itself_stands_still(spherical):
    image = pictures(1, seed=1)
    walk = trained().interpolate(image, image, steps=4, spherical=spherical)
    np.testing.assert_array_equal(np.floor(walk), np.broadcast_to(image[:, None], (1, 4, 4, 4, 1)))


def test_interpolation_takes_continuous_images_as_they_are():
    start, end = pictures(2, seed=1) + np.float32(0.25), pictures(2, seed=2) + np.float32(0.75)
    walk = trained().interpolate(start, end, steps=2)
    np.testing.assert_allclose(walk, np.stack([start, end], axis=1), atol=0.02)
