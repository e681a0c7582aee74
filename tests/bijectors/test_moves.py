"""Where squeeze and permutation put every dimension."""

import numpy as np
import pytest
import tensorflow as tf

from tests.registry import FLOWS, SHAPE, shuffled
from tfp_lcma.bijectors import FlowBijector, Permutation, Rearrangement, Squeeze, Unsqueeze
from tfp_lcma.testing.compare import close


def numbered(shape):
    return np.arange(np.prod(shape)).reshape(shape)


def test_squeeze_counts_channel_by_channel_and_row_by_row_in_a_block():
    x = numbered(SHAPE)
    z = Squeeze(SHAPE).inverse(tf.constant(x[None]))[0].numpy()
    for row in range(2):
        for column in range(2):
            for channel in range(2):
                for dy in range(2):
                    for dx in range(2):
                        assert (
                            z[row, column, channel * 4 + dy * 2 + dx]
                            == x[2 * row + dy, 2 * column + dx, channel]
                        )


def test_unsqueeze_undoes_squeeze():
    x = tf.constant(numbered(SHAPE)[None])
    assert np.array_equal(Unsqueeze(SHAPE).inverse(Squeeze(SHAPE).inverse(x)), x)
    assert Unsqueeze(SHAPE).event_shape == (2, 2, 8)


@pytest.mark.parametrize("kind", [Squeeze, Unsqueeze])
@pytest.mark.parametrize("shape", [(3, 4, 1), (4, 1, 1)])
def test_odd_sides_cannot_be_squeezed(kind, shape):
    with pytest.raises(ValueError, match="even height and width"):
        kind(shape)


@pytest.mark.parametrize("within_channels", [True, False])
def test_permutation_puts_in_each_place_the_dimension_its_index_names(within_channels):
    index = shuffled((2, 3, 4), within_channels)
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    z = Permutation(index).inverse(tf.constant(x)).numpy()
    assert np.array_equal(z, x.reshape(5, -1)[:, index])


@pytest.mark.parametrize("within_channels", [True, False])
def test_gradient_of_a_permutation_is_the_inverse_gather_and_no_scatter(within_channels):
    flow = Permutation(shuffled((2, 3, 4), within_channels))
    weights = tf.constant(np.random.default_rng(0).normal(size=(1, 2, 3, 4)))

    @tf.function
    def gradient(x):
        return tf.gradients(flow.inverse_and_event_log_det(x)[0] * weights, x)[0]

    x = tf.zeros((1, 2, 3, 4), tf.float64)
    close(gradient(x), flow.forward(weights), 1e-12, "gradient")
    graph = gradient.get_concrete_function(x).graph.as_graph_def()
    operations = {n.op for n in graph.node}
    operations |= {n.op for function in graph.library.function for n in function.node_def}
    assert not any("Scatter" in op or "SegmentSum" in op for op in operations)


@pytest.mark.parametrize("within_channels", [True, False])
def test_permutation_has_second_derivatives(within_channels):
    flow = Permutation(shuffled((2, 3, 4), within_channels))
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 2, 3, 4)))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(flow.inverse_and_event_log_det(x)[0] ** 3)
        first = tf.reduce_sum(inner.gradient(loss, x))
    close(outer.gradient(first, x), 6 * x, 1e-10, "second derivative")


@pytest.mark.parametrize(
    "index", [[[[0, 0, 1]]], [[[1, 2, 3]]], [[[0, 1, -1]]]], ids=["twice", "from one", "negative"]
)
def test_index_that_is_no_permutation_is_refused(index):
    with pytest.raises(ValueError, match="index must hold every integer from 0 to 2 exactly once"):
        Permutation(np.array(index))


def test_index_without_an_image_shape_is_refused():
    with pytest.raises(ValueError, match=r"index\.shape must be"):
        Permutation(np.arange(4))


@pytest.mark.parametrize("name", ["Squeeze", "Unsqueeze", "Permutation (within channels)"])
def test_route_moves_an_index_as_the_inverse_moves_dimensions(name):
    flow = FLOWS[name]("float32")
    index = numbered(flow.event_shape)
    assert np.array_equal(flow.route(index), flow.inverse(tf.constant(index[None]))[0])


def test_rearrangement_that_lacks_a_direction_raises_its_name():
    flow = Rearrangement(SHAPE)
    assert isinstance(flow, FlowBijector)
    with pytest.raises(NotImplementedError, match="Rearrangement lacks _arrange"):
        flow.inverse(tf.zeros((1, *SHAPE)))
