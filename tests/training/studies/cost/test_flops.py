"""Counted operations are those that a hand counts, loops as often as they run."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.training.studies.cost.flops import flops
from tfp_lcma.training.studies.cost.flow_cost import gradient

BATCH, SIDE, WIDTH, STEPS = 3, 8, 8, 2


def counted(function, *specifications):
    return flops(
        tf.function(function, autograph=False).get_concrete_function(*specifications).graph
    )


def of_step(channels, side):
    """A Glow step by hand: 3×3, 1×1 and 3×3 in the coupling, and the 1×1 of the channels."""
    half = channels // 2
    products = 9 * half * WIDTH + WIDTH * WIDTH + 9 * WIDTH * channels + channels**2
    return 2 * side * side * products


def of_matrix(channels):
    """The channels' matrix from its three factors, and a shift by it, whatever the images."""
    return 2 * 2 * channels**3 + 2 * channels**2


def of_exit(channels, side):
    """The 3×3 that gives what is factored out its mean and scale."""
    return 2 * side * side * 9 * (channels // 2) * channels


@pytest.mark.parametrize("unroll", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_pass_is_as_by_hand_a_gradient_three_passes_and_one_by_inversion_about_four(unroll):
    flow = lcma.models.glow((SIDE, SIDE, 3), levels=2, steps=STEPS, width=WIDTH, unroll=unroll)
    model, images = lcma.FlowModel(flow), tf.TensorSpec((BATCH, SIDE, SIDE, 3), tf.uint8)
    places = [(12, SIDE // 2), (24, SIDE // 4)]
    forward = STEPS * sum(BATCH * of_step(*at) + of_matrix(at[0]) for at in places)
    forward += BATCH * of_exit(*places[0])
    assert counted(model, images) == (forward, 0)
    kept = counted(gradient(model, "keep"), images).total
    inverted = counted(gradient(model, "invert"), images).total
    assert 2.8 < kept / forward < 3.1
    assert 3.8 < inverted / forward < 4.3


def test_every_kind_of_product_is_counted():
    x, m = tf.zeros((2, 8, 8, 4)), tf.zeros((5, 2, 3))
    cases = {
        2 * (2 * 4 * 4 * 6) * 3 * 3 * 4: lambda: tf.nn.conv2d(x, tf.zeros((3, 3, 4, 6)), 2, "SAME"),
        2 * (2 * 8 * 8 * 8) * 3 * 3: lambda: tf.nn.depthwise_conv2d(
            x, tf.zeros((3, 3, 4, 2)), [1, 1, 1, 1], "SAME"
        ),
        2 * 4 * 7 * 9: lambda: tf.matmul(tf.zeros((7, 4)), tf.zeros((9, 7)), True, True),
        2 * 5 * 3 * 2 * 4: lambda: tf.matmul(m, tf.zeros((5, 2, 4)), transpose_a=True),
        2 * 5 * 2 * 3 * 11: lambda: tf.einsum("...ij,jk->...ik", m, tf.zeros((3, 11))),
    }
    for by_hand, product in cases.items():
        assert counted(product) == (by_hand, 0)


def test_of_branches_the_most_expensive_counts_and_a_loop_without_bound_is_named():
    matrix = tf.zeros((4, 4))

    def branching(take):
        return tf.cond(take, lambda: matrix @ matrix @ matrix, lambda: matrix @ matrix)

    def open_ended(until):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < until, lambda x: x @ matrix, [matrix])

    assert counted(branching, tf.TensorSpec((), tf.bool)) == (2 * 2 * 4**3, 0)
    assert counted(open_ended, tf.TensorSpec((), tf.float32)) == (2 * 4**3, 1)


def test_unknown_shapes_are_refused():
    with pytest.raises(ValueError, match="graph must be of known shapes; got"):
        counted(lambda x: x @ tf.zeros((4, 4)), tf.TensorSpec((None, 4), tf.float32))


def test_a_loop_in_a_loop_multiplies():
    matrix = np.zeros((4, 4), np.float32)

    def inner(x):
        return tf.while_loop(lambda _: True, lambda y: (y @ matrix,), [x], maximum_iterations=5)[0]

    def outer():
        return tf.while_loop(
            lambda _: True, lambda x: (inner(x),), [tf.constant(matrix)], maximum_iterations=3
        )

    assert counted(outer) == (3 * 5 * 2 * 4**3, 0)
