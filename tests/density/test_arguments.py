"""A distribution takes data and conditions of every usual form, or says what it expected."""

import numpy as np
import pytest
import tensorflow as tf

from tests.toys import SHAPE, ByClass, flow_of_classes
from tfp_lcma import FlowDistribution
from tfp_lcma.testing.inputs import move_weights

X = np.random.default_rng(0).normal(size=(3, *SHAPE))
CLASSES, VECTORS = np.array([1, 0, 1]), np.eye(2, dtype=np.float32)[[1, 0, 1]]


class ByVector(ByClass):
    conditions = (2,)


def distribution(network):
    flow = flow_of_classes(network=network)
    move_weights(flow, 0.1, seed=1)
    made = FlowDistribution(flow)
    first, other = (0, 1) if network is ByClass else VECTORS[:2]
    assert (
        np.abs(made.log_prob(X, condition=first) - made.log_prob(X, condition=other)).max() > 1e-3
    )
    return made


@pytest.fixture(scope="module")
def by_class():
    return distribution(ByClass)


@pytest.fixture(scope="module")
def by_vector():
    return distribution(ByVector)


METHODS = {
    "log_prob": lambda d, x, c: d.log_prob(x, condition=c),
    "event_log_prob": lambda d, x, c: d.event_log_prob(x, c),
    "encode": lambda d, x, c: d.encode(x, c),
    "decode": lambda d, x, c: d.decode(x, c),
    "interpolate": lambda d, x, c: d.interpolate(x, x[::-1], c, steps=3),
    "sample": lambda d, x, c: d.sample(3, seed=(1, 2), condition=c),
    "sample_and_log_prob": lambda d, x, c: d.experimental_sample_and_log_prob(
        3, seed=(1, 2), condition=c
    )[1],
    "inverse": lambda d, x, c: d.bijector.inverse(tf.cast(x, tf.float32), condition=c),
}
EACH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@EACH
def test_data_of_every_type_of_numbers_mean_the_same(method, by_class):
    whole = np.arange(48).reshape(X.shape) % 7
    expected = method(by_class, whole.astype(np.float32), CLASSES)
    for x in (whole, whole.astype(np.float64), tf.constant(whole, tf.float64), tf.constant(whole)):
        found = method(by_class, x, CLASSES)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.dtype == tf.float32
    listed = method(by_class, whole.tolist(), CLASSES)
    np.testing.assert_allclose(listed, expected, rtol=1e-5)


@EACH
def test_classes_of_every_form_mean_the_same(method, by_class):
    expected = method(by_class, X, tf.constant(CLASSES, tf.int32))
    for condition in (CLASSES, CLASSES.tolist(), tf.constant(CLASSES, tf.uint8)):
        np.testing.assert_allclose(method(by_class, X, condition), expected, rtol=1e-5)
    one = method(by_class, X, np.ones(3, int))
    for condition in (1, np.int64(1), tf.constant(1), np.array(1)):
        np.testing.assert_allclose(method(by_class, X, condition), one, rtol=1e-5)


@EACH
def test_vectors_of_every_form_mean_the_same(method, by_vector):
    expected = method(by_vector, X, tf.constant(VECTORS))
    for condition in (VECTORS.tolist(), VECTORS.astype(np.float64), VECTORS.astype(int)):
        np.testing.assert_allclose(method(by_vector, X, condition), expected, rtol=1e-5)
    one = method(by_vector, X, np.tile(VECTORS[:1], (3, 1)))
    for condition in (VECTORS[0], VECTORS[0].tolist(), tf.constant(VECTORS[0])):
        np.testing.assert_allclose(method(by_vector, X, condition), one, rtol=1e-5)


@EACH
@pytest.mark.parametrize(
    ("kind", "condition", "message"),
    [
        ("by_class", CLASSES[:2], r"condition must have shape \[3\], or \[\] for all images; got"),
        ("by_class", CLASSES[:, None], r"condition must have shape \[3\], .*got \(3, 1\)"),
        ("by_class", VECTORS[0], r"condition must hold classes, whole numbers; got dtype float32"),
        ("by_vector", VECTORS[:2], r"condition must have shape \[3, 2\], or \[2\] for all images"),
        ("by_vector", CLASSES, r"condition must have shape \[3, 2\], or \[2\] for all images; got"),
        ("by_vector", "a", "condition must hold vectors of 2 numbers; got dtype string"),
    ],
)
def test_other_conditions_are_refused_by_name(method, kind, condition, message, request):
    with pytest.raises(ValueError, match=message):
        method(request.getfixturevalue(kind), X, condition)


def test_a_traced_function_takes_them_alike(by_class):
    @tf.function
    def log_prob(x, condition):
        return by_class.log_prob(x, condition=condition)

    expected = by_class.log_prob(X, condition=1)
    got = log_prob(tf.constant(X), tf.constant(1))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
