"""The distribution function of a mixture of logistics in logits, and its inverse."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Newton's steps and halvings of the bracket together; 24 did for 240,000 mixtures made to be hard.
MAX_STEPS = 100
# exp(this) is far from overflow in float32, and no slope that matters is so small.
LEAST_LOG_SLOPE = -80.0


class LogisticMixture(NamedTuple):
    """Mixtures of K logistic distributions, one for every number of a tensor `[...]`.

    Attributes:
        log_weights: `[..., K]`, logarithms of weights that sum to one.
        means: `[..., K]`.
        log_scales: `[..., K]`.
    """

    log_weights: tf.Tensor
    means: tf.Tensor
    log_scales: tf.Tensor


def logit_cdf(x: tf.Tensor, mixture: LogisticMixture) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the logit of the mixture's distribution function and its log-slope.

    ```none
    t_k   = (x - mean_k) * exp(-log_scale_k)
    F     = sum_k weight_k sigmoid(t_k),  f = dF/dx
    logit = log F - log(1 - F)
    slope = d logit / dx = f / (F (1 - F))
    ```

    F itself is never formed: it rounds to one where its logit is 17 in float32.
    Sums of exponentials of `log sigmoid(t)` and `log sigmoid(-t)` keep both
    tails to the precision of the type.

    Args:
        x: `[...]`.
        mixture: Of the same leading shape.

    Returns:
        The logit and the logarithm of its derivative in x, each `[...]`.
    """
    t = (x[..., None] - mixture.means) * tf.exp(-mixture.log_scales)
    # Each softplus where it is small; t - softplus(t) would lose it beside a large t.
    not_below, not_above = tf.nn.softplus(-t), tf.nn.softplus(t)
    log_below = mixture.log_weights - not_below
    log_cdf = tf.reduce_logsumexp(log_below, axis=-1)
    log_survival = tf.reduce_logsumexp(mixture.log_weights - not_above, axis=-1)
    log_density = tf.reduce_logsumexp(log_below - not_above - mixture.log_scales, axis=-1)
    return log_cdf - log_survival, log_density - log_cdf - log_survival


def quantile(logit: tf.Tensor, mixture: LogisticMixture) -> tf.Tensor:
    """Returns the x at which the mixture's distribution function has the given logit.

    The gradient is the implicit one, `dx = (dlogit - d logit_cdf(x)) / slope`,
    for the logit and for the mixture; there is no second gradient.

    Args:
        logit: `[...]`.
        mixture: Of the same leading shape.
    """
    root = find_quantile(logit, mixture)
    value, log_slope = logit_cdf(root, mixture)
    # Only gradients feel the limit: between narrow components far apart the
    # slope underflows, and what is added below to the root has the value zero.
    log_slope = tf.maximum(tf.stop_gradient(log_slope), LEAST_LOG_SLOPE)
    newton_step = (logit - value) * tf.exp(-log_slope)
    return root + newton_step - tf.stop_gradient(newton_step)


def find_quantile(
    logit: tf.Tensor, mixture: LogisticMixture, max_steps: int = MAX_STEPS
) -> tf.Tensor:
    """Returns `quantile` without a gradient, to the precision of the type.

    Where all components have the same quantile, so has the mixture; else its quantile lies between
    theirs. Within that bracket these are Newton's steps, and halvings where a step would leave the
    bracket or the one before did not halve the error.

    An end of the bracket is moved by the sign of the error alone, which F being
    increasing allows. `tfp.math.find_root_chandrupatla` needs different signs at
    its two ends; they may be alike when one component has all the weight and its
    quantile is an end, up to rounding, and it then returns the other end.

    Args:
        logit: `[...]`.
        mixture: Of the same leading shape.
        max_steps: The most steps.
    """
    logit = tf.stop_gradient(logit)
    mixture = LogisticMixture(*map(tf.stop_gradient, mixture))
    precision = 2 * np.finfo(logit.dtype.as_numpy_dtype).eps
    tolerance = precision * (1 + tf.abs(logit))
    quantiles = mixture.means + tf.exp(mixture.log_scales) * logit[..., None]
    start = tf.reduce_sum(tf.exp(mixture.log_weights) * quantiles, axis=-1)

    def step(x, low, high, last_error, resting):
        value, log_slope = logit_cdf(x, mixture)
        error = value - logit
        low, high = tf.where(error < 0, x, low), tf.where(error > 0, x, high)
        move = -error * tf.exp(-log_slope)
        # A step of infinite or undefined length lies nowhere.
        inside = (x + move > low) & (x + move < high)
        halved = 2 * tf.abs(error) <= tf.abs(last_error)
        # What is no number is not above the tolerance either, and rests too.
        close = ~(tf.abs(error) > tolerance) | (tf.abs(move) <= precision / 2 * tf.abs(x))
        otherwise = tf.where(close, x, low + (high - low) / 2)
        moved = tf.where(inside & halved, x + move, otherwise)
        nothing_between = (moved == low) | (moved == high)
        x = tf.where(resting, x, moved)
        return x, low, high, error, resting | close | nothing_between

    x, *_ = tf.while_loop(
        lambda x, low, high, error, resting: ~tf.reduce_all(resting),
        step,
        (
            start,
            tf.reduce_min(quantiles, axis=-1),
            tf.reduce_max(quantiles, axis=-1),
            np.inf * tf.ones_like(logit),
            tf.zeros_like(logit, tf.bool),
        ),
        maximum_iterations=max_steps,
    )
    return tf.stop_gradient(x)
