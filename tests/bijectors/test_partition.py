"""Masks and halves: what a coupling keeps, and what it moves."""

import numpy as np
import pytest
import tensorflow as tf

from tests.registry import SHAPE
from tfp_lcma.bijectors import ChannelHalf, Halves, Mask, Partition, checkerboard, checkerboard_mask

MAPS = np.arange(16.0).reshape(4, 4, 1)
PARTITIONS = {
    "mask": Mask(np.random.default_rng(3).random(SHAPE) < 0.4),
    "checkerboard": checkerboard(SHAPE, 1),
    "any half": Halves(np.random.default_rng(3).permutation(32).reshape(SHAPE), MAPS),
    "first half": ChannelHalf(SHAPE),
    "second half": ChannelHalf(SHAPE, "second"),
    "first half, exchanging": ChannelHalf(SHAPE, exchange=True),
    "second half, exchanging": ChannelHalf(SHAPE, "second", exchange=True, maps=MAPS),
}
NAMES = pytest.mark.parametrize("name", PARTITIONS)


def images(count):
    return tf.constant(np.random.default_rng(0).normal(size=(count, *SHAPE)))


def constants(partition):
    return {name: tf.constant(array) for name, array in partition.constants.items()}


@NAMES
def test_parts_put_together_are_the_image(name):
    partition, x = PARTITIONS[name], images(2)
    tensors = constants(partition)
    kept, moved = partition.split(x, tensors)
    z = partition.join(kept, moved, tensors)
    for got, part in zip(partition.split_back(z, tensors), (kept, moved), strict=True):
        assert np.array_equal(got, part)
    assert np.array_equal(partition.join_back(kept, moved, tensors), x)
    index = partition.route(np.arange(32).reshape(SHAPE))
    assert np.array_equal(z, x.numpy().reshape(2, -1)[:, index])


@NAMES
def test_network_sees_what_is_kept_and_the_maps_and_not_what_is_moved(name):
    partition, x = PARTITIONS[name], images(2)
    tensors = constants(partition)
    kept, moved = partition.split(x, tensors)
    assert moved.shape[-1] == partition.moved_channels
    seen = partition.with_maps(kept, tensors)
    assert seen.shape[1:] == partition.input_shape
    changed = partition.join_back(kept, moved + 1, tensors)
    assert np.array_equal(partition.split(changed, tensors)[0], kept)
    if partition.maps is not None:
        maps = np.broadcast_to(partition.maps, (2, *partition.maps.shape))
        assert np.array_equal(seen[..., -partition.maps.shape[-1] :], maps)


@NAMES
def test_numbers_beside_what_is_kept_are_left_out(name):
    partition, x = PARTITIONS[name], images(2)
    tensors = constants(partition)
    kept, moved = partition.split(x, tensors)
    added = partition.only_moved(tf.ones_like(moved), tensors)
    placed = partition.join(tf.zeros_like(kept), added, tensors)
    assert 0 < np.sum(placed[0]) < 32
    assert np.array_equal(partition.only_moved(added, tensors), added)
    # Beside a one stands what another number in the moved part changes.
    changed = partition.join(kept, moved + 1, tensors) != partition.join(kept, moved, tensors)
    assert np.array_equal(changed, placed == 1)


@NAMES
def test_partition_comes_back_from_its_configuration(name):
    partition = PARTITIONS[name]
    again = type(partition).from_config(partition.get_config())
    assert again.input_shape == partition.input_shape
    assert again.exchanges == partition.exchanges
    x, tensors = images(1), constants(partition)
    for got, expected in zip(
        again.split(x, constants(again)), partition.split(x, tensors), strict=True
    ):
        assert np.array_equal(got, expected)


def test_checkerboard_keeps_the_pixels_of_its_parity():
    mask = checkerboard_mask((2, 3, 2), 0)
    assert mask[..., 0].tolist() == [[True, False, True], [False, True, False]]
    assert np.array_equal(mask[..., 0], mask[..., 1])
    assert np.array_equal(checkerboard_mask((2, 3, 2), 1), ~mask)


def test_checkerboard_shows_its_mask_and_offsets_to_the_network():
    partition = checkerboard(SHAPE, 0, offsets=MAPS)
    assert np.array_equal(partition.maps[..., 0], checkerboard_mask(SHAPE, 0)[..., 0])
    assert np.array_equal(partition.maps[..., 1:], MAPS)
    assert partition.input_shape == (4, 4, 4)


def test_half_keeps_the_channels_it_names_and_an_exchange_moves_them_over():
    x = tf.reshape(tf.range(4.0), (1, 1, 1, 4))
    for keep, exchange, expected in (
        ("first", False, [0, 1, -2, -3]),
        ("second", False, [0, -1, 2, 3]),
        ("first", True, [-2, -3, 0, 1]),
        ("second", True, [2, 3, 0, -1]),
    ):
        partition = ChannelHalf((1, 1, 4), keep, exchange)
        kept, moved = partition.split(x, {})
        assert partition.join(kept, -moved, {}).numpy().ravel().tolist() == expected


def test_checkerboard_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match="at least two pixels"):
        checkerboard((1, 1, 4), 0)


def test_half_of_odd_channels_or_of_another_name_is_refused():
    with pytest.raises(ValueError, match="even number of channels"):
        ChannelHalf((2, 2, 3))
    with pytest.raises(ValueError, match='"first" or "second"; got 0'):
        ChannelHalf((2, 2, 4), 0)


def test_mask_that_is_not_boolean_or_moves_nothing_is_refused():
    with pytest.raises(ValueError, match="mask must be a boolean array; got one of float32"):
        Mask(np.ones(SHAPE, np.float32))
    for mask in (np.ones(SHAPE, bool), np.zeros(SHAPE, bool)):
        with pytest.raises(ValueError, match="mask must keep some dimensions and move some"):
            Mask(mask)


def test_any_half_keeps_the_first_dimensions_of_its_order_in_that_order():
    order = np.random.default_rng(0).permutation(32).reshape(SHAPE)
    x = images(2)
    kept, moved = Halves(order).split(x, {"order": tf.constant(order)})
    flat = x.numpy().reshape(2, -1)
    assert np.array_equal(kept.numpy().reshape(2, -1), flat[:, order.ravel()[:16]])
    assert np.array_equal(moved.numpy().reshape(2, -1), flat[:, order.ravel()[16:]])
    assert kept.shape == moved.shape == (2, 4, 4, 1)


def test_order_that_repeats_a_dimension_or_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="order must hold every integer from 0 to 31 exactly once"):
        Halves(np.zeros(SHAPE, int))
    with pytest.raises(ValueError, match="order must have an even number of channels; got 1"):
        Halves(np.arange(16).reshape(4, 4, 1))


def test_partition_that_lacks_a_method_raises_its_name():
    with pytest.raises(NotImplementedError, match=r"Partition lacks split\(\)"):
        Partition().split_back(tf.zeros((1, *SHAPE)), {})
