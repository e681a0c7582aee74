"""Variables of alike layers, stacked."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.networks.scope import standing_in
from tfp_lcma.networks.stack import (
    SliceWiseConstraint,
    SliceWiseRegularizer,
    Stack,
    refuse_losses,
)


def copies(count=3, **options):
    made = [
        keras.Variable(np.full((2,), float(k), np.float32), name="kernel", **options)
        for k in range(count)
    ]
    for variable in made:
        variable.regularizer = keras.regularizers.L2(0.5)
        variable.constraint = keras.constraints.UnitNorm()
    return made


def test_slices_are_the_copies_values_and_inherit_what_they_have():
    stack = Stack({"kernel": copies(), "count": copies(dtype="int64", trainable=False)})
    assert stack.names == ["kernel", "count"]
    kernel, count = stack.stacked
    np.testing.assert_array_equal(kernel, [[0, 0], [1, 1], [2, 2]])
    assert (kernel.dtype, count.dtype) == ("float32", "int64")
    assert stack.trainable_variables == [kernel]
    assert stack.non_trainable_variables == [count]


def test_aggregation_is_that_of_the_copies():
    stack = Stack({"count": copies(trainable=False, aggregation="only_first_replica")})
    assert stack.stacked[0].aggregation == "only_first_replica"


def test_start_flags_are_found_by_name():
    stack = Stack({"kernel": copies(), "flag": copies()}, start_flags=["flag"])
    assert stack.start_flags == [stack.stacked[1]]


def test_regularizer_and_constraint_act_slice_by_slice():
    stack = Stack({"kernel": copies()})
    (kernel,) = stack.stacked
    assert [float(loss) for loss in stack.losses] == [0.5 * 2 * (0 + 1 + 4)]
    norms = np.linalg.norm(kernel.constraint(kernel), axis=1)
    np.testing.assert_allclose(norms, [0, 1, 1], atol=1e-5)
    plain = Stack({"kernel": [keras.Variable([1.0])]}).stacked[0]
    assert plain.regularizer is None
    assert plain.constraint is None


@pytest.mark.parametrize(
    "wrapped",
    [
        SliceWiseRegularizer(keras.regularizers.L2(0.5)),
        SliceWiseConstraint(keras.constraints.MaxNorm(0.5)),
    ],
    ids=lambda wrapped: type(wrapped).__name__,
)
def test_slice_wise_parts_say_what_they_are_made_of(wrapped):
    (inner,) = wrapped.get_config().values()
    assert inner["config"] in ({"l2": 0.5}, {"max_value": 0.5, "axis": 0})


def test_weights_are_saved_and_loaded_in_order():
    stack, other = (Stack({"a": copies(), "b": copies()}) for _ in range(2))
    stack.stacked[1].assign(np.arange(6.0).reshape(3, 2))
    other.set_weights(stack.get_weights())
    for got, expected in zip(other.stacked, stack.stacked, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_losses_are_refused_by_place():
    class Loud(keras.layers.Layer):
        def call(self, x):
            self.add_loss(tf.reduce_sum(x))
            return x

    layer = Loud(name="the_loud")
    with standing_in() as scope:
        layer(tf.ones(3))
    with pytest.raises(ValueError, match=r"here must hold no layer .* of Loud 'the_loud'"):
        refuse_losses(scope, "here", [keras.Sequential([layer]), keras.layers.Dense(1)])
    with standing_in() as silent:
        pass
    refuse_losses(silent, "here", [layer])
