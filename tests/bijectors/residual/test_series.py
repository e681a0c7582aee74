"""The log-det of x + g(x), per dimension, against linear algebra on the whole Jacobian."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.contractions import SHAPE, inputs, linearized, matrices, strong_network
from tfp_lcma.bijectors.residual.series import Series, exact_log_det, series_log_det
from tfp_lcma.testing.compare import close

SIZE = int(np.prod(SHAPE))
SHAPES = [(2, 2, 2), (4, 4, 1)]


def hadamard(shape=SHAPE):
    """As many probes as dimensions, orthogonal: their mean is the expectation over all signs."""
    rows = np.ones((1, 1))
    while len(rows) < np.prod(shape):
        rows = np.block([[rows, rows], [rows, -rows]])
    return tf.constant(rows.reshape(1, -1, *shape))


def log_det_matrix(matrix):
    """log(I + J) by eigenvalues."""
    values, vectors = np.linalg.eig(matrix)
    return (vectors @ np.diag(np.log(1 + values)) @ np.linalg.inv(vectors)).real


def truncated_diagonal(matrix, terms):
    powers = [np.linalg.matrix_power(matrix, k) for k in range(1, terms + 1)]
    return sum((-1) ** (k + 1) / k * np.diag(p) for k, p in enumerate(powers, start=1))


def expectation(network, x, terms, training=False, shape=SHAPE):
    """The mean over probes of a series cut after `terms`, without any chance in it."""
    series = Series(terms, int(np.prod(shape)))
    lengths = series.lengths(tf.constant(0), 0)
    draws = series_log_det(linearized(network, x), hadamard(shape), series, lengths, training)
    return tf.reduce_mean(draws, axis=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("coefficient", [0.3, 0.9, 0.99])
def test_exact_log_det_is_the_diagonal_of_the_matrix_logarithm(shape, coefficient):
    network, x = strong_network(shape, coefficient), inputs(3, shape)
    got = tf.reshape(exact_log_det(linearized(network, x), coefficient), (3, -1))
    for row, matrix in zip(got, matrices(network, x), strict=True):
        close(row, np.diag(log_det_matrix(matrix)), 1e-12, "per dimension")
        expected = np.linalg.slogdet(np.eye(len(matrix)) + matrix)[1]
        close(tf.reduce_sum(row), expected, 1e-12, "in sum")


@pytest.mark.parametrize("terms", [1, 2, 7])
def test_expectation_over_probes_is_the_diagonal_of_the_cut_series(terms):
    network, x = strong_network(), inputs(3)
    got = tf.reshape(expectation(network, x, terms), (3, -1))
    expected = [truncated_diagonal(matrix, terms) for matrix in matrices(network, x)]
    close(got, expected, 1e-12, "cut series")


@pytest.mark.parametrize("shape", SHAPES)
def test_truncation_bias_is_there_shrinks_and_stays_within_the_geometric_tail(shape):
    network, x = strong_network(shape), inputs(4, shape)
    exact = exact_log_det(linearized(network, x), 0.9)
    size, biases = np.prod(shape), []
    for terms in (1, 2, 4, 8, 16):
        off = np.abs(expectation(network, x, terms, shape=shape) - exact)
        bound = 0.9 ** (terms + 1) / ((terms + 1) * (1 - 0.9))
        assert off.max() <= bound
        biases.append(
            np.abs(
                tf.reduce_sum(exact, (1, 2, 3))
                - tf.reduce_sum(expectation(network, x, terms, shape=shape), (1, 2, 3))
            ).max()
        )
        assert biases[-1] <= size * bound
    assert all(later < earlier for earlier, later in itertools.pairwise(biases))
    assert biases[1] > 1e-2  # two terms would not do without the roulette


def test_roulette_reaches_terms_as_often_as_it_weighs_them_up():
    series = Series(2, 40000, 0.7)
    lengths = series.lengths(tf.constant(5), salt=1).numpy()
    assert lengths.min() == 2
    assert lengths.max() <= series.most_terms
    for term in range(1, 12):
        weights = series.weight(tf.constant(term), lengths, tf.float64).numpy()
        reached = lengths >= term
        assert np.array_equal(weights != 0, reached)
        expected = (-1) ** (term + 1) / term
        error = weights.std() / np.sqrt(len(weights))
        assert abs(weights.mean() - expected) <= 4 * error + 1e-12
        assert reached.mean() == pytest.approx(0.7 ** max(term - 2, 0), abs=0.01)


def test_roulette_is_unbiased_where_the_same_terms_alone_are_not():
    network, x = strong_network((4, 4, 1)), inputs(1, (4, 4, 1))
    jacobian, series = linearized(network, x), Series(2, 5000, 0.81)
    exact = tf.reduce_sum(exact_log_det(jacobian, 0.9)).numpy()
    signs = series.signs(tf.constant([[1, 2]]), (4, 4, 1), 3, tf.float64)
    draws = series_log_det(jacobian, signs, series, series.lengths(tf.constant(4), 3))
    totals = tf.reduce_sum(draws[0], axis=(1, 2, 3)).numpy()
    error = totals.std() / np.sqrt(len(totals))
    assert abs(totals.mean() - exact) < 3 * error
    cut = tf.reduce_sum(expectation(network, x, 2, shape=(4, 4, 1))).numpy()
    assert abs(cut - exact) > 10 * error


def gradients(network, x, function):
    variables = [layer.kernel.value for layer in network.convolutions]
    variables += [layer.bias.value for layer in network.convolutions[:2]]
    variables += [beta.value for beta in network.raw_sharpness]
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(function())
    return tape.gradient(value, [x, *variables])


@pytest.mark.parametrize("terms", [1, 3, 6])
def test_gradient_in_training_is_the_plain_one_in_expectation(terms):
    """Over orthogonal probes both are expectations, so they agree to rounding."""
    network, x = strong_network(), inputs(2)
    plain, memory_saving = (
        gradients(network, x, lambda t=training: expectation(network, x, terms, t))
        for training in (False, True)
    )
    for got, expected in zip(memory_saving, plain, strict=True):
        close(got, expected, 1e-10, "gradient")
        assert np.any(expected)
    values = [expectation(network, x, terms, training) for training in (False, True)]
    close(*values, 1e-12, "value")


def test_gradient_of_many_terms_is_that_of_the_exact_log_det():
    network, x = strong_network(), inputs(2)
    exact = gradients(network, x, lambda: exact_log_det(linearized(network, x), 0.9))
    series = gradients(network, x, lambda: expectation(network, x, 200, training=True))
    for got, expected in zip(series, exact, strict=True):
        close(got, expected, 1e-8, "gradient")


def test_gradient_in_training_is_weighted_as_the_value_under_roulette():
    """Lengths of one kind, all the same: the plain gradient of the weighted series again."""
    network, x, series = strong_network(), inputs(2), Series(1, SIZE, 0.6)

    def estimate(training):
        lengths = tf.fill((SIZE,), 5)
        return tf.reduce_mean(
            series_log_det(linearized(network, x), hadamard(), series, lengths, training), axis=1
        )

    plain = gradients(network, x, lambda: estimate(False))
    for got, expected in zip(gradients(network, x, lambda: estimate(True)), plain, strict=True):
        close(got, expected, 1e-10, "gradient")


def test_loss_that_weighs_dimensions_differently_gets_no_gradient_in_training():
    network, x = strong_network(), inputs(2)
    weight = np.random.default_rng(0).normal(size=SHAPE)
    by_image = np.array([1.0, -2.0]).reshape(2, 1, 1, 1)

    def first_gradient(training, weight):
        return gradients(network, x, lambda: weight * expectation(network, x, 3, training))[0]

    assert np.isnan(first_gradient(True, weight)).all()
    assert np.isfinite(first_gradient(False, weight)).all()
    close(first_gradient(True, by_image), first_gradient(False, by_image), 1e-10, "by image")


def test_training_keeps_nothing_of_the_terms_for_its_gradient():
    network = strong_network()

    def kept(training):
        def gradient(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(expectation(network, x, 5, training))
            return tape.gradient(value, x)

        traced = tf.function(gradient, autograph=False).get_concrete_function(inputs(2))
        graph = traced.graph.as_graph_def()
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        return sum(node.op == "TensorListPushBack" for node in nodes)

    assert kept(training=False) > 0
    assert kept(training=True) == 0
