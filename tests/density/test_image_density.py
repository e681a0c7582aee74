"""ImageDensity gives the same numbers as the model's array methods."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.examples import assert_alike, example, requests
from tfp_lcma.noise import seed_pair

# Unconditional, with classes, and with an estimated log-det and a search. What is served for them
# is compared with the models in the tests of serving.
MODELS = pytest.mark.parametrize("name", ["toy", "glow_with_classes", "residual_flow"])


def asked(name, question):
    """A model, the tensors of a request to it, and its condition."""
    model = example(name)
    tensors = {given: tf.constant(value) for given, value in requests(model)[question].items()}
    return model, tensors, tensors.pop("condition", None)


@MODELS
def test_log_prob_is_the_models(name):
    model, given, condition = asked(name, "log_prob")
    images = given["images"]
    got = model.density.log_prob(images, seed_pair(model.seed), condition=condition)
    got = {"log_prob": got.numpy(), "bits_per_dimension": model.density.to_bits(got).numpy()}
    given = None if condition is None else condition.numpy()
    expected = {
        "log_prob": model.log_prob(images.numpy(), given),
        "bits_per_dimension": model.bits_per_dimension(images.numpy(), given),
    }
    assert_alike(got, expected)


@MODELS
def test_event_log_prob_is_the_models_and_sums_to_log_prob(name):
    model, given, condition = asked(name, "event_log_prob_with_seed")
    images, seeds = given["images"], given["seed"]
    got = model.density.event_log_prob(images, seeds, condition=condition).numpy()
    total = model.density.log_prob(images, seeds, condition=condition).numpy()
    np.testing.assert_allclose(got.sum(axis=(1, 2, 3)), total, rtol=1e-5)
    for row, seed in enumerate(seeds.numpy()):
        condition_of = None if condition is None else condition.numpy()[row : row + 1]
        alone = model.event_log_prob(images.numpy()[row : row + 1], condition_of, seed=seed)
        np.testing.assert_allclose(alone[0], got[row], rtol=1e-4, atol=1e-4)


@MODELS
def test_log_prob_at_is_that_of_the_dequantised_images(name):
    model, request = example(name), requests(example(name))["log_prob"]
    images, condition = tf.constant(request["images"]), request.get("condition")
    seed = seed_pair(3)
    for draw in (0, 2):
        x, probes = model.density.dequantized(images, seed, draw)
        np.testing.assert_array_equal(tf.floor(x), tf.cast(images, x.dtype))
        at = model.density.log_prob_at(x, probes, condition)
        np.testing.assert_array_equal(at, model.density.log_prob(images, seed, draw, condition))
    averaged = model.log_prob(request["images"], condition, draws=3, seed=3)
    draws = [model.density.log_prob(images, seed, k, condition).numpy() for k in range(3)]
    by_hand = np.log(np.mean(np.exp(np.stack(draws).astype(np.float64)), axis=0))
    np.testing.assert_allclose(averaged, by_hand, rtol=1e-5)


@MODELS
def test_latents_are_the_models(name):
    model, given, condition = asked(name, "encode")
    got = {"latents": model.density.encode(given["images"], condition).numpy()}
    given_condition = None if condition is None else condition.numpy()
    assert_alike(got, {"latents": model.encode(given["images"].numpy(), given_condition)})


@MODELS
def test_images_of_latents_are_the_models(name):
    model, given, condition = asked(name, "decode")
    images, found = model.density.decode(given["latents"], condition)
    assert found.numpy().all()
    given_condition = None if condition is None else condition.numpy()
    plain = model.decode(given["latents"].numpy(), given_condition)
    below = np.nextafter(np.float32(model.bins), np.float32(0))
    np.testing.assert_allclose(images, np.clip(plain, 0, below), rtol=1e-5, atol=1e-4)


@MODELS
def test_rows_of_latents_without_an_image_are_nan_and_say_so(name):
    model, request = example(name), requests(example(name))["decode"]
    z = request["latents"].copy()
    z[1, 0, 0, 0] = np.inf
    images, found = model.density.decode(tf.constant(z), request.get("condition"))
    assert found.numpy().tolist() == [True, False, True]
    assert np.isnan(images[1]).all()
    assert np.isfinite(images.numpy()[[0, 2]]).all()


@pytest.mark.parametrize(
    "name", ["glow_with_classes", pytest.param("residual_flow", marks=pytest.mark.slow)]
)
def test_densities_are_the_same_in_any_batch_and_under_xla(name):
    model, request = example(name), requests(example(name))["log_prob"]
    images, condition = tf.constant(request["images"]), request.get("condition")
    together = model.density.log_prob(images, seed_pair(1), 0, condition).numpy()
    rows = slice(1, 2)
    given = None if condition is None else condition[rows]
    alone = model.density.log_prob(images[rows], seed_pair(1), 0, given)
    np.testing.assert_allclose(alone, together[rows], rtol=1e-5)

    def density(images):
        return model.density.log_prob(images, seed_pair(1), 0, condition)

    compiled = tf.function(density, jit_compile=True)(images)
    np.testing.assert_allclose(compiled, together, rtol=1e-5)
