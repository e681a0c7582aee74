"""Noise is a function of a row's seed."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.noise import (
    normal_of,
    normal_rows,
    seed_pair,
    sign_rows,
    uniform_batch,
    uniform_rows,
    uniform_rows_from,
)

SHAPE = (8, 8, 3)


def random_seeds(count):
    random = np.random.default_rng(0)
    return tf.constant(random.integers(-(2**31), 2**31, (count, 2)), tf.int32)


# Seeds at random, and seeds that differ in a few bits of one of their words alone.
SEEDS = {
    "random": random_seeds(2000),
    "first word counts": tf.stack([tf.range(2000), tf.zeros(2000, tf.int32)], axis=1),
    "second word counts": tf.stack([tf.zeros(2000, tf.int32), tf.range(2000)], axis=1),
}


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_uniform_rows_are_uniform_and_independent_from_row_to_row_and_place_to_place(dtype, seeds):
    rows = tf.function(uniform_rows)(seeds, (4, 4, 1), dtype).numpy().reshape(2000, -1)
    assert rows.dtype == dtype.as_numpy_dtype
    assert rows.min() >= 0
    assert rows.max() < 1
    assert rows.mean() == pytest.approx(1 / 2, abs=5 * np.sqrt(1 / 12 / rows.size))
    assert rows.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / rows.size))
    counts = np.histogram(rows, 20, (0, 1))[0]
    expected = rows.size / 20
    assert np.sum((counts - expected) ** 2 / expected) < 43.8  # chi-square, 19 d.o.f., p = 0.001
    # Five standard deviations of the correlation of so many independent pairs.
    places = np.corrcoef(rows.T) - np.eye(16)
    assert np.abs(places).max() < 5 / np.sqrt(2000)
    for lag in (1, 2, 4, 256):
        neighbours = np.corrcoef(rows[:-lag].ravel(), rows[lag:].ravel())[0, 1]
        assert abs(neighbours) < 5 / np.sqrt(rows[lag:].size)
    assert len(np.unique(rows)) > 0.99 * rows.size


def test_uniform_rows_use_every_digit_that_their_type_resolves():
    for dtype, digits in ((tf.float32, 24), (tf.float64, 53)):
        whole = uniform_rows(SEEDS["random"], SHAPE, dtype).numpy().astype(np.float64) * 2.0**digits
        np.testing.assert_array_equal(whole, np.floor(whole))
        for digit in (0, 1, 20, digits - 1):
            share = np.mean(np.floor(whole / 2.0**digit) % 2)
            assert share == pytest.approx(1 / 2, abs=2.5 / np.sqrt(whole.size))


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_uniform_numbers_are_the_same_in_graphs_and_under_xla(dtype):
    seeds = random_seeds(20)

    def draw():
        batch = uniform_batch(tf.constant((20, 3)), seeds[0], dtype)
        return uniform_rows(seeds, SHAPE, dtype), batch

    for jit_compile in (None, True):
        compiled = tf.function(draw, jit_compile=jit_compile)()
        for got, plain in zip(compiled, draw(), strict=True):
            assert plain.dtype == dtype
            np.testing.assert_array_equal(got, plain)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_the_least_and_the_largest_uniform_number_have_finite_normal_ones(dtype):
    largest = np.nextafter(dtype.as_numpy_dtype(1), dtype.as_numpy_dtype(0))
    edges = normal_of(tf.constant([0, largest], dtype)).numpy()
    assert np.isfinite(edges).all() and edges[0] < -5 < 5 < edges[1]


def test_normal_rows_are_standard_normal_and_a_function_of_their_seed():
    seeds = random_seeds(500)
    rows = tf.function(normal_rows)(seeds, SHAPE, tf.float32).numpy()
    assert np.array_equal(normal_rows(seeds[7:8], SHAPE, tf.float32)[0], rows[7])
    assert rows.mean() == pytest.approx(0, abs=0.02)
    assert rows.std() == pytest.approx(1, abs=0.02)
    assert np.mean(rows**4) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("shape", [(4, 4, 1), (3, 3, 1)])
def test_rows_of_a_replica_are_those_of_the_whole_batch(shape, dtype):
    seed = seed_pair(3)
    whole = uniform_rows_from(0, 7, shape, seed, dtype)
    if shape == (4, 4, 1):  # whole numbers of Philox's counter: nothing is left out
        np.testing.assert_array_equal(whole, uniform_batch((7, *shape), seed, dtype))
    for jit_compile in (None, True):
        draw = tf.function(
            lambda first: uniform_rows_from(first, 4, shape, seed, dtype), jit_compile=jit_compile
        )
        np.testing.assert_array_equal(draw(tf.constant(3)), whole[3:])


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
