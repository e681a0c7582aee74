"""Dequantisation: noise in [0, 1) that is a function of image, seed and draw."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.density import Uniform
from tfp_lcma.density.dequantization import NOISE_VERSION, image_seeds
from tfp_lcma.noise import seed_pair

SHAPE = (8, 8, 3)
DTYPES = pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=lambda dtype: dtype.name)
# By NOISE_VERSION: other numbers must raise it, and be written here.
PINNED = {
    2: {
        "float32": [0.3930503726005554, 0.7822322845458984, 0.9416961669921875, 0.8268775939941406],
        "float64": [
            0.39305042797929723,
            0.7822326712382477,
            0.9416981255944634,
            0.8268785272720578,
        ],
    },
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (16, *SHAPE)).astype(np.uint8)


def noise(images, seed=0, draw=0, dtype=tf.float32):
    x = Uniform().of_images(tf.constant(images), seed_pair(seed), draw, dtype)
    return x.numpy() - np.floor(images)


# --- the very numbers ---


@DTYPES
def test_noise_of_a_version_is_pinned(dtype):
    image = np.arange(16, dtype=np.uint8).reshape(1, 2, 4, 2)
    got = noise(image * 16, (7, -3), draw=1, dtype=dtype)[0, 0, :2].ravel()
    np.testing.assert_allclose(got, PINNED[NOISE_VERSION][dtype.name], rtol=0, atol=1e-14)


# --- a function of the image, the seed and the draw ---


@DTYPES
def test_image_gets_the_same_noise_in_any_batch(images, dtype):
    together = noise(images, dtype=dtype)
    assert np.array_equal(noise(images[3:4], dtype=dtype), together[3:4])
    assert np.array_equal(noise(images[::-1], dtype=dtype), together[::-1])
    repeated = np.concatenate([images[5:6], images[:1], images[5:6]])
    assert np.array_equal(noise(repeated, dtype=dtype), together[[5, 0, 5]])


def test_whole_parts_alone_count(images):
    x = Uniform().of_images(tf.constant(images), seed_pair(0), 0, tf.float32)
    for others in (images.astype(np.float32) + np.float32(0.7), images.astype(np.int32)):
        again = Uniform().of_images(tf.constant(others), seed_pair(0), 0, tf.float32)
        assert np.array_equal(again, x)


@DTYPES
def test_noise_is_the_same_eager_traced_and_under_xla(images, dtype):
    def of_images(images):
        return Uniform().of_images(images, seed_pair(5), 2, dtype)

    def of_batch(images):
        return Uniform().of_batch(images, seed_pair(5), dtype)

    images = tf.constant(images)
    for function in (of_images, of_batch):
        eager = function(images)
        assert eager.dtype == dtype
        for options in ({}, {"jit_compile": True}):
            assert np.array_equal(tf.function(function, **options)(images), eager)


def test_a_seed_for_every_image_is_that_seed_for_each(images):
    seeds = tf.constant([[1, 2], [3, 4], [-5, 6]])
    together = Uniform().of_images(tf.constant(images[:3]), seeds, 1, tf.float32)
    for row, seed in enumerate(seeds):
        alone = Uniform().of_images(tf.constant(images[row : row + 1]), seed, 1, tf.float32)
        assert np.array_equal(together[row], alone[0])


def test_other_seeds_draws_and_images_get_other_noise(images):
    rows = np.concatenate(
        [noise(images, seed, draw) for seed in (0, 1, -1, (1, 1), 2**31) for draw in range(3)]
    )
    assert len({row.tobytes() for row in rows}) == 5 * 3 * len(images)


def test_one_pixel_or_two_exchanged_change_the_seed(images):
    changed = np.stack([images[0]] * 4)
    changed[1, 0, 0, 0] ^= 1
    changed[2, 7, 7, 2] ^= 1
    changed[3] = changed[3].transpose(1, 0, 2)
    seeds = image_seeds(tf.constant(changed), seed_pair(0)).numpy()
    for column in seeds.T:
        assert len(set(column.tolist())) == 4


def test_noise_of_training_is_a_function_of_the_seed_alone(images):
    one, again, other = (
        Uniform().of_batch(tf.constant(images), seed_pair(seed), tf.float32) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert np.mean(one == other) < 0.001
    swapped = Uniform().of_batch(tf.constant(images[::-1].copy()), seed_pair(1), tf.float64)
    straight = Uniform().of_batch(tf.constant(images), seed_pair(1), tf.float64)
    np.testing.assert_allclose(swapped - images[::-1], straight - images, atol=1e-12)


# --- uniform and independent ---


@DTYPES
def test_noise_is_uniform_and_independent_of_place_image_seed_and_draw(images, dtype):
    black = np.zeros((1, 16, 16, 3), np.uint8)
    steps = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    samples = {
        "places of a black image": noise(black, dtype=dtype).reshape(16, -1),
        "images that differ by one": noise(steps, dtype=dtype).reshape(256, -1),
        "seeds": np.stack([noise(images[0:1], k, dtype=dtype).ravel() for k in range(64)]),
        "draws": np.stack([noise(images[0:1], 0, k, dtype).ravel() for k in range(64)]),
    }
    for what, rows in samples.items():
        size = rows.size
        assert rows.min() >= 0 and rows.max() < 1, what
        assert abs(rows.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / size), what
        assert abs(rows.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / size), what
        # Correlations of independent numbers: one over the root of their count.
        for one, other in ((rows[:-1], rows[1:]), (rows[:, :-1], rows[:, 1:])):
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size), what
        assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 6 / np.sqrt(rows.shape[1]), (
            what
        )


# --- within [whole part, whole part + 1) ---


@DTYPES
@pytest.mark.parametrize("whole", [0, 1, 4, 127, 128, 254, 255])
@pytest.mark.parametrize("jit_compile", [None, True], ids=["eager", "xla"])
def test_no_sum_is_rounded_up_to_the_next_whole_number(whole, jit_compile, dtype, monkeypatch):
    numpy_type = dtype.as_numpy_dtype
    largest = np.nextafter(numpy_type(1), numpy_type(0))
    image = tf.fill((1, 2, 2, 1), tf.constant(whole, tf.uint8))

    def highest(*arguments):
        return tf.fill((1, 2, 2, 1), tf.constant(largest, dtype))

    monkeypatch.setattr("tfp_lcma.noise.uniform_rows", highest)
    monkeypatch.setattr("tfp_lcma.noise.uniform_rows_from", highest)
    for function in (
        lambda: Uniform().of_images(image, seed_pair(0), 0, dtype),
        lambda: Uniform().of_batch(image, seed_pair(0), dtype),
    ):
        function = tf.function(function, jit_compile=True) if jit_compile else function
        expected = np.nextafter(numpy_type(whole + 1), numpy_type(0))
        assert np.array_equal(function(), np.full((1, 2, 2, 1), expected))
    assert whole == 0 or numpy_type(whole) + largest == whole + 1  # as the plain sum does


def test_many_draws_of_the_brightest_intensity_stay_below_256():
    """The plain sum rounds one in 2^17 up; here are more than 2^20."""
    image = tf.fill((100, 64, 64, 3), tf.constant(255, tf.uint8))
    x = Uniform().of_batch(image, seed_pair(0), tf.float32).numpy()
    assert x.max() == np.nextafter(np.float32(256), np.float32(0))
    assert x.min() >= 255
    images = tf.fill((100, 64, 64, 3), tf.constant(255, tf.uint8))
    seeds = tf.stack([tf.range(100), tf.zeros(100, tf.int32)], axis=1)
    x = Uniform().of_images(images, seeds, 0, tf.float32).numpy()
    assert x.max() == np.nextafter(np.float32(256), np.float32(0))
    assert x.min() >= 255
