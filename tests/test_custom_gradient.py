"""Functions with a gradient of their own: eager, traced, in loops, freed with their graph."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.custom_gradient import with_gradient, without_second_gradient

X = tf.constant([1.0, -2.0])


def tripled(x):
    """x^2, with a gradient that is three times what it ought to be."""
    return with_gradient(lambda x: [x * x], lambda upstream: [6 * x * upstream], x)[0]


def gradient(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


@pytest.mark.parametrize("traced", [False, True])
def test_gradient_is_the_given_one(traced):
    def both(x):
        return gradient(tripled, x)

    value, found = (tf.function(both, autograph=False) if traced else both)(X)
    assert value.numpy().tolist() == [1, 4]
    assert found.numpy().tolist() == [6, -12]


def test_tf_gradients_and_taking_it_outside_of_the_graph_find_it_too():
    @tf.function(autograph=False)
    def inside(x):
        return tf.gradients(tripled(x), x)[0]

    assert inside(X).numpy().tolist() == [6, -12]
    outside = gradient(tf.function(tripled, autograph=False), X)[1]
    assert outside.numpy().tolist() == [6, -12]


def test_it_goes_through_loops():
    def looped(x):
        return tf.while_loop(lambda k, _: k < 2, lambda k, x: (k + 1, tripled(x)), (0, x))[1]

    traced = tf.function(lambda x: gradient(looped, x)[1], autograph=False)(X)
    # Of tripled twice: (6 x^2) (6 x).
    assert traced.numpy().tolist() == [36, 36 * -8]
    assert gradient(looped, X)[1].numpy().tolist() == [36, 36 * -8]


def test_second_derivatives_are_those_of_the_given_gradient():
    with tf.GradientTape() as tape:
        tape.watch(X)
        first = gradient(tripled, X)[1]
    assert tape.gradient(first, X).numpy().tolist() == [6, 6]


@pytest.mark.parametrize("traced", [False, True])
def test_inputs_without_a_gradient_and_several_outputs(traced):
    def both(x):
        order = tf.constant([1, 0])

        def forward(x, order):
            return [tf.gather(x, order), 2 * x]

        def back(first, second):
            return [tf.gather(first, order) + 10 * second, None]

        with tf.GradientTape() as tape:
            tape.watch(x)
            first, second = with_gradient(forward, back, x, order)
            loss = tf.reduce_sum(first * [1.0, 2.0]) + tf.reduce_sum(second)
        return first, tape.gradient(loss, x)

    first, found = (tf.function(both, autograph=False) if traced else both)(X)
    assert first.numpy().tolist() == [-2, 1]
    assert found.numpy().tolist() == [12, 11]


@pytest.mark.parametrize("traced", [False, True])
def test_gradient_that_is_refused_says_why(traced):
    def value(x):
        same, nothing = without_second_gradient([x, None], "because of this")
        assert nothing is None
        return same

    def both(x):
        return gradient(value, x)

    assert np.array_equal(value(X), X)
    with pytest.raises(ValueError, match="because of this"):
        (tf.function(both, autograph=False) if traced else both)(X)


def test_it_is_freed_with_its_graph():
    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)

    def traced(x, thing=thing):
        def back(upstream):
            assert thing is not None
            return [upstream]

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = with_gradient(lambda x: [x], back, x)[0]
        return tape.gradient(y, x)

    function = tf.function(traced, autograph=False)
    function(X)
    del traced, function, thing
    gc.collect()
    assert seen() is None


def test_saved_with_default_options_it_computes_and_has_no_wrong_gradient(tmp_path):
    module = tf.Module()
    module.call = tf.function(tripled, input_signature=[tf.TensorSpec((2,))], autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.call(X).numpy().tolist() == [1, 4]
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        gradient(loaded.call, X)


def test_loaded_graph_without_it_says_so(tmp_path):
    module = tf.Module()
    module.call = tf.function(tripled, input_signature=[tf.TensorSpec((2,))], autograph=False)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(tmp_path), options=options)
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.call(X).numpy().tolist() == [1, 4]
    with pytest.raises(LookupError, match="no gradient here"):
        gradient(loaded.call, X)
