"""Values that stand in for variables."""

import keras
import pytest
import tensorflow as tf

from tfp_lcma.networks.scope import standing_in


@pytest.fixture
def variables():
    return keras.Variable(1.0), keras.Variable(2.0)


def test_variable_has_the_value_that_stands_in_for_it(variables):
    first, second = variables
    with standing_in([(first, tf.constant(5.0))]):
        assert (first.value.numpy(), second.value.numpy()) == (5, 2)
    assert first.numpy() == 1


def test_assignment_stays_within_and_can_be_read(variables):
    first, second = variables
    with standing_in([(first, tf.constant(5.0))]) as scope:
        first.assign_add(1.0)
        second.assign(7.0)
        assert (first.value.numpy(), second.value.numpy()) == (6, 7)
        assert scope.get_current_value(first).numpy() == 6
    assert (first.numpy(), second.numpy()) == (1, 2)


def test_outer_context_stays_in_force_inside(variables):
    first, second = variables
    with standing_in([(first, tf.constant(5.0))]):
        with standing_in([(second, tf.constant(6.0))]):
            assert (first.value.numpy(), second.value.numpy()) == (5, 6)
            first.assign(9.0)
        assert (first.value.numpy(), second.value.numpy()) == (5, 2)
        with standing_in([(first, tf.constant(8.0))]):
            assert first.value.numpy() == 8


def test_gradient_goes_to_what_stands_in(variables):
    first, _ = variables
    stand_in = tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch(stand_in)
        with standing_in([(first, stand_in)]):
            loss = first.value**2
    assert tape.gradient(loss, [stand_in, first.value]) == [10, None]


def test_losses_of_layers_are_collected(variables):
    class Loud(keras.layers.Layer):
        def call(self, x):
            self.add_loss(tf.reduce_sum(x))
            return x

    layer = Loud()
    with standing_in() as scope:
        layer(tf.ones(3))
    assert [float(loss) for loss in scope.losses] == [3]


def test_error_inside_ends_the_context(variables):
    first, _ = variables
    with pytest.raises(RuntimeError), standing_in([(first, tf.constant(5.0))]):
        raise RuntimeError
    assert first.value.numpy() == 1
