"""The counted peak of a graph is what its tensors take when each lives until its last use."""

import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.training.studies.cost.flow_cost import gradient
from tfp_lcma.training.studies.cost.live_memory import peak_bytes

ROW = tf.TensorSpec((100,), tf.float32)
SIZE = 400


def peak(function, *specifications):
    return peak_bytes(
        tf.function(function, autograph=False).get_concrete_function(*specifications).graph
    )


def test_results_live_until_their_last_use():
    def all_needed(x):
        return [tf.sort(x), tf.sort(x, direction="DESCENDING"), tf.reverse(x, [0])]

    assert peak(lambda x: tf.reverse(x, [0]), ROW) == SIZE
    assert peak(lambda x: tf.reverse(tf.reverse(tf.reverse(x, [0]), [0]), [0]), ROW) == 2 * SIZE
    assert peak(all_needed, ROW) >= 3 * SIZE


def test_reshapes_share_and_elementwise_results_write_over_what_nobody_needs():
    assert peak(lambda x: tf.reshape(tf.reverse(x, [0]), (10, 10)), ROW) == SIZE
    assert peak(lambda x: tf.exp(tf.tanh(tf.reverse(x, [0]))), ROW) == SIZE

    def needed_again(x):
        y = tf.reverse(x, [0])
        return tf.exp(y), y

    assert peak(needed_again, ROW) == 2 * SIZE


def test_a_gradient_through_a_loop_keeps_every_iteration():
    def of_loop(times):
        def loop(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.while_loop(
                    lambda _: True,
                    lambda y: (tf.tanh(y),),
                    [x],
                    maximum_iterations=times,
                )[0]
            return tape.gradient(y, x)

        return peak(loop, ROW)

    assert of_loop(20) - of_loop(10) == 10 * SIZE


@pytest.mark.slow
def test_inversion_does_not_grow_with_depth_as_keeping_does():
    def of_glow(memory, steps):
        flow = lcma.models.glow((8, 8, 3), levels=1, steps=steps, width=16)
        images = tf.TensorSpec((32, 8, 8, 3), tf.uint8)
        return peak(gradient(lcma.FlowModel(flow), memory), images)

    kept, inverted = (of_glow(memory, 12) - of_glow(memory, 6) for memory in ("keep", "invert"))
    activations = 6 * 32 * 4 * 4 * 4 * 16  # of one layer of the networks, in six steps
    assert kept > activations
    assert inverted < 0.3 * kept
