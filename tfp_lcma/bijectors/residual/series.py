"""The log-det of x + g(x), per dimension: estimated from a power series, or exact.

With J the Jacobian of g, of operator norm below 1, and v a vector of random signs,

```none
log(I + J) = sum_k (-1)^{k+1} / k J^k
diag(log(I + J)) = E_v sum_k (-1)^{k+1} / k v * (v^T J^k),  * entry by entry
```

whose sum over the entries is log|det(I + J)|. Keeping the entries apart is this
package's; the estimates of the sum are those of the references.

References:
    Behrmann et al.: Invertible residual networks, section 3 (fixed truncation).
    Chen, Behrmann, Duvenaud, Jacobsen: Residual flows, section 3.1 (Russian
    roulette), section 3.2 and appendix C (gradient by a Neumann series).
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.custom_gradient import with_gradient
from tfp_lcma.networks.lipschitz import Linearization

# Keeps the random lengths of series apart from the signs of probes.
_LENGTHS = 0x5BD1E995


class Series(NamedTuple):
    """How many terms of the power series a pass sums, over how many probes.

    Attributes:
        terms: Terms that are always summed.
        probes: Vectors of signs that the result is averaged over.
        continuation: Probability to go on by one more term, after those; 0: stop
            there. A term that is reached with probability p counts 1/p times, so
            that the expectation is that of the whole series.
    """

    terms: int
    probes: int
    continuation: float = 0.0

    @property
    def most_terms(self) -> int:
        """The most terms that can be reached: 24 binary digits decide the length."""
        if not self.continuation:
            return self.terms
        return self.terms + math.ceil(24 * math.log(2) / -math.log(self.continuation))

    def signs(self, seeds: tf.Tensor, shape, salt, dtype: tf.DType) -> tf.Tensor:
        """Returns probes `[n, probes, *shape]` for int32 seeds `[n, 2]`."""
        return noise.sign_rows(seeds, (self.probes, *shape), salt, dtype)

    def lengths(self, seed: tf.Tensor, salt: int) -> tf.Tensor:
        """Returns how many terms each probe sums, int32 `[probes]`."""
        if not self.continuation:
            return tf.fill((self.probes,), self.terms)
        salt = tf.bitwise.bitwise_xor(tf.cast(salt, tf.int32), _LENGTHS)
        pair = tf.stack([seed, tf.bitwise.bitwise_and(salt, 0x7FFFFFFF)])
        uniform = noise.uniform_batch((self.probes,), pair, tf.float32)
        further = tf.math.log(1 - uniform) / math.log(self.continuation)
        return self.terms + tf.cast(tf.floor(further), tf.int32)

    def weight(self, term: tf.Tensor, lengths: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Returns what each probe multiplies v * (v^T J^term) by, `[probes]`."""
        power = tf.cast(term, dtype)
        sign = tf.cast(1 - 2 * ((term + 1) % 2), dtype)
        weight = sign / power
        if self.continuation:
            beyond = tf.cast(tf.maximum(term - self.terms, 0), dtype)
            weight *= tf.exp(-beyond * math.log(self.continuation))
        return tf.where(term <= lengths, weight, tf.zeros((), dtype))


def series_log_det(
    jacobian: Linearization,
    signs: tf.Tensor,
    series: Series,
    lengths: tf.Tensor,
    training: bool = False,
) -> tf.Tensor:
    """Returns an estimate of diag(log(I + J)) from every probe.

    Outside training the gradient is that of the estimate. In training it is an
    unbiased estimate of the gradient of its expectation, summed over the event,

    ```none
    d log|det(I + J)| = E_v w^T dJ v,  w^T = sum_k (-1)^k v^T J^k
    ```

    for which nothing has to be kept but one product with J, however many terms
    there are. Per dimension it has no such form: a loss that weighs the
    dimensions of one image differently gets a NaN gradient in training.

    Args:
        jacobian: g linearised at a batch of inputs.
        signs: The probes, `[batch or 1, probes, height, width, channels]`.
        series: What to sum.
        lengths: How many terms each probe sums, int32 `[probes]`.
        training: Which gradient.

    Returns:
        `[batch, probes, height, width, channels]`, in nats.
    """
    shape = tf.shape(jacobian.value)
    batch, event = shape[0], jacobian.value.shape[1:]
    dtype = signs.dtype
    signs = tf.broadcast_to(signs, (batch, series.probes, *event))
    signs = tf.reshape(signs, (-1, *event))
    lengths = tf.tile(lengths, [batch])
    jacobian = jacobian.repeated(series.probes)
    product = jacobian.frozen() if training else jacobian

    def add_term(term, rows, total, adjoint):
        weight = tf.reshape(series.weight(term, lengths, dtype), (-1, 1, 1, 1))
        adjoint += tf.cast(term, dtype) * weight * rows
        rows = product.pull(rows)
        return term + 1, rows, total + weight * signs * rows, adjoint

    start = tf.ones((), tf.int32), signs, tf.zeros_like(signs), tf.zeros_like(signs)
    longest = tf.reduce_max(lengths)
    # The bound on the iterations lets XLA lay out what the gradient keeps.
    _, _, total, adjoint = tf.while_loop(
        lambda term, *_: term <= longest,
        add_term,
        start,
        maximum_iterations=series.most_terms,
    )
    if training:
        product = _uniformly_weighted(tf.stop_gradient(adjoint) * jacobian.push(signs))
        total = tf.stop_gradient(total) + (product - tf.stop_gradient(product))
    return tf.reshape(total, (batch, series.probes, *event))


def _uniformly_weighted(shares: tf.Tensor) -> tf.Tensor:
    """Passes `shares` on, and a gradient that is the same all over an event; else NaN."""

    def gradient(upstream):
        mean = tf.reduce_mean(upstream, axis=(1, 2, 3), keepdims=True)
        uneven = tf.abs(upstream - mean) > 1e-3 * tf.abs(mean)
        return [tf.where(uneven, tf.constant(np.nan, upstream.dtype), upstream)]

    return with_gradient(lambda shares: [shares], gradient, shares)[0]


def exact_log_det(jacobian: Linearization, coefficient: float) -> tf.Tensor:
    """Returns diag(log(I + J)) from the whole matrix J of every input: for small events.

    ```none
    log(I + J) = integral of J (I + t J)^{-1} over t from 0 to 1
    ```

    by as many Gauss-Legendre nodes as bring the error below 1e-15 of the whole
    for an operator norm of `coefficient`; the sum is log|det(I + J)| likewise.

    Args:
        jacobian: g linearised at a batch of inputs.
        coefficient: A bound below 1 of the operator norm of J.

    Returns:
        `[batch, height, width, channels]`, in nats.
    """
    event = jacobian.value.shape[1:]
    size, dtype = int(np.prod(event)), jacobian.value.dtype
    batch = tf.shape(jacobian.value)[0]
    units = tf.tile(tf.reshape(tf.eye(size, dtype=dtype), (size, *event)), (batch, 1, 1, 1))
    matrix = tf.reshape(jacobian.repeated(size).pull(units), (batch, size, size))
    # The inverse of a matrix with NaN in it would be an error.
    finite = tf.reduce_all(tf.math.is_finite(matrix), axis=(1, 2), keepdims=True)
    matrix = tf.where(finite, matrix, tf.zeros((), dtype))
    nodes, weights = (tf.constant(a[:, None, None], dtype) for a in _gauss_legendre(coefficient))
    resolvents = tf.linalg.inv(tf.eye(size, dtype=dtype) + nodes * matrix[:, None])
    # J (I + tJ)^{-1} = (I - (I + tJ)^{-1}) / t
    shares = weights / nodes * (1 - tf.linalg.diag_part(resolvents)[..., None])
    diagonal = tf.where(finite[:, 0], tf.reduce_sum(shares, axis=1)[..., 0], np.nan)
    return tf.reshape(diagonal, (batch, *event))


def _gauss_legendre(coefficient: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes and weights on [0, 1] for log(1 + x), |x| <= coefficient.

    m nodes give the [m/m] Pade approximant, whose error shrinks per node by the
    square of (1 - r) / (1 + r), r = sqrt(1 - coefficient).
    """
    root = math.sqrt(1 - coefficient)
    rate = 2 * math.log((1 - root) / (1 + root))
    nodes, weights = np.polynomial.legendre.leggauss(math.ceil(math.log(1e-15) / rate) + 1)
    return (nodes + 1) / 2, weights / 2
