"""Noise is a function of an image, a seed or a row."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.noise import (
    image_seeds,
    normal_rows,
    seed_pair,
    sign_rows,
    uniform_batch,
    uniform_rows,
)

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (16, *SHAPE)).astype(np.uint8)


def noise(images, seed=0, draw=0):
    seeds = image_seeds(images, seed_pair(seed), draw)
    return uniform_rows(seeds, SHAPE, tf.float32).numpy()


def test_image_gets_the_same_noise_in_any_batch(images):
    everyone = noise(images)
    assert np.array_equal(noise(images[3:4]), everyone[3:4])
    assert np.array_equal(noise(images[::-1]), everyone[::-1])
    assert np.array_equal(noise(images.astype(np.float32)), everyone)
    assert np.array_equal(noise(np.concatenate([images[:1]] * 3))[2], everyone[0])


def test_noise_is_the_same_in_a_graph(images):
    seeds = tf.function(lambda x: image_seeds(x, seed_pair(5)))(images)
    assert np.array_equal(seeds, image_seeds(images, seed_pair(5)))
    graph = tf.function(lambda s: uniform_rows(s, SHAPE, tf.float32))(seeds)
    assert np.array_equal(graph, noise(images, 5))


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
    seeds = image_seeds(changed, seed_pair(0)).numpy()
    for column in seeds.T:
        assert len(set(column.tolist())) == 4


def test_black_images_have_noise_too():
    black = noise(np.zeros((1, *SHAPE), np.uint8))
    assert len(np.unique(black)) > 100


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_uniform_rows_are_uniform_and_uncorrelated_from_row_to_row(dtype):
    seeds = image_seeds(np.arange(2000, dtype=np.int32).reshape(-1, 1, 1, 1), seed_pair(0))
    rows = tf.function(uniform_rows)(seeds, (4, 4, 1), dtype).numpy().reshape(2000, -1)
    assert rows.dtype == dtype.as_numpy_dtype
    assert rows.min() >= 0
    assert rows.max() < 1
    counts = np.histogram(rows, 20, (0, 1))[0]
    expected = rows.size / 20
    assert np.sum((counts - expected) ** 2 / expected) < 43.8  # chi-square, 19 d.o.f., p = 0.001
    assert np.abs(np.corrcoef(rows[:-1, 0], rows[1:, 0])[0, 1]) < 0.08
    assert np.abs(np.corrcoef(rows.T) - np.eye(16)).max() < 0.1


def test_normal_rows_are_standard_normal_and_a_function_of_their_seed():
    seeds = tf.constant(np.random.default_rng(0).integers(-(2**31), 2**31, (500, 2)), tf.int32)
    rows = tf.function(normal_rows)(seeds, SHAPE, tf.float32).numpy()
    assert np.array_equal(normal_rows(seeds[7:8], SHAPE, tf.float32)[0], rows[7])
    assert rows.mean() == pytest.approx(0, abs=0.02)
    assert rows.std() == pytest.approx(1, abs=0.02)
    assert np.mean(rows**4) == pytest.approx(3, abs=0.1)


def test_no_rows_give_no_noise():
    assert uniform_rows(tf.zeros((0, 2), tf.int32), SHAPE, tf.float32).shape == (0, *SHAPE)


def test_uniform_batch_is_a_function_of_its_seed():
    one, again, other = (uniform_batch((4, *SHAPE), seed_pair(s), tf.float32) for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.any(one == other)
    assert 0.45 < np.mean(one) < 0.55


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (3, [3, 0]),
        ((3, 4), [3, 4]),
        (np.array([3, 4], np.uint8), [3, 4]),
        (-1, [-1, -1]),
        (2**32, [0, 1]),
        (2**32 - 1, [-1, 0]),
        ((2**31, -(2**31)), [-(2**31), -(2**31)]),
        (tf.constant([3, 4]), [3, 4]),
    ],
    ids=str,
)
def test_seed_is_one_whole_number_or_two(seed, expected):
    pair = seed_pair(seed)
    assert pair.dtype == tf.int32
    assert pair.numpy().tolist() == expected


@pytest.mark.parametrize("seed", [1.0, "1", (1, 2, 3), None, True, [[1, 2]], (1.5, 2)], ids=str)
def test_seed_of_another_kind_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number or a pair of them; got"):
        seed_pair(seed)


def test_signs_are_fair_independent_and_a_function_of_seed_and_salt():
    seeds = tf.constant([[row, 3] for row in range(64)] + [[3, row] for row in range(64, 128)])
    signs = sign_rows(seeds, (8, 8, 4), 5, tf.float64).numpy()
    assert set(np.unique(signs)) == {-1, 1}
    flat = signs.reshape(128, 256)
    # Means and products of 256 signs: standard deviation 1/16.
    products = (flat @ flat.T / 256)[np.triu_indices(128, 1)]
    assert np.abs(flat.mean(axis=1)).max() < 5 / 16
    assert np.abs(flat.mean(axis=0)).max() < 5 / np.sqrt(128)
    assert np.abs(products).max() < 6 / 16
    assert products.std() == pytest.approx(1 / 16, rel=0.1)
    columns = (flat.T @ flat / 128)[np.triu_indices(256, 1)]
    assert columns.std() == pytest.approx(1 / np.sqrt(128), rel=0.1)
    alone = sign_rows(seeds[7:8], (8, 8, 4), 5, tf.float64)
    assert np.array_equal(alone[0], signs[7])
    other = sign_rows(seeds, (8, 8, 4), 6, tf.float64).numpy()
    assert abs(np.mean(signs * other)) < 5 / np.sqrt(signs.size)
    compiled = tf.function(sign_rows, jit_compile=True)
    assert np.array_equal(compiled(seeds, (8, 8, 4), 5, tf.float64), signs)
