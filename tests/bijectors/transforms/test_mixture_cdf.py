"""The logit of a mixture's distribution function, its slope, and the search for its inverse."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.bijectors.transforms.mixture_cdf import (
    LogisticMixture,
    find_quantile,
    logit_cdf,
    quantile,
)
from tfp_lcma.testing.compare import close

KINDS = {
    "plain": {},
    "of few that count, narrow and broad": {"weights": 8.0, "scales": 3.0},
    "far apart": {"means": 30.0, "weights": 4.0, "scales": 4.0},
}


def mixtures(count, components=32, dtype="float64", seed=0, means=3.0, weights=2.0, scales=1.5):
    random = np.random.default_rng(seed)
    raw = random.normal(size=(3, count, components))
    return LogisticMixture(
        tf.nn.log_softmax(tf.constant(weights * raw[0], dtype)),
        tf.constant(means * raw[1], dtype),
        tf.constant(5 * np.tanh(scales * raw[2] / 5), dtype),
    )


def cast(mixture, dtype):
    return LogisticMixture(*(tf.cast(part, dtype) for part in mixture))


def normal(count, scale=1.0, seed=1, dtype="float64"):
    return tf.constant(scale * np.random.default_rng(seed).normal(size=count), dtype)


def one(log_weights, means, log_scales, dtype="float32"):
    weights = tf.nn.log_softmax(tf.constant([log_weights], dtype))
    return LogisticMixture(weights, *(tf.constant([part], dtype) for part in (means, log_scales)))


def test_logit_and_slope_are_those_of_the_formula():
    mixture, x = mixtures(200), normal(200, 2.0)
    weights, scales = np.exp(mixture.log_weights), np.exp(mixture.log_scales)
    sigmoids = 1 / (1 + np.exp(-(x.numpy()[:, None] - mixture.means) / scales))
    cdf = np.sum(weights * sigmoids, -1)
    density = np.sum(weights * sigmoids * (1 - sigmoids) / scales, -1)
    logit, log_slope = logit_cdf(x, mixture)
    close(logit, np.log(cdf / (1 - cdf)), 1e-10, "logit")
    close(log_slope, np.log(density / (cdf * (1 - cdf))), 1e-10, "log-slope")


def test_log_slope_is_the_logarithm_of_the_derivative():
    mixture, x = mixtures(200, **KINDS["far apart"]), normal(200, 30.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logit, log_slope = logit_cdf(x, mixture)
    close(log_slope, np.log(tape.gradient(logit, x)), 1e-9, "log-slope")


@pytest.mark.parametrize("sign", [-1, 1])
def test_float32_keeps_both_tails(sign):
    mixture = mixtures(2000, dtype="float32", scales=0.5)
    x = sign * tf.constant(np.geomspace(150, 1e5, 2000), tf.float32)
    expected, expected_slope = logit_cdf(tf.cast(x, tf.float64), cast(mixture, "float64"))
    assert np.min(sign * expected.numpy()) > 15  # where a float32 F is 0 or 1
    logit, log_slope = logit_cdf(x, mixture)
    np.testing.assert_allclose(logit, expected, rtol=1e-6)
    error = np.abs(tf.cast(log_slope, tf.float64) - expected_slope)
    assert np.max(error / np.abs(expected)) < 2e-6


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_of_thousands_of_mixtures_in_float32(kind):
    mixture = mixtures(3_000, dtype="float32", **KINDS[kind])
    logit = normal(3_000, 3.0, dtype="float32")
    x = quantile(logit, mixture)
    logit, exact = tf.cast(logit, tf.float64), cast(mixture, "float64")
    expected = find_quantile(logit, exact)
    x = tf.cast(x, tf.float64)
    assert np.max(np.abs(x - expected)) < 1e-4 * np.ptp(expected)
    # Back in exact arithmetic: what x and the logit round to, and little more.
    back, log_slope = logit_cdf(x, exact)
    rounding = np.finfo(np.float32).eps * (1 + np.abs(logit) + np.abs(x) * np.exp(log_slope))
    assert np.max(np.abs(back - logit) / rounding) < 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_search_is_over_long_before_its_limit(kind, dtype):
    mixture, logit = mixtures(1000, dtype=dtype, **KINDS[kind]), normal(1000, 5.0, dtype=dtype)
    assert np.array_equal(find_quantile(logit, mixture, 30), find_quantile(logit, mixture))


def test_root_at_an_end_of_its_bracket_is_not_taken_for_the_other_end():
    # One component has all the weight; what counts is that rounding hides the others.
    logit = tf.constant(np.linspace(-3, 3, 201), tf.float32)
    for others in (50.0, -50.0):
        mixture = one([0.0, -40.0, -40.0], [0.3, others, others / 2], [0.1, 1.0, 1.0])
        close(find_quantile(logit, mixture), 0.3 + np.exp(0.1) * logit, 1e-6, "quantile")


@pytest.mark.parametrize("part", ["logit", *LogisticMixture._fields])
def test_gradient_of_the_quantile_is_that_of_differences(part):
    mixture, logit = mixtures(50, components=4), normal(50)
    arguments = {"logit": logit, **mixture._asdict()}

    def root(function, value):
        named = {**arguments, part: value}
        return function(named.pop("logit"), LogisticMixture(**named))

    with tf.GradientTape() as tape:
        tape.watch(arguments[part])
        total = tf.reduce_sum(root(quantile, arguments[part]))
    gradient = tape.gradient(total, arguments[part])
    direction = np.random.default_rng(3).normal(size=arguments[part].shape)
    up, down = (root(find_quantile, arguments[part] + h * direction) for h in (1e-6, -1e-6))
    along = np.reshape(gradient * direction, (50, -1)).sum(-1)
    close(along, (up - down) / 2e-6, 1e-6, f"gradient for {part}")


def test_between_narrow_components_far_apart_value_and_gradient_are_finite():
    # The slope underflows there: exp(-15,000).
    mixture, logit = one([0.0, 0.0], [-100.0, 100.0], [-5.0, -5.0]), tf.constant([0.0])
    with tf.GradientTape() as tape:
        tape.watch([logit, *mixture])
        x = quantile(logit, mixture)
    assert abs(float(x[0])) < 101
    gradients = tape.gradient(x, [logit, *mixture])
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    x = find_quantile(tf.constant([-1e-3, 1e-3]), mixture)
    close(x, [-100 + 0.0419, 100 - 0.0419], 1e-4, "beside the step")


def test_what_is_no_number_stays_so_and_disturbs_no_other():
    mixture, logit = mixtures(3, dtype="float32"), tf.constant([np.nan, 1.0, np.inf])
    x = quantile(logit, mixture)
    assert np.isnan(x[0])
    assert not np.isfinite(x[2])
    alone = LogisticMixture(*(part[1:2] for part in mixture))
    close(x[1], quantile(logit[1:2], alone)[0], 1e-6, "alone")


def test_xla_finds_the_same_quantiles_and_gradients():
    mixture, logit = mixtures(500, dtype="float32"), normal(500, 2.0, dtype="float32")

    def value_and_gradients(logit, mixture):
        with tf.GradientTape() as tape:
            tape.watch([logit, *mixture])
            x = quantile(logit, mixture)
        return x, *tape.gradient(x, [logit, *mixture])

    eager = value_and_gradients(logit, mixture)
    compiled = tf.function(value_and_gradients, jit_compile=True)(logit, mixture)
    for got, expected in zip(compiled, eager, strict=True):
        close(got, expected, 1e-5, "under XLA")
